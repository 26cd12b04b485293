#include "cli/options.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ALL_BUT_ARGUMENT                                                                                     \
    (OPTIONS_SOCKET | OPTIONS_SETTINGS | OPTIONS_JSON | OPTIONS_TIMEOUT | OPTIONS_NO_WAIT)

#define WORDS(...) ((char *const[]){__VA_ARGS__, NULL})

static Options options;
static Text complaint;

static void setup(void)
{
    options = (Options)OPTIONS_NULL;
    complaint = (Text)TEXT_NULL;
}

static void teardown(void)
{
    options_deinit(&options);
    text_deinit(&complaint);
}

static void expect(unsigned groups, char *const *words)
{
    bool is_good = options_parse(&options, groups, words, &complaint);
    ck_assert_msg(is_good, "%s", text_string(&complaint));
    ck_assert_uint_eq(complaint.length, 0);
}

static void expect_complaint(unsigned groups, char *const *words, const char *sentence)
{
    ck_assert(!options_parse(&options, groups, words, &complaint));
    ck_assert_str_eq(text_string(&complaint), sentence);
}

static void expect_flag(size_t i, const char *key, const char *value)
{
    ck_assert_uint_lt(i, options.n_flags);
    ck_assert_str_eq(options.flags[i].key, key);
    ck_assert_str_eq(options.flags[i].value, value);
}

START_TEST(nothing_is_fine)
{
    expect(0, (char *const[]){NULL});
    ck_assert_uint_eq(options.n_flags, 0);
    ck_assert_ptr_null(options.config_file);
    ck_assert(!options.json && !options.help && !options.no_wait && !options.timeout_is_set);
}
END_TEST

START_TEST(flags_become_keys)
{
    expect(OPTIONS_SETTINGS, WORDS("-p", "dev", "--listen", ":0", "--drain-timeout=5s",
                                   "--listen=unix:", "-pprod", "--profile", "-x", "--log-level="));
    ck_assert_uint_eq(options.n_flags, 7);
    expect_flag(0, "profile", "dev");
    expect_flag(1, "listen", ":0");
    expect_flag(2, "drain_timeout", "5s");
    expect_flag(3, "listen", "unix:");
    expect_flag(4, "profile", "prod");
    expect_flag(5, "profile", "-x");
    expect_flag(6, "log_level", "");
}
END_TEST

START_TEST(own_options)
{
    expect(ALL_BUT_ARGUMENT, WORDS("--json", "--no-wait", "--timeout", "1m30s", "--config", "a.ini", "-h"));
    ck_assert(options.json && options.no_wait && options.help && options.timeout_is_set);
    ck_assert_uint_eq(options.timeout_ms, 90000);
    ck_assert_str_eq(options.config_file, "a.ini");
    ck_assert_uint_eq(options.n_flags, 0);
}
END_TEST

START_TEST(socket_group_takes_what_finds_the_socket)
{
    expect(OPTIONS_SOCKET, WORDS("--config", "a", "--control-socket", "/run/x"));
    expect_flag(0, "control_socket", "/run/x");
    expect_complaint(OPTIONS_SOCKET, WORDS("--listen", ":0"), "--listen is no option of this command");
}
END_TEST

START_TEST(short_of_another_command)
{
    expect_complaint(OPTIONS_SOCKET, WORDS("-p", "dev"), "-p is no option of this command");
}
END_TEST

START_TEST(argument_where_wanted)
{
    expect(OPTIONS_ARGUMENT, WORDS("run"));
    ck_assert_str_eq(options.argument, "run");
    expect_complaint(OPTIONS_ARGUMENT, WORDS("check"), "unexpected argument \"check\"");
}
END_TEST

START_TEST(huge_timeout_is_bounded)
{
    expect(OPTIONS_TIMEOUT, WORDS("--timeout", "100000h"));
    ck_assert_uint_le(options.timeout_ms, UINT64_MAX / 1000000);
}
END_TEST

typedef struct Bad {
    char *words[3];
    const char *sentence;
} Bad;

static const Bad bad[] = {
    {{"--lisen", ":0"}, "unknown option --lisen; did you mean --listen?"},
    {{"--drain_timout"}, "unknown option --drain-timout; did you mean --drain-timeout?"},
    {{"--no-wiat"}, "unknown option --no-wiat; did you mean --no-wait?"},
    {{"--frobnicate"}, "unknown option --frobnicate"},
    {{"--"}, "unknown option --"},
    {{"-"}, "unknown option -"},
    {{"-x"}, "unknown option -x"},
    {{"--token", "dapi"}, "unknown option --token"},
    {{"--profile"}, "--profile needs a value"},
    {{"-p"}, "--profile needs a value"},
    {{"--profile", "--json"}, "--profile needs a value"},
    {{"--json=yes"}, "--json takes no value"},
    {{"-hx"}, "--help takes no value"},
    {{"dev"}, "unexpected argument \"dev\""},
    {{""}, "unexpected argument \"\""},
};

START_TEST(complains)
{
    expect_complaint(ALL_BUT_ARGUMENT, bad[_i].words, bad[_i].sentence);
}
END_TEST

START_TEST(complains_about_timeout)
{
    ck_assert(!options_parse(&options, OPTIONS_TIMEOUT, WORDS("--timeout", "soon"), &complaint));
    ck_assert_ptr_eq(strstr(text_string(&complaint), "--timeout soon: "), text_string(&complaint));
}
END_TEST

#define PROJECT (OPTIONS_SOCKET | OPTIONS_PROFILE | OPTIONS_PROJECT)

START_TEST(profile_is_no_setting_there)
{
    expect(PROJECT, WORDS("-p", "dev", "-cC", "--env-file=f", "--local", "--control-socket", "/s"));
    ck_assert_str_eq(options.profile, "dev");
    ck_assert_str_eq(options.cluster, "C");
    ck_assert_str_eq(options.env_file, "f");
    ck_assert(options.local);
    ck_assert_uint_eq(options.n_flags, 1);
    expect_flag(0, "control_socket", "/s");
}
END_TEST

START_TEST(command_begins_at_the_first_plain_word)
{
    expect(PROJECT | OPTIONS_COMMAND, WORDS("-p", "dev", "python", "-p", "x", "--", "y"));
    ck_assert_str_eq(options.profile, "dev");
    ck_assert_str_eq(options.command[0], "python");
    ck_assert_str_eq(options.command[1], "-p");
    ck_assert_str_eq(options.command[3], "--");
}
END_TEST

START_TEST(command_begins_behind_dashes)
{
    expect(PROJECT | OPTIONS_COMMAND, WORDS("--local", "--", "-odd", "--local"));
    ck_assert_str_eq(options.command[0], "-odd");
    ck_assert_str_eq(options.command[1], "--local");
    ck_assert_ptr_null(options.command[2]);
}
END_TEST

START_TEST(command_may_be_missing)
{
    expect(PROJECT | OPTIONS_COMMAND, WORDS("--local", "--"));
    ck_assert_ptr_null(options.command);
}
END_TEST

START_TEST(complains_about_shell)
{
    expect_complaint(OPTIONS_SHELL, WORDS("--shell", "csh"),
                     "--shell csh: write bash (also for zsh and sh) or fish");
}
END_TEST

START_TEST(help_fits_the_screen)
{
    static const unsigned groups[] = {0, OPTIONS_SETTINGS, ALL_BUT_ARGUMENT, PROJECT | OPTIONS_SHELL};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        _cleanup_(text_deinit) Text text = TEXT_NULL;
        options_append_help(&text, groups[i]);
        const char *line = text_string(&text);
        while (*line) {
            size_t length = strcspn(line, "\n");
            ck_assert_uint_le(length, 80);
            line += length + 1;
        }
        ck_assert_ptr_nonnull(strstr(text_string(&text), "-h, --help"));
        bool has_keys = strstr(text_string(&text), "--coalesce-releases") != NULL;
        ck_assert_int_eq(has_keys, (groups[i] & OPTIONS_SETTINGS) != 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_is_fine);
    tcase_add_test(tests, flags_become_keys);
    tcase_add_test(tests, own_options);
    tcase_add_test(tests, socket_group_takes_what_finds_the_socket);
    tcase_add_test(tests, short_of_another_command);
    tcase_add_test(tests, argument_where_wanted);
    tcase_add_test(tests, huge_timeout_is_bounded);
    tcase_add_loop_test(tests, complains, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, complains_about_timeout);
    tcase_add_test(tests, profile_is_no_setting_there);
    tcase_add_test(tests, command_begins_at_the_first_plain_word);
    tcase_add_test(tests, command_begins_behind_dashes);
    tcase_add_test(tests, command_may_be_missing);
    tcase_add_test(tests, complains_about_shell);
    tcase_add_test(tests, help_fits_the_screen);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
