/* A result stream that is cut anywhere and sent again from the last whole response: what the client gets is
 * the stream, byte for byte. */

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_message.h"
#include "relay/resume.h"
#include "spark/method.h"

/* ---- digests */

START_TEST(a_digest_does_not_depend_on_the_split)
{
    enum { SIZE = 10000 };
    static uint8_t bytes[SIZE];
    random_state = 12345 + (uint32_t)_i;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)random_below(256);
    size_t length = random_below(SIZE);
    Passed whole = {0}, parts = {0};
    passed_add(&whole, bytes, length);
    for (size_t at = 0; at < length;) {
        size_t part = 1 + random_below(_i % 2 ? 3000 : 20);
        part = part < length - at ? part : length - at;
        passed_add(&parts, bytes + at, part);
        at += part;
    }
    ck_assert_uint_eq(whole.length, length);
    ck_assert(passed_equal(&whole, &parts));
}
END_TEST

START_TEST(every_byte_at_the_beginning_counts)
{
    static uint8_t bytes[1024];
    Passed one = {0}, other = {0};
    passed_add(&one, bytes, sizeof bytes);
    bytes[_i] = 1;
    passed_add(&other, bytes, sizeof bytes);
    bytes[_i] = 0;
    ck_assert(!passed_equal(&one, &other));
}
END_TEST

START_TEST(another_order_far_behind_is_noticed)
{
    static uint8_t bytes[64 * 1024];
    Passed one = {0}, other = {0};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 4096);
    passed_add(&one, bytes, sizeof bytes);
    memmove(bytes + 40000, bytes + 39000, 10000);
    passed_add(&other, bytes, sizeof bytes);
    ck_assert(!passed_equal(&one, &other));
}
END_TEST

/* ---- streams */

typedef struct Results {
    Text bytes;
    size_t ends[64];  /* where each message ends */
    char ids[64][40]; /* empty: it has none */
    size_t n;
} Results;

static void add_message(Results *results, const char *id, size_t n_payload, bool is_complete)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    if (n_payload > 0) {
        write_varint(&message, 2 << 3 | 2);
        write_varint(&message, n_payload);
        for (size_t i = 0; i < n_payload; i++) {
            char byte = (char)random_below(256);
            text_append_bytes(&message, &byte, 1);
        }
    }
    if (*id)
        write_bytes(&message, 13, id, strlen(id));
    if (is_complete)
        write_bytes(&message, 14, "", 0);
    framing_write_prefix(prefix, (uint32_t)message.length);
    text_append_bytes(&results->bytes, (const char *)prefix, sizeof prefix);
    if (message.length)
        text_append_bytes(&results->bytes, message.bytes, message.length);
    strcpy(results->ids[results->n], id);
    results->ends[results->n++] = results->bytes.length;
}

static void make_results(Results *results)
{
    size_t n = 1 + random_below(12);
    *results = (Results){.bytes = TEXT_NULL};
    for (size_t i = 0; i < n; i++) {
        char id[40];
        (void)snprintf(id, sizeof id, "response-%zu", i);
        add_message(results, id, random_below(4) ? random_below(300) : random_below(9000), i + 1 == n);
    }
}

/* Where the server goes on after a response. */
static size_t start_after(const Results *results, const char *id)
{
    for (size_t i = 0; i < results->n; i++)
        if (*id && strcmp(results->ids[i], id) == 0)
            return results->ends[i];
    ck_assert_str_eq(id, "");
    return 0;
}

/* One attempt, from `start` up to `end`, in pieces; what is new goes to `client`. */
static ResumeVerdict attempt(Resume *resume, const Text *bytes, size_t start, size_t end, Text *client)
{
    MessageWatch watch;
    message_watch_reset(&watch);
    for (size_t at = start; at < end;) {
        size_t part = 1 + random_below(random_below(3) ? 40 : 5000), known;
        bool message;
        part = part < end - at ? part : end - at;
        const uint8_t *piece = (const uint8_t *)bytes->bytes + at;
        if (!resume_is_possible(resume)) {
            text_append_bytes(client, (const char *)piece, part);
        } else {
            if (resume_pass(resume, &watch, method_get(METHOD_EXECUTE_PLAN)->response, piece, part, &known,
                            &message) == RESUME_DIFFERS)
                return RESUME_DIFFERS;
            ck_assert_uint_le(known, part);
            text_append_bytes(client, (const char *)piece + known, part - known);
        }
        at += part;
    }
    return RESUME_GO_ON;
}

START_TEST(cuts_anywhere_leave_no_trace)
{
    Results results;
    Resume resume;
    _cleanup_(text_deinit) Text client = TEXT_NULL;
    random_state = 777 + (uint32_t)_i;
    make_results(&results);
    resume_begin(&resume, NULL);
    size_t start = 0, n_cuts = 0;
    while (resume.state != RESUME_COMPLETE) {
        size_t end = start + random_below((uint32_t)(results.bytes.length - start) + 1);
        if (++n_cuts > 200)
            end = results.bytes.length;
        ck_assert_int_eq(attempt(&resume, &results.bytes, start, end, &client), RESUME_GO_ON);
        if (resume.state == RESUME_COMPLETE)
            break;
        ck_assert(resume_is_possible(&resume));
        start = start_after(&results, resume.last_response_id);
        resume_again(&resume);
    }
    ck_assert_uint_eq(client.length, results.bytes.length);
    ck_assert_mem_eq(client.bytes, results.bytes.bytes, client.length);
    text_deinit(&results.bytes);
}
END_TEST

START_TEST(another_response_in_its_place_is_noticed)
{
    Results results = {.bytes = TEXT_NULL};
    Resume resume;
    _cleanup_(text_deinit) Text client = TEXT_NULL;
    random_state = 4242;
    add_message(&results, "response-0", 10, false);
    add_message(&results, "response-1", 500, true);
    size_t cut = results.ends[0] + 1 + (size_t)_i;
    resume_begin(&resume, NULL);
    ck_assert_int_eq(attempt(&resume, &results.bytes, 0, cut, &client), RESUME_GO_ON);
    resume_again(&resume);
    results.bytes.bytes[results.ends[0] + (size_t)_i] ^= 1;
    ck_assert_int_eq(attempt(&resume, &results.bytes, results.ends[0], results.bytes.length, &client),
                     RESUME_DIFFERS);
    ck_assert(!resume_is_possible(&resume));
    ck_assert_uint_eq(client.length, cut);
    text_deinit(&results.bytes);
}
END_TEST

START_TEST(a_response_without_an_id_ends_it)
{
    Results results = {.bytes = TEXT_NULL};
    Resume resume;
    _cleanup_(text_deinit) Text client = TEXT_NULL;
    add_message(&results, "response-0", 10, false);
    add_message(&results, "", 10, false);
    resume_begin(&resume, NULL);
    (void)attempt(&resume, &results.bytes, 0, results.bytes.length, &client);
    ck_assert(!resume_is_possible(&resume));
    ck_assert(resume.has_delivered);
    text_deinit(&results.bytes);
}
END_TEST

/* A streaming query goes on when the operation that has started it is complete. */
START_TEST(what_runs_on_is_remembered)
{
    static const char STARTED[] = "\0\0\0\0\x05\x42\x00\x6a\x01s";
    Results results = {.bytes = TEXT_NULL};
    Resume resume;
    _cleanup_(text_deinit) Text client = TEXT_NULL;
    resume_begin(&resume, NULL);
    ck_assert(!resume.runs_on);
    text_append_bytes(&results.bytes, STARTED, sizeof STARTED - 1);
    add_message(&results, "response-1", 10, true);
    ck_assert_int_eq(attempt(&resume, &results.bytes, 0, results.bytes.length, &client), RESUME_GO_ON);
    ck_assert_int_eq(resume.state, RESUME_COMPLETE);
    ck_assert(resume.runs_on);
    resume_begin(&resume, NULL);
    ck_assert(!resume.runs_on);
    text_deinit(&results.bytes);
}
END_TEST

START_TEST(a_client_that_reattaches_says_where_it_is)
{
    Resume resume;
    char long_id[RESUME_ID_SIZE + 1];
    resume_begin(&resume, "response-7");
    ck_assert(resume_is_possible(&resume));
    ck_assert_str_eq(resume.last_response_id, "response-7");
    memset(long_id, 'x', RESUME_ID_SIZE);
    long_id[RESUME_ID_SIZE] = '\0';
    resume_begin(&resume, long_id);
    ck_assert(!resume_is_possible(&resume));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resume");
    TCase *tests = tcase_create("resume");
    tcase_add_loop_test(tests, a_digest_does_not_depend_on_the_split, 0, 200);
    tcase_add_loop_test(tests, every_byte_at_the_beginning_counts, 0, 1024);
    tcase_add_test(tests, another_order_far_behind_is_noticed);
    tcase_add_loop_test(tests, cuts_anywhere_leave_no_trace, 0, 300);
    tcase_add_loop_test(tests, another_response_in_its_place_is_noticed, 0, 500);
    tcase_add_test(tests, a_response_without_an_id_ends_it);
    tcase_add_test(tests, what_runs_on_is_remembered);
    tcase_add_test(tests, a_client_that_reattaches_says_where_it_is);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
