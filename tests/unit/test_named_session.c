/* Named sessions: ids by name, ids exchanged in the bytes that pass, interrupts that mean one client. */

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/envelope.pb-c.h"
#include "random_message.h"
#include "session/named_session.h"
#include "spark/codec.h"
#include "spark/method.h"
#include "spark/session_patch.h"

#define CLIENT_ID "00112233-4455-6677-8899-aabbccddeeff"
#define SHARED_ID "deadbeef-dead-beef-dead-beefdeadbeef"

static const NamedSessionKey KEY = {"ann", "dev", "etl"};

/* ---- ids */

START_TEST(a_uuid_by_name_is_everybodys)
{
    static const uint8_t dns[16] = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
                                    0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
    char text[UUID_TEXT_SIZE];
    uuid_from_name(dns, "www.example.com", strlen("www.example.com"), text);
    ck_assert_str_eq(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}
END_TEST

START_TEST(random_uuids_are_random)
{
    char one[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];
    uuid_random(one);
    uuid_random(other);
    ck_assert_str_ne(one, other);
    ck_assert_uint_eq(strlen(one), UUID_TEXT_SIZE - 1);
    ck_assert_int_eq(one[14], '4');
    ck_assert_ptr_nonnull(strchr("89ab", one[19]));
}
END_TEST

START_TEST(each_part_makes_another_session)
{
    char one[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];
    NamedSessions sessions;
    named_sessions_init(&sessions);
    named_sessions_id(&sessions, &KEY, one);
    named_sessions_id(&sessions, &KEY, other);
    ck_assert_str_eq(one, other);
    static const char *const others[][3] = {{"bob", "dev", "etl"},
                                            {"ann", "lab", "etl"},
                                            {"ann", "dev", "ml"},
                                            {"annd", "ev", "etl"},
                                            {"", "dev", "etl"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        named_sessions_id(&sessions, &(NamedSessionKey){others[i][0], others[i][1], others[i][2]}, other);
        ck_assert_str_ne(one, other);
    }
}
END_TEST

/* ---- names whose sessions the server has closed */

START_TEST(a_closed_session_has_a_next_one_everywhere)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE], third[UUID_TEXT_SIZE];
    NamedSessions here, there;
    named_sessions_init(&here);
    named_sessions_init(&there);
    named_sessions_id(&here, &KEY, first);
    named_sessions_closed(&here, &KEY, first);
    named_sessions_id(&here, &KEY, second);
    ck_assert_str_ne(first, second);
    named_sessions_closed(&here, &KEY, first); /* somebody is late */
    named_sessions_id(&here, &KEY, third);
    ck_assert_str_eq(second, third);
    named_sessions_closed(&here, &KEY, second);
    named_sessions_id(&here, &KEY, third);
    ck_assert_str_ne(second, third);
    named_sessions_closed(&there, &KEY, first);
    named_sessions_id(&there, &KEY, first);
    ck_assert_str_eq(first, second);
    named_sessions_deinit(&here);
    named_sessions_deinit(&there);
}
END_TEST

START_TEST(names_that_have_moved_are_bounded)
{
    char first[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], name[16];
    NamedSessions sessions;
    named_sessions_init(&sessions);
    named_sessions_id(&sessions, &KEY, first);
    named_sessions_closed(&sessions, &KEY, first);
    for (int i = 0; i < NAMED_SESSIONS_MAX; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        NamedSessionKey key = {"ann", "dev", name};
        named_sessions_id(&sessions, &key, id);
        named_sessions_closed(&sessions, &key, id);
    }
    ck_assert_uint_eq(sessions.known.n_entries, NAMED_SESSIONS_MAX);
    named_sessions_id(&sessions, &KEY, id); /* found again by trying */
    ck_assert_str_eq(first, id);
    named_sessions_deinit(&sessions);
}
END_TEST

/* ---- patches */

static void write_framed(Text *stream, const Text *message)
{
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    framing_write_prefix(prefix, (uint32_t)message->length);
    text_append_bytes(stream, (const char *)prefix, sizeof prefix);
    if (message->length)
        text_append_bytes(stream, message->bytes, message->length);
}

/* Messages with the session id at a random place, perhaps twice, among bytes that look like it. */
static void write_request(Text *stream, const char *session_id, uint32_t seed)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    random_state = seed;
    uint32_t at = random_below(4), again = random_below(8);
    for (uint32_t i = 0; i < 4; i++) {
        if (i == at || i == again)
            write_bytes(&message, 1, session_id, strlen(session_id));
        write_bytes(&message, 3, CLIENT_ID, strlen(CLIENT_ID)); /* the plan may have any bytes */
        write_letters(&message, 15, random_below(300));
    }
    write_framed(stream, &message);
}

START_TEST(only_session_ids_are_exchanged_whatever_the_split)
{
    Text stream = TEXT_NULL, expected = TEXT_NULL;
    SessionPatch patch;
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t seed = 1 + (uint32_t)_i * 7 + i;
        write_request(&stream, CLIENT_ID, seed);
        write_request(&expected, SHARED_ID, seed);
    }
    session_patch_init(&patch, method_get(METHOD_EXECUTE_PLAN)->request, SHARED_ID);
    random_state = 99 + (uint32_t)_i;
    for (size_t at = 0; at < stream.length;) {
        size_t part = 1 + random_below(_i % 3 ? 700 : 3);
        part = part < stream.length - at ? part : stream.length - at;
        session_patch_apply(&patch, (uint8_t *)stream.bytes + at, part);
        at += part;
    }
    ck_assert_uint_eq(stream.length, expected.length);
    ck_assert_mem_eq(stream.bytes, expected.bytes, stream.length);
    text_deinit(&stream);
    text_deinit(&expected);
}
END_TEST

START_TEST(an_id_of_another_length_is_left_alone)
{
    Text stream = TEXT_NULL, expected = TEXT_NULL;
    SessionPatch patch;
    write_request(&stream, "short", 5);
    write_request(&expected, "short", 5);
    session_patch_init(&patch, method_get(METHOD_EXECUTE_PLAN)->request, SHARED_ID);
    session_patch_apply(&patch, (uint8_t *)stream.bytes, stream.length);
    ck_assert_mem_eq(stream.bytes, expected.bytes, stream.length);
    text_deinit(&stream);
    text_deinit(&expected);
}
END_TEST

/* ---- interrupts and tags */

typedef Sparkbouncer__Envelope__InterruptRequest Interrupt;

static void write_interrupt(Text *stream, int32_t type, const char *operation_id)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    write_bytes(&message, 1, CLIENT_ID, strlen(CLIENT_ID));
    write_varint(&message, 4 << 3);
    write_varint(&message, (uint64_t)type);
    if (operation_id)
        write_bytes(&message, 6, operation_id, strlen(operation_id));
    write_bytes(&message, 99, "unknown", 7);
    write_framed(stream, &message);
}

START_TEST(an_interrupt_of_all_becomes_one_by_tag)
{
    _cleanup_(text_deinit) Text stream = TEXT_NULL, narrowed = TEXT_NULL;
    write_interrupt(&stream, 1, _i ? "an operation, at which the server does not look" : NULL);
    ck_assert(codec_narrow_interrupt((uint8_t *)stream.bytes, stream.length, "my-tag", &narrowed));
    Interrupt *decoded = sparkbouncer__envelope__interrupt_request__unpack(
        NULL, narrowed.length - FRAMING_PREFIX_SIZE, (uint8_t *)narrowed.bytes + FRAMING_PREFIX_SIZE);
    ck_assert_ptr_nonnull(decoded);
    ck_assert_str_eq(decoded->session_id, CLIENT_ID);
    ck_assert_int_eq(decoded->interrupt_type, 2);
    ck_assert_str_eq(decoded->operation_tag, "my-tag");
    ck_assert_uint_eq(decoded->base.n_unknown_fields, 1);
    sparkbouncer__envelope__interrupt_request__free_unpacked(decoded, NULL);
}
END_TEST

START_TEST(other_interrupts_stay_as_they_are)
{
    _cleanup_(text_deinit) Text stream = TEXT_NULL, narrowed = TEXT_NULL;
    write_interrupt(&stream, 3, "operation");
    ck_assert(!codec_narrow_interrupt((uint8_t *)stream.bytes, stream.length, "my-tag", &narrowed));
    ck_assert(!codec_narrow_interrupt((uint8_t *)stream.bytes, stream.length - 1, "my-tag", &narrowed));
    ck_assert(!codec_narrow_interrupt((uint8_t *)stream.bytes, 3, "my-tag", &narrowed));
    ck_assert_uint_eq(narrowed.length, 0);
}
END_TEST

START_TEST(a_plan_takes_one_more_tag_at_its_front)
{
    typedef Sparkbouncer__Envelope__ExecutePlanRequest Plan;
    uint8_t front[80];
    char tag[NAMED_SESSION_TAG_SIZE];
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    named_session_tag(CLIENT_ID, tag);
    size_t length = codec_write_plan_tag(front, sizeof front, tag);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_eq(codec_write_plan_tag(front, length - 1, tag), 0);
    text_append_bytes(&message, (const char *)front, length);
    write_bytes(&message, 1, CLIENT_ID, strlen(CLIENT_ID));
    write_bytes(&message, 7, "own", 3);
    Plan *decoded =
        sparkbouncer__envelope__execute_plan_request__unpack(NULL, message.length, (uint8_t *)message.bytes);
    ck_assert_ptr_nonnull(decoded);
    ck_assert_uint_eq(decoded->n_tags, 2);
    ck_assert_str_eq(decoded->tags[0], "sparkbouncer-" CLIENT_ID);
    ck_assert_str_eq(decoded->tags[1], "own");
    sparkbouncer__envelope__execute_plan_request__free_unpacked(decoded, NULL);
}
END_TEST

/* ---- artifacts */

START_TEST(artifacts_are_those_of_the_present_session)
{
    static const uint8_t DIGEST[SHA256_SIZE] = {1};
    char first_id[UUID_TEXT_SIZE], current[UUID_TEXT_SIZE];
    NamedSessions sessions;
    named_sessions_init(&sessions);
    named_sessions_first_id(&KEY, first_id);
    ck_assert_ptr_null(named_sessions_artifacts(&sessions, first_id));
    for (int i = 0; i < 4; i++) {
        named_sessions_use(&sessions, &KEY, 1);
        named_sessions_id(&sessions, &KEY, current);
        SessionArtifacts *artifacts = named_sessions_artifacts(&sessions, first_id);
        ck_assert(!session_artifacts_has_name(artifacts, "files/a"));
        session_artifacts_choose(artifacts, current);
        session_artifacts_begin(artifacts, "files/a");
        session_artifacts_end(artifacts, "files/a", DIGEST);
        ck_assert(session_artifacts_has_name(artifacts, "files/a"));
        named_sessions_closed(&sessions, &KEY, SHARED_ID); /* of another one */
        ck_assert(session_artifacts_has_name(artifacts, "files/a"));
        if (i % 2 == 0)
            named_sessions_released(&sessions, &KEY);
        else
            named_sessions_closed(&sessions, &KEY, current);
    }
    ck_assert(!session_artifacts_has_name(named_sessions_artifacts(&sessions, first_id), "files/a"));
    named_sessions_deinit(&sessions);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("named_session");
    TCase *tests = tcase_create("named_session");
    tcase_add_test(tests, artifacts_are_those_of_the_present_session);
    tcase_add_test(tests, a_uuid_by_name_is_everybodys);
    tcase_add_test(tests, random_uuids_are_random);
    tcase_add_test(tests, each_part_makes_another_session);
    tcase_add_test(tests, a_closed_session_has_a_next_one_everywhere);
    tcase_add_test(tests, names_that_have_moved_are_bounded);
    tcase_add_loop_test(tests, only_session_ids_are_exchanged_whatever_the_split, 0, 200);
    tcase_add_test(tests, an_id_of_another_length_is_left_alone);
    tcase_add_loop_test(tests, an_interrupt_of_all_becomes_one_by_tag, 0, 2);
    tcase_add_test(tests, other_interrupts_stay_as_they_are);
    tcase_add_test(tests, a_plan_takes_one_more_tag_at_its_front);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
