#include "spark/session_change.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* A length-delimited field around what was written. */
static void wrap(Text *text, unsigned number)
{
    Text inner = *text;
    *text = (Text)TEXT_NULL;
    unsigned tag = number << 3 | 2;
    for (; tag >= 0x80; tag >>= 7)
        text_append_bytes(text, (char[]){(char)(tag | 0x80)}, 1);
    text_append_bytes(text, (char[]){(char)tag}, 1);
    size_t length = inner.length;
    for (; length >= 0x80; length >>= 7)
        text_append_bytes(text, (char[]){(char)(length | 0x80)}, 1);
    text_append_bytes(text, (char[]){(char)length}, 1);
    text_append_bytes(text, inner.bytes, inner.length);
    text_deinit(&inner);
}

/* Fields from the innermost outwards, ended by 0, around a string; session and user come before them. */
static void build(Text *request, const char *string, const unsigned *fields)
{
    Text body = TEXT_NULL;
    text_append(&body, string);
    for (; *fields; fields++)
        wrap(&body, *fields);
    text_append(request, "\x0a\x03"
                         "abc"
                         "\x12\x02\x0a");
    text_append_bytes(request, "", 1);
    text_append_bytes(request, body.bytes, body.length);
    text_deinit(&body);
}

static SessionChange read_request(MethodId method, const char *string, const unsigned *fields, bool is_whole)
{
    Text request _cleanup_(text_deinit) = TEXT_NULL;
    build(&request, string, fields);
    return session_change_read(method, (const uint8_t *)request.bytes, request.length, is_whole);
}

#define FIELDS(...) ((const unsigned[]){__VA_ARGS__, 0})

START_TEST(settings)
{
    SessionChange change = read_request(METHOD_CONFIG, "spark.x", FIELDS(1, 1, 1, 3), true);
    ck_assert_int_eq(change.kind, CHANGE_REPEATABLE);
    ck_assert_str_eq(change.what, "setting spark.x");
    change = read_request(METHOD_CONFIG, "spark.x", FIELDS(1, 6, 3), true);
    ck_assert_int_eq(change.kind, CHANGE_REPEATABLE);
    for (unsigned member = 2; member <= 7; member++)
        if (member != 6)
            ck_assert_int_eq(read_request(METHOD_CONFIG, "spark.x", FIELDS(1, member, 3), true).kind,
                             CHANGE_NONE);
    ck_assert_int_eq(read_request(METHOD_CONFIG, "spark.x", FIELDS(1, 1, 1, 3), false).kind, CHANGE_OTHER);
    ck_assert_int_eq(read_request(METHOD_ANALYZE_PLAN, "x", FIELDS(3), true).kind, CHANGE_NONE);
}
END_TEST

START_TEST(sql)
{
    static const struct {
        const char *query;
        SessionChangeKind kind;
    } ROWS[] = {
        {"SELECT 1", CHANGE_NONE},
        {" (select 1)", CHANGE_NONE},
        {"-- a comment\n/* USE x */ with t as (select 1) select * from t", CHANGE_NONE},
        {"INSERT INTO t VALUES (1)", CHANGE_NONE},
        {"create table t (a int)", CHANGE_NONE},
        {"CREATE VIEW v AS SELECT 1", CHANGE_NONE},
        {"set spark.x=1", CHANGE_REPEATABLE},
        {"USE db", CHANGE_REPEATABLE},
        {"RESET", CHANGE_REPEATABLE},
        {"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", CHANGE_REPEATABLE},
        {"create global temporary view v as select 1", CHANGE_REPEATABLE},
        {"CREATE /* */ TEMPORARY FUNCTION f AS 'x'", CHANGE_REPEATABLE},
        {"SET VARIABLE x = 1", CHANGE_OTHER},
        {"DECLARE x INT", CHANGE_OTHER},
        {"DROP VIEW v", CHANGE_OTHER},
        {"ALTER VIEW v RENAME TO w", CHANGE_OTHER},
        {"CACHE TABLE v AS SELECT 1", CHANGE_OTHER},
        {"EXECUTE IMMEDIATE 'USE db'", CHANGE_OTHER},
        {"BEGIN SELECT 1; END", CHANGE_OTHER},
        {"", CHANGE_OTHER},
        {"/* no end", CHANGE_OTHER},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const char *query = ROWS[i].query;
        /* As a command's text, as its relation, with others that it reads, and as a plan. */
        ck_assert_msg(read_request(METHOD_EXECUTE_PLAN, query, FIELDS(1, 5, 2, 3), true).kind == ROWS[i].kind,
                      "%s", query);
        ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, query, FIELDS(1, 10, 6, 5, 2, 3), true).kind,
                         ROWS[i].kind);
        ck_assert_int_eq(
            read_request(METHOD_EXECUTE_PLAN, query, FIELDS(1, 10, 1, 41, 6, 5, 2, 3), true).kind,
            ROWS[i].kind);
        ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, query, FIELDS(1, 10, 1, 3), true).kind,
                         ROWS[i].kind);
    }
}
END_TEST

static SessionChange read_view(const char *plan, bool is_whole)
{
    Text request _cleanup_(text_deinit) = TEXT_NULL;
    text_append(&request, plan);
    wrap(&request, 1);
    text_append(&request, "\x12\x01v");
    wrap(&request, 3);
    wrap(&request, 2);
    wrap(&request, 3);
    return session_change_read(METHOD_EXECUTE_PLAN, (const uint8_t *)request.bytes, request.length, is_whole);
}

START_TEST(views)
{
    SessionChange change = read_view("plan with an offset of 1", true);
    ck_assert_int_eq(change.kind, CHANGE_REPEATABLE);
    ck_assert_str_eq(change.what, "view v");
    ck_assert_int_eq(read_view("(Insert into t)", true).kind, CHANGE_OTHER);
    ck_assert_int_eq(read_view("\x1f"
                               "DELETE\tfrom t",
                               true)
                         .kind,
                     CHANGE_OTHER);
    ck_assert_int_eq(read_view("plan", false).kind, CHANGE_OTHER);
}
END_TEST

START_TEST(other_commands)
{
    static const SessionChangeKind KINDS[] = {
        [1] = CHANGE_REPEATABLE, [2] = CHANGE_NONE,        [4] = CHANGE_NONE,     [6] = CHANGE_LOSABLE,
        [7] = CHANGE_LOSABLE,    [8] = CHANGE_NONE,        [9] = CHANGE_LOSABLE,  [10] = CHANGE_REPEATABLE,
        [11] = CHANGE_LOSABLE,   [12] = CHANGE_REPEATABLE, [13] = CHANGE_LOSABLE, [14] = CHANGE_LOSABLE,
        [15] = CHANGE_LOSABLE,   [16] = CHANGE_NONE,       [17] = CHANGE_LOSABLE, [18] = CHANGE_OTHER,
        [19] = CHANGE_OTHER,     [20] = CHANGE_OTHER};
    for (unsigned member = 1; member < sizeof KINDS / sizeof KINDS[0]; member++)
        if (member != 3 && member != 5)
            ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, "f", FIELDS(1, member, 2, 3), true).kind,
                             KINDS[member]);
    ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, "f", FIELDS(999, 2, 3), true).kind, CHANGE_OTHER);
}
END_TEST

START_TEST(plans)
{
    ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, "range", FIELDS(15, 1, 3), true).kind, CHANGE_NONE);
    ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, "range", FIELDS(11, 1, 3), false).kind, CHANGE_NONE);
    ck_assert_int_eq(read_request(METHOD_EXECUTE_PLAN, "zstd", FIELDS(1, 3, 3), true).kind, CHANGE_OTHER);
    for (unsigned member = 1; member <= 37; member++) { /* of the catalog */
        bool is_state = member == 2 || member == 15 || member == 16 || member == 25;
        bool is_unsure = member == 27 || member == 28 || member > 36;
        SessionChange change = read_request(METHOD_EXECUTE_PLAN, "x", FIELDS(1, member, 200, 1, 3), true);
        ck_assert_int_eq(change.kind, is_unsure ? CHANGE_OTHER : is_state ? CHANGE_REPEATABLE : CHANGE_NONE);
    }
    ck_assert_int_eq(read_request(METHOD_ADD_ARTIFACTS, "x", FIELDS(3), true).kind, CHANGE_REPEATABLE);
    ck_assert_int_eq(read_request(METHOD_ADD_ARTIFACTS, "x", FIELDS(3), false).kind, CHANGE_LOSABLE);
}
END_TEST

/* Whatever is missing at the end, nothing counts as repeatable or harmless that is not known to be. */
START_TEST(cut_anywhere)
{
    Text request _cleanup_(text_deinit) = TEXT_NULL;
    build(&request, "USE db", FIELDS(1, 5, 2, 3));
    for (size_t n = 0; n <= request.length; n++) {
        uint8_t *exact = mem_alloc(n + 1);
        memcpy(exact, request.bytes, n);
        ck_assert_int_eq(session_change_read(METHOD_EXECUTE_PLAN, exact, n, false).kind, CHANGE_OTHER);
        free(exact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_change");
    TCase *tests = tcase_create("session_change");
    tcase_add_test(tests, settings);
    tcase_add_test(tests, sql);
    tcase_add_test(tests, views);
    tcase_add_test(tests, other_commands);
    tcase_add_test(tests, plans);
    tcase_add_test(tests, cut_anywhere);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
