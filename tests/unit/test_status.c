#include "rpc/status.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/status.pb-c.h"

START_TEST(names)
{
    ck_assert_str_eq(status_name(STATUS_OK), "OK");
    ck_assert_str_eq(status_name(STATUS_UNAVAILABLE), "UNAVAILABLE");
    ck_assert_str_eq(status_name(STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
    ck_assert_str_eq(status_name(17), "UNKNOWN");
    ck_assert_str_eq(status_name(UINT32_MAX), "UNKNOWN");
    for (uint32_t code = 0; code <= STATUS_UNAUTHENTICATED; code++)
        ck_assert_ptr_nonnull(status_name(code));
}
END_TEST

START_TEST(parse)
{
    uint32_t code = 42;
    ck_assert(status_parse("0", 1, &code) && code == 0);
    ck_assert(status_parse("14xx", 2, &code) && code == 14);
    ck_assert(status_parse("99", 2, &code) && code == 99);
    static const char *const bad[] = {"", "100", "-1", "1 ", " 1", "x", "1a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert(!status_parse(bad[i], strlen(bad[i]), &code));
    ck_assert_uint_eq(code, 99);
}
END_TEST

START_TEST(from_http)
{
    static const unsigned rows[][2] = {
        {400, STATUS_INTERNAL},      {401, STATUS_UNAUTHENTICATED}, {403, STATUS_PERMISSION_DENIED},
        {404, STATUS_UNIMPLEMENTED}, {429, STATUS_UNAVAILABLE},     {502, STATUS_UNAVAILABLE},
        {503, STATUS_UNAVAILABLE},   {504, STATUS_UNAVAILABLE},     {500, STATUS_UNKNOWN},
        {302, STATUS_UNKNOWN},       {200, STATUS_UNKNOWN},         {0, STATUS_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_uint_eq(status_from_http(rows[i][0]), rows[i][1]);
}
END_TEST

START_TEST(message_is_percent_encoded)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"plain ~text!", "plain ~text!"},
        {"100%", "100%25"},
        {"a\nb\x7f", "a%0Ab%7F"},
        {"caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x94\xa5", "caf%C3%A9 %E2%86%92 %F0%9F%94%A5"},
        {"bad \xff\xc3", "bad ??"},
        {"overlong \xc0\xaf surrogate \xed\xa0\x80 cut \xe2\x82", "overlong ?? surrogate ??? cut ??"},
        {"beyond \xf4\x90\x80\x80", "beyond ????"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Text text _cleanup_(text_deinit) = TEXT_NULL;
        status_append_message(&text, rows[i][0]);
        ck_assert_str_eq(text_string(&text), rows[i][1]);
    }
}
END_TEST

/* Base64 without padding, as a client reads a -bin header. */
static size_t decode_base64(const char *value, uint8_t *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t length = 0;
    for (; *value; value++) {
        const char *digit = strchr(digits, *value);
        ck_assert_ptr_nonnull(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[length++] = (uint8_t)(bits >> n_bits);
        }
    }
    return length;
}

static Sparkbouncer__Status__Status *details_of(const char *message, const StatusDetails *details)
{
    uint8_t bytes[1024];
    Text text _cleanup_(text_deinit) = TEXT_NULL;
    status_append_details(&text, STATUS_UNAVAILABLE, message, details);
    ck_assert_uint_lt(text.length, sizeof(bytes));
    return sparkbouncer__status__status__unpack(NULL, decode_base64(text_string(&text), bytes), bytes);
}

START_TEST(details_decode_back)
{
    static const char *const metadata[] = {"profile", "dev", "host", "h\xff.example", NULL};
    StatusDetails details = {"UPSTREAM_DOWN", metadata, 1500};
    Sparkbouncer__Status__Status *status = details_of("gone \xc3\xa9\xff", &details);
    ck_assert_ptr_nonnull(status);
    ck_assert_int_eq(status->code, STATUS_UNAVAILABLE);
    ck_assert_str_eq(status->message, "gone \xc3\xa9?");
    ck_assert_uint_eq(status->n_details, 2);

    ck_assert_str_eq(status->details[0]->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    Sparkbouncer__Status__ErrorInfo *info = sparkbouncer__status__error_info__unpack(
        NULL, status->details[0]->value.len, status->details[0]->value.data);
    ck_assert_str_eq(info->reason, "UPSTREAM_DOWN");
    ck_assert_str_eq(info->domain, "sparkbouncer");
    ck_assert_uint_eq(info->n_metadata, 2);
    ck_assert_str_eq(info->metadata[0]->key, "profile");
    ck_assert_str_eq(info->metadata[0]->value, "dev");
    ck_assert_str_eq(info->metadata[1]->key, "host");
    ck_assert_str_eq(info->metadata[1]->value, "h?.example");
    sparkbouncer__status__error_info__free_unpacked(info, NULL);

    ck_assert_str_eq(status->details[1]->type_url, "type.googleapis.com/google.rpc.RetryInfo");
    Sparkbouncer__Status__RetryInfo *retry = sparkbouncer__status__retry_info__unpack(
        NULL, status->details[1]->value.len, status->details[1]->value.data);
    ck_assert_int_eq(retry->retry_delay->seconds, 1);
    ck_assert_int_eq(retry->retry_delay->nanos, 500000000);
    sparkbouncer__status__retry_info__free_unpacked(retry, NULL);
    sparkbouncer__status__status__free_unpacked(status, NULL);
}
END_TEST

START_TEST(details_without_metadata_or_retry)
{
    /* Lengths one after another, so that base64 ends in each of its three ways. */
    char message[8] = "";
    for (size_t n = 0; n < sizeof(message) - 1; n++) {
        StatusDetails details = {"LOGIN_NEEDED", NULL, 0};
        Sparkbouncer__Status__Status *status = details_of(message, &details);
        ck_assert_ptr_nonnull(status);
        ck_assert_str_eq(status->message, message);
        ck_assert_uint_eq(status->n_details, 1);
        sparkbouncer__status__status__free_unpacked(status, NULL);
        message[n] = 'x';
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tests = tcase_create("status");
    tcase_add_test(tests, names);
    tcase_add_test(tests, parse);
    tcase_add_test(tests, from_http);
    tcase_add_test(tests, message_is_percent_encoded);
    tcase_add_test(tests, details_decode_back);
    tcase_add_test(tests, details_without_metadata_or_retry);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
