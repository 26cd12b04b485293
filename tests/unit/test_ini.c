/* INI lines: what comes out of them, and the one sentence for each that cannot be read. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/ini.h"

static void on_line(void *user, const IniLine *line)
{
    if (line->key)
        text_printf(user, "%u %s.%s=%s|", line->number, line->section, line->key, line->value);
    else
        text_printf(user, "%u [%s]|", line->number, line->section);
}

/* What came out, then the problems; free(). */
static char *read_all(const char *input, size_t length, IniOptions options)
{
    Text out = TEXT_NULL;
    Problems problems = PROBLEMS_NULL;
    char *bytes = mem_alloc(length + 1);
    memcpy(bytes, input, length);
    bytes[length] = '\0';
    int r = ini_read(bytes, length, "f", &options, on_line, &out, &problems);
    ck_assert((r < 0) == (problems.n_errors > 0));
    for (size_t i = 0; i < problems.n_entries; i++)
        text_printf(&out, "%s%s|",
                    problems.entries[i].is_error ? "" : "warning: ", problems.entries[i].sentence);
    problems_deinit(&problems);
    free(bytes);
    return text_take(&out);
}

#define NEITHER "neither [section] nor key = value; a comment starts with #|"
#define ODD     "this line has control characters or is not UTF-8; retype it|"
#define DEEPER                                                                                               \
    "indented more than the key above it; a value takes one line, and keys start where the first one does|"

static const char *const LINES[][2] = {
    {"", ""},
    {"[a]\nb=c", "1 [a]|2 a.b=c|"},
    {"\xef\xbb\xbf[a]\r\nb = c\r\n", "1 [a]|2 a.b=c|"},
    {"[a b]\nk : v", "1 [a b]|2 a b.k=v|"},
    {"[a]\nk = https://x:443/?a=b", "1 [a]|2 a.k=https://x:443/?a=b|"},
    {"[a]\nk : a=b", "1 [a]|2 a.k=a=b|"},
    {"[a]\nk = v ; no comment", "1 [a]|2 a.k=v ; no comment|"},
    {"[a]\nk = v # no comment", "1 [a]|2 a.k=v # no comment|"},
    {"[a]\nk = \"v\"", "1 [a]|2 a.k=\"v\"|"},
    {"[a]\nk =", "1 [a]|2 a.k=|"},
    {"[a]\nk = \t v \xc2\xa0", "1 [a]|2 a.k=v|"},
    {"# c\n; c\n  # c\n[a]\n\n", "4 [a]|"},
    {"# \xe9 in a comment\n[a]\nk=v", "2 [a]|3 a.k=v|"},
    {"[a] ; says [x]\nk=v", "1 [a]|2 a.k=v|"},
    {"[a]b]\nk=v", "1 [a]b]|2 a]b.k=v|"},
    {"[a ;b]\nk=v", "1 [a ;b]|2 a ;b.k=v|"},
    {"[ a ]\nK=v", "1 [a]|2 a.K=v|"},
    {"[a]\n  k=v\n  l=w", "1 [a]|2 a.k=v|3 a.l=w|"},
    {"[a]\n  k=v\nl=w", "1 [a]|2 a.k=v|3 a.l=w|"},
    {"[a]\nk=v\n[a]\nk=w", "1 [a]|2 a.k=v|3 [a]|4 a.k=w|"},
    {"[a]\n\xc3\xbc=\xe2\x82\xac", "1 [a]|2 a.\xc3\xbc=\xe2\x82\xac|"},
    /* wrong ones */
    {"[a]\nword", "1 [a]|f:2: " NEITHER},
    {"[a]\nword\nk=v\nother", "1 [a]|3 a.k=v|f:2: " NEITHER "f:4: " NEITHER},
    {"[a]\n= v", "1 [a]|f:2: " NEITHER},
    {"[a]\nk=v\n  more", "1 [a]|2 a.k=v|f:3: " DEEPER},
    {"[a]\nk=v\n\n  l=w", "1 [a]|2 a.k=v|f:4: " DEEPER},
    {"k=v\n[a]", "2 [a]|f:1: \"k\" comes before the first [section]|"},
    {"[a\nk=v", "f:1: a section header ends in ]; write [name]|"},
    {"[a] b\n", "f:1: a section header ends in ]; write [name]|"},
    {"[]\nk=v", "f:1: this section has no name; write [name]|"},
    {"[a]\nk=\xe9", "1 [a]|f:2: " ODD},
    {"[a]\nk=\xed\xa0\x80", "1 [a]|f:2: " ODD},
    {"[a]\nk=\xc0\xaf", "1 [a]|f:2: " ODD},
    {"[a]\nk=a\x1b[0m", "1 [a]|f:2: " ODD},
    {"[a]\nk=v\rl=w", "1 [a]|f:2: " ODD},
};

START_TEST(lines)
{
    const char *input = LINES[_i][0];
    _cleanup_(mem_freep) char *out = read_all(input, strlen(input), (IniOptions){false, false});
    ck_assert_str_eq(out, LINES[_i][1]);
}
END_TEST

START_TEST(nul_byte)
{
    static const char INPUT[] = "[a]\nk=v\0w\nl=w";
    _cleanup_(mem_freep) char *out = read_all(INPUT, sizeof INPUT - 1, (IniOptions){false, false});
    ck_assert_str_eq(out, "1 [a]|3 a.l=w|f:2: " ODD);
}
END_TEST

START_TEST(options)
{
    static const char INPUT[] = "[A]\nKey=V\n  more\n";
    _cleanup_(mem_freep) char *out = read_all(INPUT, strlen(INPUT), (IniOptions){true, true});
    ck_assert_str_eq(out, "1 [A]|2 A.key=V|warning: f:3: this line is skipped: it is indented more than the "
                          "key above it, which the SDKs read in different ways|");
}
END_TEST

/* inih alone would cut these: values, keys and section names of any length come out whole. */
START_TEST(long_values)
{
    Text input = TEXT_NULL, expected = TEXT_NULL;
    _cleanup_(mem_freep) char *value = mem_alloc_zeroed(1, 100001);
    memset(value, 'x', 100000);
    _cleanup_(mem_freep) char *name = mem_copy_bytes_as_string(value, 150);
    text_printf(&input, "[%.300s]\n%s = %s\nl = w\n", value, name, value);
    text_printf(&expected, "1 [%.300s]|2 %.300s.%s=%s|3 %.300s.l=w|", value, value, name, value, value);
    _cleanup_(mem_freep) char *out = read_all(input.bytes, input.length, (IniOptions){false, false});
    ck_assert_str_eq(out, text_string(&expected));
    text_deinit(&input);
    text_deinit(&expected);
}
END_TEST

START_TEST(too_long_key)
{
    char input[400] = "[a]\n";
    memset(input + 4, 'k', 300);
    memcpy(input + 304, "=v\n", 4);
    _cleanup_(mem_freep) char *out = read_all(input, strlen(input), (IniOptions){false, false});
    ck_assert_str_eq(out, "1 [a]|f:2: " NEITHER);
}
END_TEST

START_TEST(comments_in_values)
{
    ck_assert(ini_value_has_comment("a # b") && ini_value_has_comment("a\t;b"));
    ck_assert(!ini_value_has_comment("a#b;c") && !ini_value_has_comment("#a") && !ini_value_has_comment(""));
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("ini");
    TCase *tests = tcase_create("ini");
    tcase_add_loop_test(tests, lines, 0, LENGTH(LINES));
    tcase_add_test(tests, nul_byte);
    tcase_add_test(tests, options);
    tcase_add_test(tests, long_values);
    tcase_add_test(tests, too_long_key);
    tcase_add_test(tests, comments_in_values);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
