/* What a failed answer asks for: good values as they are, every other one as none. */

#include "rpc/status_retry.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/status.pb-c.h"
#include "rpc/status.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

typedef Sparkbouncer__Status__Any Any;

static uint64_t retry_of(const Any *const *details, size_t n_details)
{
    Sparkbouncer__Status__Status status = SPARKBOUNCER__STATUS__STATUS__INIT;
    Text text _cleanup_(text_deinit) = TEXT_NULL;
    uint8_t bytes[512];
    status.code = STATUS_UNAVAILABLE;
    status.message = "busy";
    status.n_details = n_details;
    status.details = (Any **)(uintptr_t)details;
    ck_assert_uint_le(sparkbouncer__status__status__get_packed_size(&status), sizeof bytes);
    status_append_base64(&text, bytes, sparkbouncer__status__status__pack(&status, bytes));
    return status_retry_of_details(text.bytes, text.length);
}

static Any any_of(int64_t seconds, int32_t nanos, uint8_t bytes[64])
{
    Sparkbouncer__Status__RetryInfo info = SPARKBOUNCER__STATUS__RETRY_INFO__INIT;
    Sparkbouncer__Status__Duration delay = SPARKBOUNCER__STATUS__DURATION__INIT;
    Any any = SPARKBOUNCER__STATUS__ANY__INIT;
    delay.seconds = seconds;
    delay.nanos = nanos;
    info.retry_delay = &delay;
    any.type_url = "type.googleapis.com/google.rpc.RetryInfo";
    any.value.data = bytes;
    any.value.len = sparkbouncer__status__retry_info__pack(&info, bytes);
    return any;
}

static uint64_t retry_after(int64_t seconds, int32_t nanos)
{
    uint8_t bytes[64];
    Any any = any_of(seconds, nanos, bytes);
    return retry_of((const Any *const[]){&any}, 1);
}

START_TEST(good_durations)
{
    ck_assert_uint_eq(retry_after(2, 0), 2000);
    ck_assert_uint_eq(retry_after(1, 500000000), 1500);
    ck_assert_uint_eq(retry_after(0, 1), 1); /* never too early */
    ck_assert_uint_eq(retry_after(0, 999999999), 1000);
    ck_assert_uint_eq(retry_after(0, 0), 0);
    ck_assert_uint_eq(retry_after(86400, 0), STATUS_RETRY_LIMIT_MS);
}
END_TEST

START_TEST(bad_durations)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
    } rows[] = {{-1, 0},        {0, -1},        {5, -1},        {0, 1000000000}, {1, INT32_MAX},
                {86400, 1},     {86401, 0},     {INT64_MAX, 0}, {INT64_MIN, 0},  {INT64_MAX, INT32_MAX},
                {0, INT32_MIN}, {-5, 500000000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_uint_eq(retry_after(rows[i].seconds, rows[i].nanos), 0);
}
END_TEST

START_TEST(among_other_details)
{
    uint8_t first[64], second[64];
    Any info = SPARKBOUNCER__STATUS__ANY__INIT, retry = any_of(3, 0, first), later = any_of(9, 0, second);
    Any nothing = SPARKBOUNCER__STATUS__ANY__INIT, broken = any_of(3, 0, first), elsewhere = retry;
    info.type_url = "type.googleapis.com/google.rpc.ErrorInfo";
    info.value = later.value; /* that of another type is not looked at */
    nothing.type_url = retry.type_url;
    broken.value.len--;
    elsewhere.type_url = "example.com/some/path/google.rpc.RetryInfo";
    ck_assert_uint_eq(retry_of(NULL, 0), 0);
    ck_assert_uint_eq(retry_of((const Any *const[]){&info}, 1), 0);
    ck_assert_uint_eq(retry_of((const Any *const[]){&info, &retry, &later}, 3), 3000);
    ck_assert_uint_eq(retry_of((const Any *const[]){&elsewhere}, 1), 3000);
    ck_assert_uint_eq(retry_of((const Any *const[]){&nothing}, 1), 0);
    ck_assert_uint_eq(retry_of((const Any *const[]){&broken}, 1), 0);
}
END_TEST

START_TEST(what_the_daemon_writes)
{
    Text text _cleanup_(text_deinit) = TEXT_NULL;
    status_append_details(&text, STATUS_UNAVAILABLE, "full",
                          &(StatusDetails){.reason = "FULL", .retry_after_ms = 12345});
    ck_assert_uint_eq(status_retry_of_details(text.bytes, text.length), 12345);
    /* Cut or changed anywhere it is still only a number, or none. */
    for (size_t i = 0; i < text.length; i++) {
        ck_assert_uint_le(status_retry_of_details(text.bytes, i), STATUS_RETRY_LIMIT_MS);
        char kept = text.bytes[i];
        for (int c = 0; c < 256; c++) {
            text.bytes[i] = (char)c;
            ck_assert_uint_le(status_retry_of_details(text.bytes, text.length), STATUS_RETRY_LIMIT_MS);
        }
        text.bytes[i] = kept;
    }
}
END_TEST

START_TEST(no_status_at_all)
{
    static const char *const rows[] = {"", "=", "====", "A", "////", "no base64!", "CA4", "GgA", "Gv////8P"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_uint_eq(status_retry_of_details(rows[i], strlen(rows[i])), 0);
}
END_TEST

START_TEST(header)
{
    static const struct {
        const char *value;
        uint64_t ms;
    } rows[] = {{"7", 7000},
                {"0", 0},
                {"007", 7000},
                {"86400", STATUS_RETRY_LIMIT_MS},
                {"86401", 0},
                {"99999999999999999999999999999", 0},
                {"99999999999999999999999999999999999999999", 0},
                {"", 0},
                {"-1", 0},
                {"+1", 0},
                {"1.5", 0},
                {" 1", 0},
                {"1 ", 0},
                {"soon", 0},
                {"Tue, 14 Nov 2023 22:13:50 GMT", 30000},
                {"Tue, 14 Nov 2023 22:13:20 GMT", 0},
                {"Tue, 14 Nov 2023 22:13:10 GMT", 0},
                {"Thu, 16 Nov 2023 22:13:10 GMT", 0},
                {"Tue, 14 Nov 2023 22:13:50 GMT+1", 0},
                {"Tue, 99 Nov 2023 22:13:50 GMT", 0},
                {"Tue, 14 Nov 2023", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(status_retry_of_header(rows[i].value, strlen(rows[i].value), NOW) == rows[i].ms, "%s",
                      rows[i].value);
    ck_assert_uint_eq(status_retry_of_header("7\0", 2, NOW), 0);
    ck_assert_uint_eq(status_retry_of_header("75", 1, NOW), 7000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status_retry");
    TCase *tests = tcase_create("status_retry");
    tcase_add_test(tests, good_durations);
    tcase_add_test(tests, bad_durations);
    tcase_add_test(tests, among_other_details);
    tcase_add_test(tests, what_the_daemon_writes);
    tcase_add_test(tests, no_status_at_all);
    tcase_add_test(tests, header);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
