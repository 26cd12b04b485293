/* Durations, sizes, booleans, modes and listen addresses. */

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/address.h"
#include "conf/listen.h"
#include "conf/suggestion.h"
#include "conf/values.h"

static const char *const ENVIRONMENT[] = {"XDG_RUNTIME_DIR=/run/user/7", "HOME=/home/ada", NULL};

static const struct {
    const char *text;
    bool is_valid;
    uint64_t ms;
} DURATIONS[] = {
    {"0", true, 0},
    {"20s", true, 20000},
    {"500ms", true, 500},
    {"4m30s", true, 270000},
    {"1h", true, 3600000},
    {"1h1m1s1ms", true, 3661001},
    {"", false, 0},
    {"20", false, 0},
    {"s", false, 0},
    {"20 s", false, 0},
    {"-1s", false, 0},
    {"1s1m", false, 0},
    {"1s1s", false, 0},
    {"1d", false, 0},
    {"1m2", false, 0},
    {"1.5s", false, 0},
    {"99999999999999999999s", false, 0},
    {"18446744073709551s", true, 18446744073709551000u},
    {"9999999999999999h", false, 0},
};

START_TEST(durations)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL, again = TEXT_NULL;
    uint64_t ms = 1;
    int r = value_parse_duration(DURATIONS[_i].text, &ms, &complaint);
    ck_assert_msg((r == 0) == DURATIONS[_i].is_valid, "%s", DURATIONS[_i].text);
    ck_assert((r == 0) == (complaint.length == 0));
    if (r < 0)
        return;
    ck_assert_uint_eq(ms, DURATIONS[_i].ms);
    value_append_duration(&again, ms);
    ck_assert_int_eq(value_parse_duration(text_string(&again), &ms, &complaint), 0);
    ck_assert_uint_eq(ms, DURATIONS[_i].ms);
}
END_TEST

static const struct {
    const char *text;
    bool is_valid;
    uint64_t bytes;
    const char *spelled;
} SIZES[] = {
    {"0", true, 0, "0"},
    {"65536", true, 65536, "64KiB"},
    {"64k", true, 65536, "64KiB"},
    {"256K", true, 262144, "256KiB"},
    {"4MiB", true, 4194304, "4MiB"},
    {"4m", true, 4194304, "4MiB"},
    {"2GiB", true, 2147483648u, "2GiB"},
    {"1025", true, 1025, "1025"},
    {"4MB", false, 0, NULL},
    {"4 MiB", false, 0, NULL},
    {"", false, 0, NULL},
    {"MiB", false, 0, NULL},
    {"-4", false, 0, NULL},
    {"18446744073709551615g", false, 0, NULL},
    {"99999999999999999999", false, 0, NULL},
};

START_TEST(sizes)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL, again = TEXT_NULL;
    uint64_t bytes = 1;
    int r = value_parse_size(SIZES[_i].text, &bytes, &complaint);
    ck_assert_msg((r == 0) == SIZES[_i].is_valid, "%s", SIZES[_i].text);
    ck_assert((r == 0) == (complaint.length == 0));
    if (r < 0)
        return;
    ck_assert_uint_eq(bytes, SIZES[_i].bytes);
    value_append_size(&again, bytes);
    ck_assert_str_eq(text_string(&again), SIZES[_i].spelled);
}
END_TEST

START_TEST(booleans)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    bool b = false;
    ck_assert(value_parse_boolean("yes", &b, &complaint) == 0 && b);
    ck_assert(value_parse_boolean("False", &b, &complaint) == 0 && !b);
    ck_assert(value_parse_boolean("ON", &b, &complaint) == 0 && b);
    ck_assert(value_parse_boolean("0", &b, &complaint) == 0 && !b);
    ck_assert(value_parse_boolean("y", &b, &complaint) < 0);
    ck_assert_str_eq(text_string(&complaint), "write yes or no");
}
END_TEST

START_TEST(modes)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    mode_t mode = 0;
    ck_assert(value_parse_mode("0660", &mode, &complaint) == 0 && mode == 0660);
    ck_assert(value_parse_mode("600", &mode, &complaint) == 0 && mode == 0600);
    ck_assert(value_parse_mode("0x6", &mode, &complaint) < 0);
    ck_assert(value_parse_mode("4777", &mode, &complaint) < 0);
    ck_assert(value_parse_mode("6", &mode, &complaint) < 0);
    ck_assert(value_parse_mode("", &mode, &complaint) < 0);
}
END_TEST

static const struct {
    const char *text;
    const char *described; /* kind host|path port profile */
} LISTENS[] = {
    {"127.0.0.1:15002", "0 127.0.0.1 15002 -"},
    {"[::1]:15002", "0 ::1 15002 -"},
    {"LocalHost:15002", "0 localhost 15002 -"},
    {":0", "0 127.0.0.1 0 -"},
    {":15002", "0 127.0.0.1 15002 -"},
    {"spark.lab:65535", "0 spark.lab 65535 -"},
    {"unix:", "1 /run/user/7/sparkbouncer/sparkbouncer.sock 0 -"},
    {"unix:/tmp/a b.sock", "1 /tmp/a b.sock 0 -"},
    {"unix:~/a.sock", "1 /home/ada/a.sock 0 -"},
    {"abstract:15002", "2 15002 0 -"},
    {":1;profile=dev", "0 127.0.0.1 1 dev"},
    {"unix:/a ; profile=a b", "1 /a 0 a b"},
};

START_TEST(listens)
{
    Settings *settings = mem_new(Settings);
    _cleanup_(text_deinit) Text complaint = TEXT_NULL, described = TEXT_NULL;
    int r = listen_parse_list(settings, LISTENS[_i].text, ENVIRONMENT, &complaint);
    ck_assert_msg(r == 0, "%s", text_string(&complaint));
    ck_assert_uint_eq(settings->n_listens, 1);
    const ListenSettings *listen = &settings->listens[0];
    text_printf(&described, "%d %s %u %s", listen->kind, listen->host ? listen->host : listen->path,
                listen->port, listen->profile ? listen->profile : "-");
    ck_assert_str_eq(text_string(&described), LISTENS[_i].described);
    ck_assert_str_eq(listen->text, LISTENS[_i].text);
    settings_free(settings);
}
END_TEST

static const char *const BAD_LISTENS[][2] = {
    {"127.0.0.1", "127.0.0.1: the port is missing: write 127.0.0.1:15002, unix:/path or abstract:NAME"},
    {"127.0.0.1:65536", "127.0.0.1:65536: the port must be a number up to 65535"},
    {"127.0.0.1:", "127.0.0.1:: the port must be a number up to 65535"},
    {"::1:15002", "::1:15002: write an IPv6 address in brackets, as [::1]:15002"},
    {"[::1", "[::1: write an IPv6 address as [::1]:15002"},
    {"[::g]:1", "[::g]:1: what stands in brackets is no IPv6 address"},
    {"a/b:1", "a/b:1: the host name may have letters, digits, dots and dashes only"},
    {"unix:x.sock", "unix:x.sock: the path of a unix socket must be absolute: write unix:/path"},
    {"abstract:", "abstract:: an abstract socket needs a name: write abstract:15002"},
    {":1,,:2", "there is an empty address in the list"},
    {":1;profil=x", ":1;profil=x: after the ; only profile=NAME may follow"},
    {":1;profile=", ":1;profile=: after the ; only profile=NAME may follow"},
    {":1, 127.0.0.1:1", "127.0.0.1:1: this address is in the list twice"},
};

START_TEST(bad_listens)
{
    Settings *settings = mem_new(Settings);
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    ck_assert_int_lt(listen_parse_list(settings, BAD_LISTENS[_i][0], ENVIRONMENT, &complaint), 0);
    ck_assert_str_eq(text_string(&complaint), BAD_LISTENS[_i][1]);
    settings_free(settings);
}
END_TEST

START_TEST(listen_lists)
{
    Settings *settings = mem_new(Settings);
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    ck_assert_int_eq(listen_parse_list(settings, ":0, :0 ,unix:;profile=x", ENVIRONMENT, &complaint), 0);
    ck_assert_uint_eq(settings->n_listens, 3);
    ck_assert_str_eq(settings->listens[2].profile, "x");
    settings_free(settings);
}
END_TEST

START_TEST(loopback)
{
    ck_assert(address_is_loopback("localhost") && address_is_loopback("127.8.0.1"));
    ck_assert(address_is_loopback("::1") && address_is_loopback("::ffff:127.0.0.1"));
    ck_assert(!address_is_loopback("0.0.0.0") && !address_is_loopback("::"));
    ck_assert(!address_is_loopback("localhost.example.com") && !address_is_loopback("10.0.0.1"));
}
END_TEST

START_TEST(suggestions)
{
    Suggestion suggestion = SUGGESTION_FOR("Lisen");
    suggestion_offer(&suggestion, "log_level");
    ck_assert_ptr_null(suggestion.name);
    suggestion_offer(&suggestion, "listen");
    ck_assert_str_eq(suggestion.name, "listen");
    Suggestion far = SUGGESTION_FOR("x");
    suggestion_offer(&far, "warm");
    ck_assert_ptr_null(far.name);
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("values");
    TCase *tests = tcase_create("values");
    tcase_add_loop_test(tests, durations, 0, LENGTH(DURATIONS));
    tcase_add_loop_test(tests, sizes, 0, LENGTH(SIZES));
    tcase_add_test(tests, booleans);
    tcase_add_test(tests, modes);
    tcase_add_loop_test(tests, listens, 0, LENGTH(LISTENS));
    tcase_add_loop_test(tests, bad_listens, 0, LENGTH(BAD_LISTENS));
    tcase_add_test(tests, listen_lists);
    tcase_add_test(tests, loopback);
    tcase_add_test(tests, suggestions);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
