/* Text and Log: growing strings; one line an event, in three formats, which no peer can forge. */

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "random_number.h"

/* ---- text */

START_TEST(an_empty_text_is_an_empty_string)
{
    Text text = TEXT_NULL;
    ck_assert_str_eq(text_string(&text), "");
    char *taken = text_take(&text);
    ck_assert_str_eq(taken, "");
    free(taken);
    text_clear(&text);
    text_append(&text, "");
    ck_assert_uint_eq(text.length, 0);
    text_deinit(&text);
    text_deinit(&text);
}
END_TEST

START_TEST(it_grows_at_every_length)
{
    char expected[3000] = "";
    Text text = TEXT_NULL;
    while (text.length < sizeof expected - 200) {
        char part[200];
        size_t length = random_number(sizeof part);
        memset(part, (int)('a' + random_number(26)), length);
        part[length] = '\0';
        strcat(expected, part);
        switch (random_number(3)) {
        case 0: text_append(&text, part); break;
        case 1: text_append_bytes(&text, part, length); break;
        default: text_printf(&text, "%s", part);
        }
        ck_assert_uint_eq(text.length, strlen(expected));
        ck_assert_str_eq(text_string(&text), expected);
    }
    text_deinit(&text);
}
END_TEST

/* Around the sizes at which memory is got anew. */
START_TEST(printf_fits_whatever_the_length)
{
    for (int length = 0; length < 600; length++) {
        Text text = TEXT_NULL;
        text_append(&text, "ab");
        text_printf(&text, "%*d", length, 7);
        ck_assert_uint_eq(text.length, 2 + (size_t)(length ? length : 1));
        ck_assert_uint_eq(strlen(text_string(&text)), text.length);
        ck_assert_int_eq(text.bytes[text.length - 1], '7');
        text_deinit(&text);
    }
}
END_TEST

START_TEST(clearing_and_taking_start_over)
{
    Text text = TEXT_NULL;
    text_append(&text, "one");
    text_clear(&text);
    ck_assert_str_eq(text_string(&text), "");
    text_append(&text, "two");
    char *taken = text_take(&text);
    ck_assert_str_eq(taken, "two");
    ck_assert_uint_eq(text.length, 0);
    text_append(&text, "three");
    ck_assert_str_eq(text_string(&text), "three");
    ck_assert_str_eq(taken, "two");
    free(taken);
    text_deinit(&text);
}
END_TEST

/* ---- log */

static int ends[2];
static Log logger;

static void set_up(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    logger = (Log){.fd = ends[1], .level = LOG_LEVEL_DEBUG, .format = LOG_FORMAT_JOURNAL};
}

/* What was logged up to here; nothing more can be logged. */
static const char *logged(void)
{
    static char bytes[65536];
    size_t n = 0;
    ck_assert_int_eq(close(ends[1]), 0);
    for (ssize_t part; (part = read(ends[0], bytes + n, sizeof bytes - 1 - n)) > 0;)
        n += (size_t)part;
    bytes[n] = '\0';
    return bytes;
}

static json_t *logged_json(void)
{
    const char *line = logged();
    json_error_t error;
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    json_t *object = json_loads(line, 0, &error);
    ck_assert_msg(object != NULL, "%s: %s", error.text, line);
    return object;
}

static const char *string_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static const LogField FIELDS[] = {
    {"peer", "a\nb\x1b[31m\x7f\"\\", 0},
    {"bytes", NULL, -42},
};

START_TEST(journal_lines_have_their_priority)
{
    static const char *const PRIORITIES[] = {"<3>", "<4>", "<6>", "<7>"};
    log_write(&logger, (LogLevel)_i, "%s is %d", "x", 1);
    const char *line = logged();
    ck_assert_int_eq(strncmp(line, PRIORITIES[_i], 3), 0);
    ck_assert_str_eq(line + 3, "x is 1\n");
}
END_TEST

START_TEST(control_characters_are_shown_escaped)
{
    log_event(&logger, LOG_LEVEL_INFO, FIELDS, 2, "one\ntwo\r%s", "<3>forged\t");
    ck_assert_str_eq(logged(),
                     "<6>one\\x0atwo\\x0d<3>forged\\x09 peer=a\\x0ab\\x1b[31m\\x7f\"\\ bytes=-42\n");
}
END_TEST

START_TEST(text_lines_have_a_time_and_a_level)
{
    logger.format = LOG_FORMAT_TEXT;
    log_event(&logger, LOG_LEVEL_WARNING, FIELDS, 2, "a\nline");
    unsigned hour, minute, second, ms;
    int at = 0;
    const char *line = logged();
    ck_assert_int_eq(sscanf(line, "%2u:%2u:%2u.%3u %n", &hour, &minute, &second, &ms, &at), 4);
    ck_assert_uint_lt(hour, 24);
    ck_assert_int_eq(at, 13);
    ck_assert_str_eq(line + at, "warning a\\x0aline peer=a\\x0ab\\x1b[31m\\x7f\"\\ bytes=-42\n");
}
END_TEST

START_TEST(json_lines_read_back)
{
    logger.format = LOG_FORMAT_JSON;
    log_event(&logger, LOG_LEVEL_ERROR, FIELDS, 2, "say \"%s\"\n\\ \x01", "\xc3\xa9");
    json_t *object = logged_json();
    ck_assert_str_eq(string_of(object, "message"), "say \"\xc3\xa9\"\n\\ \x01");
    ck_assert_str_eq(string_of(object, "level"), "error");
    ck_assert_str_eq(string_of(object, "peer"), FIELDS[0].text);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "bytes")), -42);
    ck_assert_uint_eq(strlen(string_of(object, "time")), strlen("2024-01-01T00:00:00.000Z"));
    ck_assert_uint_eq(json_object_size(object), 5);
    json_decref(object);
}
END_TEST

START_TEST(json_lines_are_valid_whatever_the_bytes)
{
    char bytes[256];
    for (int i = 1; i < 256; i++)
        bytes[i - 1] = (char)i;
    bytes[255] = '\0';
    logger.format = LOG_FORMAT_JSON;
    LogField field = {"bytes", bytes, 0};
    log_event(&logger, LOG_LEVEL_INFO, &field, 1, "%s", bytes);
    json_decref(logged_json());
}
END_TEST

START_TEST(a_long_line_is_written_whole)
{
    char sentence[30000];
    memset(sentence, 'x', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    log_write(&logger, LOG_LEVEL_INFO, "%s", sentence);
    const char *line = logged();
    ck_assert_uint_eq(strlen(line), 3 + sizeof sentence - 1 + 1);
}
END_TEST

START_TEST(less_important_levels_are_left_out)
{
    logger.level = (LogLevel)_i;
    for (LogLevel level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        ck_assert_int_eq(log_enabled(&logger, level), level <= logger.level);
        log_write(&logger, level, "x");
    }
    ck_assert_uint_eq(strlen(logged()), strlen("<3>x\n") * (size_t)(_i + 1));
}
END_TEST

START_TEST(a_log_that_cannot_be_written_is_no_reason_to_stop)
{
    Log broken = {.fd = -1, .level = LOG_LEVEL_DEBUG};
    log_write(&broken, LOG_LEVEL_ERROR, "nobody reads this");
    ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(levels_have_names)
{
    static const char *const NO_NAMES[] = {"", "Error", "errors", "warn", "debug ", "4"};
    LogLevel level;
    for (LogLevel i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        ck_assert(log_level_from_name(log_level_name(i), &level));
        ck_assert_int_eq(level, i);
    }
    for (size_t i = 0; i < sizeof(NO_NAMES) / sizeof(NO_NAMES[0]); i++)
        ck_assert(!log_level_from_name(NO_NAMES[i], &level));
}
END_TEST

static TCase *text_tests(void)
{
    TCase *tests = tcase_create("text");
    tcase_add_test(tests, an_empty_text_is_an_empty_string);
    tcase_add_test(tests, it_grows_at_every_length);
    tcase_add_test(tests, printf_fits_whatever_the_length);
    tcase_add_test(tests, clearing_and_taking_start_over);
    return tests;
}

static TCase *log_tests(void)
{
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_loop_test(tests, journal_lines_have_their_priority, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG + 1);
    tcase_add_test(tests, control_characters_are_shown_escaped);
    tcase_add_test(tests, text_lines_have_a_time_and_a_level);
    tcase_add_test(tests, json_lines_read_back);
    tcase_add_test(tests, json_lines_are_valid_whatever_the_bytes);
    tcase_add_test(tests, a_long_line_is_written_whole);
    tcase_add_loop_test(tests, less_important_levels_are_left_out, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG + 1);
    tcase_add_test(tests, a_log_that_cannot_be_written_is_no_reason_to_stop);
    tcase_add_test(tests, levels_have_names);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("text and log");
    suite_add_tcase(suite, text_tests());
    suite_add_tcase(suite, log_tests());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
