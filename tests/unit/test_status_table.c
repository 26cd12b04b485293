#include "cli/status_table.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/table.h"

/* Columns of a line that has only characters of one column. */
static size_t columns_of(const char *line, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    return columns;
}

static void expect_lines_fit(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        ck_assert_msg(columns_of(text, length) <= TABLE_WIDTH, "too long: %.*s", (int)length, text);
        ck_assert_int_eq(text[length], '\n');
        text += length + 1;
    }
}

static char *render(const char *json)
{
    json_error_t error;
    Text text = TEXT_NULL;
    json_t *document = json_loads(json, 0, &error);
    ck_assert_msg(document != NULL, "%s", error.text);
    status_table_append(&text, document);
    json_decref(document);
    expect_lines_fit(text_string(&text));
    return text_take(&text);
}

START_TEST(idle)
{
    _cleanup_(mem_freep) char *text = render(
        "{\"version\":\"0.1.0\",\"state\":\"running\",\"pid\":4711,\"uptime_s\":7980,\"memory_bytes\":"
        "5452595,"
        "\"listeners\":[\"sc://localhost:15002\",\"unix:/run/x\"],\"clients\":0,"
        "\"loop\":{\"turns\":9000,\"turns_of_100_ms\":1,\"longest_turn_ms\":120},"
        "\"counts\":{\"calls\":3,\"failed_calls\":1},\"sessions_total\":0,\"calls_total\":0,"
        "\"sessions\":[],\"calls\":[],\"profiles\":[{\"name\":\"dev\",\"is_default\":true,\"host\":\"h\","
        "\"port\":443,\"tls\":true,\"state\":\"ready\",\"connections\":[{},{}],\"calls\":3,"
        "\"waiting_calls\":0,\"problem\":null,\"last_error\":null}]}");
    ck_assert_str_eq(text,
                     "sparkbouncer 0.1.0  running  pid 4711  up 2h13m  memory 5.2 MiB\n"
                     "listening  sc://localhost:15002\n"
                     "           unix:/run/x\n"
                     "clients    0 connected, 0 sessions\n"
                     "calls      0 running, 3 ended, 1 of them failed\n"
                     "loop       longest turn 120ms, 1 took more than 100 ms\n"
                     "\n"
                     "PROFILE        SERVER                               STATE      CONNS CALLS  WAIT\n"
                     "dev*           h                                    ready      2     3      0\n");
}
END_TEST

/* One profile with that credential: what is said below its row. */
static void expect_below(const char *credential, const char *said)
{
    _cleanup_(text_deinit) Text json = TEXT_NULL;
    text_printf(&json, "{\"profiles\":[{\"name\":\"dev\",\"host\":\"h\",\"credential\":%s}]}", credential);
    _cleanup_(mem_freep) char *text = render(text_string(&json));
    const char *row = strstr(text, "\ndev ");
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(strchr(row + 1, '\n') + 1, said);
}

START_TEST(credentials)
{
    expect_below("null", "");
    expect_below("{\"auth_type\":null,\"state\":\"not needed\",\"clock_skew_s\":0}", "");
    expect_below("{\"auth_type\":\"pat\",\"state\":\"ready\",\"expires_in_s\":null}", "");
    expect_below("{\"auth_type\":\"oauth-m2m\",\"state\":\"refreshing\",\"expires_in_s\":3599,"
                 "\"problem\":null,\"clock_skew_s\":29}",
                 "  token by oauth-m2m: refreshing, expires in 59m59s\n");
    expect_below("{\"auth_type\":\"pat\",\"state\":\"failed\",\"expires_in_s\":null,\"problem\":\"put a new "
                 "one into x\",\"clock_skew_s\":-300}",
                 "  token by pat: failed\n  put a new one into x\n"
                 "  this machine's clock is 300 s ahead of the server's\n");
    expect_below("{\"auth_type\":7,\"problem\":[],\"clock_skew_s\":\"x\"}", "");
}
END_TEST

START_TEST(spooled)
{
    _cleanup_(mem_freep) char *none = render("{\"bytes_spooled\":0}");
    ck_assert_ptr_null(strstr(none, "spooled"));
    _cleanup_(mem_freep) char *some = render("{\"bytes_spooled\":104857600}");
    ck_assert_ptr_nonnull(
        strstr(some, "\nspooled    100 MiB of results on disk that their clients have not read yet\n"));
}
END_TEST

START_TEST(empty_document)
{
    _cleanup_(mem_freep) char *text = render("{}");
    ck_assert_ptr_nonnull(strstr(text, "sparkbouncer -"));
}
END_TEST

START_TEST(wrong_types)
{
    free(render("{\"profiles\":[1,null,\"x\",{}],\"sessions\":[[],3],\"calls\":[{\"method\":4}],"
                "\"listeners\":[4,null],\"pid\":\"x\",\"uptime_s\":-5,\"counts\":[]}"));
}
END_TEST

START_TEST(long_and_hostile_values)
{
    _cleanup_(mem_freep) char *text = render(
        "{\"sessions_total\":12345,\"sessions\":[{\"session_id\":"
        "\"01234567-89ab-cdef-0123-456789abcdef0123\",\"user_id\":\"\\u001b[2J\\u009bm\\nanna maria \","
        "\"profile\":\"\\u00e4\\u00f6\\u00fc\\u00e4\\u00f6\\u00fc\\u00e4\\u00f6\\u00fc\\u00e4\\u00f6\","
        "\"calls\":"
        "18446744073709,\"age_s\":99999999999,\"idle_s\":863999}],\"calls_total\":1,\"calls\":[{\"method\":"
        "\"/some.package.with.a.long.name.Service/Method\",\"session_id\":\"0123456789\",\"age_ms\":999,"
        "\"bytes_to_client\":1048575,\"peer\":\"[2001:db8:1234:5678:9abc:def0:1234:5678]:65535\"}],"
        "\"profiles\":[{\"name\":\"p\",\"host\":"
        "\"adb-1234567890123456.7.some.where.far.azuredatabricks.net\",\"port\":8443,\"tls\":true,"
        "\"last_error\":\"certificate of adb-1234567890123456.7.azuredatabricks.net is not trusted: it is "
        "signed by a company that this machine does not know, so set ca_file "
        "/an/extremely/long/path/that/does/not/fit/into/any/line/of/eighty/columns/in/a/terminal/x.pem\"}]}");
    for (const char *p = text; *p; p++)
        ck_assert(*p == '\n' || (unsigned char)*p >= 0x20);
    ck_assert_ptr_nonnull(strstr(text, "?[2J?m?ann\u2026"));
    ck_assert_ptr_nonnull(strstr(text, "... and 12344 more\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n  certificate of "));
}
END_TEST

START_TEST(a_cluster_is_shown_while_there_is_something_to_say)
{
    _cleanup_(mem_freep) char *text =
        render("{\"profiles\":[{\"name\":\"p\",\"cluster\":{\"state\":\"PENDING\",\"waiting\":3,"
               "\"problem\":\"cluster etl is starting\"}},"
               "{\"name\":\"q\",\"cluster\":{\"state\":\"RUNNING\",\"waiting\":0,\"problem\":null}}]}");
    ck_assert_ptr_nonnull(strstr(text, "\n  cluster etl is starting (3 wait for it)\nq"));
    ck_assert_ptr_null(strstr(text, "RUNNING"));
}
END_TEST

static char *cell(const char *value, size_t width, bool is_last)
{
    Text text = TEXT_NULL;
    table_append_cell(&text, value, width, is_last);
    return text_take(&text);
}

START_TEST(cells)
{
    static const struct {
        const char *value;
        size_t width;
        bool is_last;
        const char *shown;
    } cases[] = {
        {"abc", 5, false, "abc   "},        {"abc", 3, false, "abc "},
        {"abcd", 3, false, "ab\u2026 "},    {"abc", 5, true, "abc"},
        {"abcd", 3, true, "ab\u2026"},      {"", 2, false, "   "},
        {"\u00e4b", 3, false, "\u00e4b  "}, {"\xff\xc3", 3, true, "??"},
        {"\xe2\x82", 3, true, "??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        _cleanup_(mem_freep) char *shown = cell(cases[i].value, cases[i].width, cases[i].is_last);
        ck_assert_str_eq(shown, cases[i].shown);
    }
}
END_TEST

typedef struct Value {
    void (*append)(Text *text, uint64_t value);
    uint64_t value;
    const char *shown;
} Value;

static const Value values[] = {
    {table_append_count, 0, "0"},
    {table_append_count, 99999, "99999"},
    {table_append_count, 100000, "100.0k"},
    {table_append_count, 999949, "999.9k"},
    {table_append_count, 999950, "1.0M"},
    {table_append_count, UINT64_MAX, "18.4E"},
    {table_append_bytes, 0, "0 B"},
    {table_append_bytes, 999, "999 B"},
    {table_append_bytes, 1000, "1.0 KiB"},
    {table_append_bytes, 10240, "10 KiB"},
    {table_append_bytes, 1048575, "1.0 MiB"},
    {table_append_bytes, UINT64_MAX, "16 EiB"},
    {table_append_duration, 0, "0s"},
    {table_append_duration, 1, "1ms"},
    {table_append_duration, 999, "999ms"},
    {table_append_duration, 59999, "59s"},
    {table_append_duration, 60000, "1m00s"},
    {table_append_duration, 3599999, "59m59s"},
    {table_append_duration, 3600000, "1h00m"},
    {table_append_duration, 86399999, "23h59m"},
    {table_append_duration, 86400000, "1d00h"},
    {table_append_duration, UINT64_C(8640000000), "100d"},
};

START_TEST(short_values)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    values[_i].append(&text, values[_i].value);
    ck_assert_str_eq(text_string(&text), values[_i].shown);
}
END_TEST

START_TEST(local_spark)
{
    _cleanup_(mem_freep) char *ready = render(
        "{\"local_spark\":{\"state\":\"ready\",\"port\":4711,\"pid\":42,\"sessions\":2,\"waiting_calls\":0,"
        "\"problem\":null},\"sessions_total\":1,\"sessions\":[{\"session_id\":\"s\",\"profile\":\"p\","
        "\"is_local\":true}]}");
    ck_assert_ptr_nonnull(strstr(ready, "\nlocal Spark ready at 127.0.0.1:4711 (pid 42), 2 sessions\n"));
    ck_assert_ptr_nonnull(strstr(ready, "p local"));
    _cleanup_(mem_freep) char *failed = render("{\"local_spark\":{\"state\":\"failed\",\"port\":null,\"pid\":"
                                               "null,\"waiting_calls\":3,\"problem\":\"no Java\"}}");
    ck_assert_ptr_nonnull(strstr(failed, "\nlocal Spark failed, 0 sessions, 3 calls wait\n  no Java\n"));
    _cleanup_(mem_freep) char *none = render("{\"local_spark\":{\"state\":\"none\"}}");
    ck_assert_ptr_null(strstr(none, "local Spark"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status_table");
    TCase *tests = tcase_create("status_table");
    tcase_add_test(tests, idle);
    tcase_add_test(tests, local_spark);
    tcase_add_test(tests, credentials);
    tcase_add_test(tests, spooled);
    tcase_add_test(tests, empty_document);
    tcase_add_test(tests, wrong_types);
    tcase_add_test(tests, long_and_hostile_values);
    tcase_add_test(tests, a_cluster_is_shown_while_there_is_something_to_say);
    tcase_add_test(tests, cells);
    tcase_add_loop_test(tests, short_values, 0, sizeof values / sizeof values[0]);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
