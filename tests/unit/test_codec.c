#include "spark/codec.h"

#include <check.h>
#include <stdlib.h>

#include "proto/envelope.pb-c.h"
#include "rpc/framing.h"

#define SESSION   "00112233-4455-6677-8899-aabbccddeeff"
#define OPERATION "11112222-3333-4444-5555-666677778888"
#define SERVER    "99998888-7777-6666-5555-444433332222"

typedef Sparkbouncer__Envelope__ReleaseExecuteResponse Response;

/* Decodes a framed response; NULL when the frame is not exactly `length` long. */
static Response *decode(const uint8_t *bytes, size_t length)
{
    Framing framing = FRAMING_INIT;
    const uint8_t *message = NULL;
    size_t message_length = 0;
    if (framing_next(&framing, &bytes, &length, &message, &message_length) != FRAMING_MESSAGE_BEGIN ||
        framing_is_compressed(&framing) || framing_message_length(&framing) != length)
        return NULL;
    return sparkbouncer__envelope__release_execute_response__unpack(NULL, length, bytes);
}

START_TEST(release_response_decodes_back)
{
    uint8_t bytes[256];
    size_t length = codec_write_release_response(bytes, sizeof(bytes), SESSION, OPERATION, SERVER);
    Response *response = decode(bytes, length);
    ck_assert_ptr_nonnull(response);
    ck_assert_str_eq(response->session_id, SESSION);
    ck_assert_str_eq(response->operation_id, OPERATION);
    ck_assert_str_eq(response->server_side_session_id, SERVER);
    sparkbouncer__envelope__release_execute_response__free_unpacked(response, NULL);
}
END_TEST

START_TEST(absent_values_are_left_out)
{
    uint8_t bytes[256];
    size_t length = codec_write_release_response(bytes, sizeof(bytes), SESSION, NULL, NULL);
    Response *response = decode(bytes, length);
    ck_assert_ptr_nonnull(response);
    ck_assert_str_eq(response->session_id, SESSION);
    ck_assert_ptr_null(response->operation_id);
    ck_assert_ptr_null(response->server_side_session_id);
    sparkbouncer__envelope__release_execute_response__free_unpacked(response, NULL);
}
END_TEST

START_TEST(too_small_a_buffer_is_refused)
{
    uint8_t bytes[256];
    size_t length = codec_write_release_response(bytes, sizeof(bytes), SESSION, OPERATION, SERVER);
    for (size_t capacity = 0; capacity < length; capacity++)
        ck_assert_uint_eq(codec_write_release_response(bytes, capacity, SESSION, OPERATION, SERVER), 0);
    ck_assert_uint_eq(codec_write_release_response(bytes, length, SESSION, OPERATION, SERVER), length);
}
END_TEST

/* ---- ReattachExecute */

static Sparkbouncer__Envelope__ReattachExecuteRequest *decode_reattach(const uint8_t *bytes, size_t length)
{
    ck_assert_uint_gt(length, FRAMING_PREFIX_SIZE);
    return sparkbouncer__envelope__reattach_execute_request__unpack(NULL, length - FRAMING_PREFIX_SIZE,
                                                                    bytes + FRAMING_PREFIX_SIZE);
}

START_TEST(reattach_request_decodes_back)
{
    uint8_t bytes[CODEC_REATTACH_SIZE];
    ReattachFields fields = {.session_id = SESSION,
                             .user_id = "ann",
                             .operation_id = OPERATION,
                             .client_type = "test",
                             .last_response_id = "last",
                             .client_observed_server_side_session_id = SERVER};
    size_t length = codec_write_reattach_request(bytes, sizeof bytes, &fields);
    Sparkbouncer__Envelope__ReattachExecuteRequest *request = decode_reattach(bytes, length);
    ck_assert_ptr_nonnull(request);
    ck_assert_str_eq(request->session_id, SESSION);
    ck_assert_str_eq(request->user_context->user_id, "ann");
    ck_assert_str_eq(request->operation_id, OPERATION);
    ck_assert_str_eq(request->client_type, "test");
    ck_assert_str_eq(request->last_response_id, "last");
    ck_assert_str_eq(request->client_observed_server_side_session_id, SERVER);
    sparkbouncer__envelope__reattach_execute_request__free_unpacked(request, NULL);
}
END_TEST

/* The server takes an empty last_response_id for one that it has never sent. */
START_TEST(a_reattach_from_the_beginning_names_no_response)
{
    uint8_t bytes[CODEC_REATTACH_SIZE];
    ReattachFields fields = {.session_id = SESSION, .operation_id = OPERATION};
    size_t length = codec_write_reattach_request(bytes, sizeof bytes, &fields);
    Sparkbouncer__Envelope__ReattachExecuteRequest *request = decode_reattach(bytes, length);
    ck_assert_ptr_nonnull(request);
    ck_assert_ptr_null(request->last_response_id);
    ck_assert_ptr_null(request->user_context);
    ck_assert_ptr_null(request->client_type);
    sparkbouncer__envelope__reattach_execute_request__free_unpacked(request, NULL);
}
END_TEST

START_TEST(requests_of_our_own_decode_back)
{
    uint8_t bytes[CODEC_SESSION_REQUEST_SIZE];
    SessionFields fields = {.session_id = SESSION, .user_id = "someone"};
    size_t length = codec_write_interrupt_request(bytes, sizeof bytes, &fields, OPERATION);
    Sparkbouncer__Envelope__InterruptRequest *interrupt = sparkbouncer__envelope__interrupt_request__unpack(
        NULL, length - FRAMING_PREFIX_SIZE, bytes + FRAMING_PREFIX_SIZE);
    ck_assert_ptr_nonnull(interrupt);
    ck_assert_str_eq(interrupt->session_id, SESSION);
    ck_assert_str_eq(interrupt->user_context->user_id, "someone");
    ck_assert_int_eq(interrupt->interrupt_type, 3); /* INTERRUPT_TYPE_OPERATION_ID */
    ck_assert_str_eq(interrupt->operation_id, OPERATION);
    sparkbouncer__envelope__interrupt_request__free_unpacked(interrupt, NULL);
    fields.user_id = NULL;
    length = codec_write_release_session_request(bytes, sizeof bytes, &fields);
    Sparkbouncer__Envelope__ReleaseSessionRequest *release =
        sparkbouncer__envelope__release_session_request__unpack(NULL, length - FRAMING_PREFIX_SIZE,
                                                                bytes + FRAMING_PREFIX_SIZE);
    ck_assert_ptr_nonnull(release);
    ck_assert_str_eq(release->session_id, SESSION);
    ck_assert_ptr_null(release->user_context);
    sparkbouncer__envelope__release_session_request__free_unpacked(release, NULL);
    ck_assert_uint_eq(codec_write_interrupt_request(bytes, 40, &fields, OPERATION), 0);
    ck_assert_uint_eq(codec_write_release_session_request(bytes, 40, &fields), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec");
    TCase *tests = tcase_create("codec");
    tcase_add_test(tests, release_response_decodes_back);
    tcase_add_test(tests, absent_values_are_left_out);
    tcase_add_test(tests, too_small_a_buffer_is_refused);
    tcase_add_test(tests, reattach_request_decodes_back);
    tcase_add_test(tests, requests_of_our_own_decode_back);
    tcase_add_test(tests, a_reattach_from_the_beginning_names_no_response);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
