/* The frame buffer of a session: on pages of its own, given back while nothing is sent, and made again after.
 */

#include <check.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "http2/frame_buffer.h"

static nghttp2_session_callbacks *callbacks;
static FrameBuffer *buffer;
static nghttp2_mem allocator;
static nghttp2_session *session;

static void set_up(void)
{
    buffer = frame_buffer_new(&allocator);
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    ck_assert_int_eq(nghttp2_session_server_new3(&session, callbacks, NULL, NULL, &allocator), 0);
    frame_buffer_settle(buffer);
}

static void tear_down(void)
{
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(callbacks);
    buffer = frame_buffer_release(buffer);
}

static void send_ping(const uint8_t opaque[8])
{
    const uint8_t *bytes;
    ck_assert_int_eq(nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, opaque), 0);
    ssize_t n = nghttp2_session_mem_send(session, &bytes);
    ck_assert_int_ge(n, 17);
    ck_assert_mem_eq(bytes + n - 8, opaque, 8);
    while (nghttp2_session_mem_send(session, &bytes) > 0)
        ;
}

START_TEST(it_lies_on_pages_of_its_own)
{
    send_ping((const uint8_t *)"first...");
    ck_assert_uint_ge(frame_buffer_resident(buffer), 1);
}
END_TEST

START_TEST(its_pages_are_given_back_and_come_again)
{
    send_ping((const uint8_t *)"before..");
    ck_assert(frame_buffer_warm(buffer));
    ck_assert(!frame_buffer_warm(buffer));
    frame_buffer_cool(buffer);
    ck_assert(!frame_buffer_is_warm(buffer));
    ck_assert_uint_eq(frame_buffer_resident(buffer), 0);
    send_ping((const uint8_t *)"after...");
    ck_assert_uint_ge(frame_buffer_resident(buffer), 1);
}
END_TEST

/* Header strings do. Run under a sanitizer. */
START_TEST(what_outlives_the_session_can_still_be_freed)
{
    void *string = allocator.malloc(100, allocator.mem_user_data);
    nghttp2_session_del(session);
    session = NULL;
    buffer = frame_buffer_release(buffer);
    allocator.free(string, allocator.mem_user_data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame_buffer");
    TCase *tests = tcase_create("frame_buffer");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, it_lies_on_pages_of_its_own);
    tcase_add_test(tests, its_pages_are_given_back_and_come_again);
    tcase_add_test(tests, what_outlives_the_session_can_still_be_freed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
