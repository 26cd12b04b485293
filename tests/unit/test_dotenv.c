/* .env files. What is expected of each was read off the real python-dotenv 1.2.4 (load_dotenv()'s defaults:
 * the environment goes before the file), given the same file and the same two variables. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/dotenv.h"

static const char *const VARIABLES[] = {"SET=outside", "EMPTY=", NULL};

static const struct {
    const char *file;
    const char *entries; /* NAME=value or NAME, one after the other */
    size_t n_errors;     /* statements that python-dotenv could not parse */
} TABLE[] = {
    {"A=1\nB=2\n", "A=1\nB=2\n", 0},
    {"A=1", "A=1\n", 0},
    {"", "", 0},
    {"\n\n  \n", "", 0},
    {"# only a comment\nA=1 # not the value\n", "A=1\n", 0},
    {"A=#value\n", "A=#value\n", 0},
    {"A= # comment\n", "A=\n", 0},
    {"A=a#b\n", "A=a#b\n", 0},
    {"A=a #b #c\n", "A=a\n", 0},
    {"export A=1\n", "A=1\n", 0},
    {"export\tA=1\n", "A=1\n", 0},
    {"export   A = 1\n", "A=1\n", 0},
    {"export\nA=1\n", "export\nA=1\n", 0},
    {"exportA=1\n", "exportA=1\n", 0},
    {"export A\n", "A\n", 0},
    {"export =1\nB=2\n", "B=2\n", 1},
    {"export # c\nB=1\n", "B=1\n", 0},
    {"A\nB=1\n", "A\nB=1\n", 0},
    {"A # c\n", "A\n", 0},
    {"A=\nB=\n", "A=\nB=\n", 0},
    {"  A  =  1  \n", "A=1\n", 0},
    {"\tA=1\t\n", "A=1\n", 0},
    {"A=1\r\nB=2\r\n", "A=1\nB=2\n", 0},
    {"A=1\rB=2\r", "A=1\nB=2\n", 0},
    {"\357\273\277A=1\n", "A=1\n", 0},
    {"A='x y'\n", "A=x y\n", 0},
    {"A=\"x y\"\n", "A=x y\n", 0},
    {"A='x' # c\n", "A=x\n", 0},
    {"A=\"x\"# c\n", "A=x\n", 0},
    {"A='x' y\nB=1\n", "B=1\n", 1},
    {"A=\"x\ny\"\nB=1\n", "A=x\ny\nB=1\n", 0},
    {"A='x\n\ny'\nB=1\n", "A=x\n\ny\nB=1\n", 0},
    {"A=\"x\r\ny\"\n", "A=x\ny\n", 0},
    {"A='it\\'s'\n", "A=it's\n", 0},
    {"A='\\\\ \\n \\\"'\n", "A=\\ \\n \\\"\n", 0},
    {"A=\"\\n\\t\\r\\\\\\\"\\'\\a\\b\\f\\v\"\n", "A=\n\t\r\\\"'\007\010\014\013\n", 0},
    {"A=\"\\x \\$ \\0\"\n", "A=\\x \\$ \\0\n", 0},
    {"A=\"a\\\nb\"\n", "A=a\\\nb\n", 0},
    {"A=x\\ny\n", "A=x\\ny\n", 0},
    {"A=\"unfinished\nB=2\n", "B=2\n", 1},
    {"A='unfinished\n", "", 1},
    {"A=\"x\\\\\"\n", "A=x\\\n", 0},
    {"A='x\\\\'\nB=1\n", "A=x\\\nB=1\n", 0},
    {"=1\nB=2\n", "B=2\n", 1},
    {"A=1=2\n", "A=1=2\n", 0},
    {"A==\n", "A==\n", 0},
    {"'A'=1\n", "A=1\n", 0},
    {"'a b'=1\n", "a b=1\n", 0},
    {"'A\nB=1\n", "B=1\n", 1},
    {"\"A\"=1\n", "\"A\"=1\n", 0},
    {"A B=1\nC=2\n", "C=2\n", 1},
    {"A-b.c=1\n", "A-b.c=1\n", 0},
    {"A=1\nA=2\n", "A=2\n", 0},
    {"A=1\nA\n", "A\n", 0},
    {"B=1\nA=2\nB=3\n", "B=3\nA=2\n", 0},
    {"A=1\nB=${A}\n", "A=1\nB=1\n", 0},
    {"A=1\nB=x${A}y${A}z\n", "A=1\nB=x1y1z\n", 0},
    {"B=${A}\nA=1\n", "B=\nA=1\n", 0},
    {"A=1\nA=${A}2\n", "A=12\n", 0},
    {"A=$B\nC=$\nD=${\nE=${}\n", "A=$B\nC=$\nD=${\nE=\n", 0},
    {"A=${HOMEX:-def}\n", "A=def\n", 0},
    {"A=${SET:-def}\n", "A=outside\n", 0},
    {"A=${EMPTY:-def}\n", "A=\n", 0},
    {"A=${EMPTY}|\n", "A=|\n", 0},
    {"SET=file\nA=${SET}\n", "SET=file\nA=outside\n", 0},
    {"A='${SET}'\n", "A=outside\n", 0},
    {"A=\"${SET}\"\n", "A=outside\n", 0},
    {"A=\\${SET}\n", "A=\\outside\n", 0},
    {"A=${X:-${SET}}\n", "A=${SET}\n", 0},
    {"A=${X:y}\n", "A=${X:y}\n", 0},
    {"A=${X:-a:b}\n", "A=a:b\n", 0},
    {"A=${X:-}|\n", "A=|\n", 0},
    {"A\nB=[${A}]\n", "A\nB=[]\n", 0},
    {"A=${a b:-c}\n", "A=c\n", 0},
    {"A=${X:${SET}\n", "A=${X:outside\n", 0},
    {"A=${X\nB=}\n", "A=${X\nB=}\n", 0},
    {"A=\"${X:-\n}\"\n", "A=\n\n", 0},
    {"A=${SET}${SET}\n", "A=outsideoutside\n", 0},
    {"A='x'\nB='y'", "A=x\nB=y\n", 0},
    {"A=x'y'\n", "A=x'y'\n", 0},
    {"A='x''y'\nB=1\n", "B=1\n", 1},
    {"A=\"\"\nB=''\n", "A=\nB=\n", 0},
    {"A=\303\244 #\303\266\n", "A=\303\244\n", 0},
    {"A=1 \013\014\n", "A=1\n", 0},
    {"A=`x`\n", "A=`x`\n", 0},
    {"A=\"x\" ; B=1\nC=1\n", "C=1\n", 1},
    {"DATABRICKS_HOST=https://x.cloud.databricks.com\nDATABRICKS_TOKEN=\"dapi0123#x\"\nexport "
     "SPARK_CONNECT_CLUSTER_ID='0712-1'\nMLFLOW_TRACKING_URI=databricks://${DATABRICKS_PROFILE:-dev}\n",
     "DATABRICKS_HOST=https://"
     "x.cloud.databricks.com\nDATABRICKS_TOKEN=dapi0123#x\nSPARK_CONNECT_CLUSTER_ID=0712-1\nMLFLOW_TRACKING_"
     "URI=databricks://dev\n",
     0},
    {"#A=1\n  # x\n", "", 0},
    {"A=1 #\n", "A=1\n", 0},
    {"A=1#\n", "A=1#\n", 0},
    {"A=   \n", "A=\n", 0},
    {"A= '  x  '  \n", "A=  x  \n", 0},
    {"export export=1\n", "export=1\n", 0},
    {"A=x\\\nB=1\n", "A=x\\\nB=1\n", 0},
};

static char *describe(const Dotenv *dotenv)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < dotenv->n_entries; i++) {
        const DotenvEntry *entry = &dotenv->entries[i];
        text_printf(&text, entry->value ? "%s=%s\n" : "%s\n", entry->name, entry->value);
    }
    return text_take(&text);
}

START_TEST(reads_as_python_does)
{
    _cleanup_(dotenv_deinit) Dotenv dotenv = DOTENV_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    dotenv_parse(&dotenv, TABLE[_i].file, strlen(TABLE[_i].file), ".env", VARIABLES, &problems);
    _cleanup_(mem_freep) char *entries = describe(&dotenv);
    ck_assert_msg(strcmp(entries, TABLE[_i].entries) == 0, "row %d, of\n%s\nexpected\n%s\ngot\n%s", _i,
                  TABLE[_i].file, TABLE[_i].entries, entries);
    ck_assert_msg(problems.n_entries == TABLE[_i].n_errors, "row %d: %zu warnings", _i, problems.n_entries);
    ck_assert_uint_eq(problems.n_errors, 0);
}
END_TEST

START_TEST(warnings_name_the_line_and_not_the_text)
{
    static const char FILE[] = "A=1\n\nTOKEN='very secret\nB=2\n";
    _cleanup_(dotenv_deinit) Dotenv dotenv = DOTENV_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    dotenv_parse(&dotenv, FILE, strlen(FILE), "x/.env", VARIABLES, &problems);
    ck_assert_uint_eq(problems.n_entries, 1);
    ck_assert_str_eq(problems.entries[0].sentence, "x/.env:3: not understood and left out; write NAME=value");
    ck_assert_str_eq(dotenv_find(&dotenv, "B")->value, "2");
    ck_assert_uint_eq(dotenv_find(&dotenv, "B")->line, 4);
    ck_assert_ptr_null(dotenv_find(&dotenv, "TOKEN"));
}
END_TEST

/* Files cut anywhere: nothing is read beyond the end (AddressSanitizer would tell). */
START_TEST(any_beginning_is_safe)
{
    const char *file = TABLE[_i].file;
    for (size_t length = 0; length < strlen(file); length++) {
        _cleanup_(dotenv_deinit) Dotenv dotenv = DOTENV_NULL;
        _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
        _cleanup_(mem_freep) char *part = length ? mem_alloc(length) : NULL;
        if (length)
            memcpy(part, file, length);
        dotenv_parse(&dotenv, part ? part : "", length, ".env", VARIABLES, &problems);
        ck_assert_uint_eq(problems.n_errors, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dotenv");
    TCase *tcase = tcase_create("dotenv");
    int n_rows = (int)(sizeof TABLE / sizeof TABLE[0]);
    tcase_add_loop_test(tcase, reads_as_python_does, 0, n_rows);
    tcase_add_test(tcase, warnings_name_the_line_and_not_the_text);
    tcase_add_loop_test(tcase, any_beginning_is_safe, 0, n_rows);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
