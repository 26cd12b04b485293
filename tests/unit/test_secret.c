/* Secret: what goes in comes out by secret_reveal() alone; comparing; wiping. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

START_TEST(it_holds_a_copy)
{
    char token[] = "dapi0123";
    _cleanup_(secret_freep) Secret *secret = secret_new(token, 8);
    secret_wipe(token, sizeof token);
    for (size_t i = 0; i < sizeof token; i++)
        ck_assert_int_eq(token[i], 0);
    ck_assert_uint_eq(secret_length(secret), 8);
    ck_assert_str_eq(secret_reveal(secret), "dapi0123");
}
END_TEST

START_TEST(any_bytes_are_kept)
{
    _cleanup_(secret_freep) Secret *secret = secret_new("a\0b", 3);
    _cleanup_(secret_freep) Secret *empty = secret_new("", 0);
    ck_assert_uint_eq(secret_length(secret), 3);
    ck_assert_mem_eq(secret_reveal(secret), "a\0b", 4);
    ck_assert_uint_eq(secret_length(empty), 0);
    ck_assert_str_eq(secret_reveal(empty), "");
}
END_TEST

static const struct {
    const char *a, *b; /* NULL: no secret */
    size_t a_length, b_length;
    bool equal;
} PAIRS[] = {
    {NULL, NULL, 0, 0, true},
    {"token", NULL, 5, 0, false},
    {NULL, "token", 0, 5, false},
    {NULL, "", 0, 0, false},
    {"", "", 0, 0, true},
    {"token", "token", 5, 5, true},
    {"token", "tokem", 5, 5, false},
    {"token", "uoken", 5, 5, false},
    {"token", "token", 5, 4, false},
    {"a\0b", "a\0c", 3, 3, false},
    {"a\0b", "a\0b", 3, 3, true},
    {"\x80", "\x00", 1, 1, false},
};

START_TEST(equal_means_the_same_bytes)
{
    Secret *a = PAIRS[_i].a ? secret_new(PAIRS[_i].a, PAIRS[_i].a_length) : NULL;
    Secret *b = PAIRS[_i].b ? secret_new(PAIRS[_i].b, PAIRS[_i].b_length) : NULL;
    ck_assert_int_eq(secret_equal(a, b), PAIRS[_i].equal);
    ck_assert_int_eq(secret_equal(b, a), PAIRS[_i].equal);
    ck_assert(secret_equal(a, a));
    ck_assert_ptr_null(secret_free(a));
    ck_assert_ptr_null(secret_free(b));
}
END_TEST

static Secret *secret_of(const char *text)
{
    return secret_new(text, strlen(text));
}

START_TEST(copies_are_changed_as_they_should)
{
    static const char *const CASES[][2] = {
        {"token", "token"}, {" \ttoken\r\n", "token"}, {"a b\n", "a b"}, {" \n", ""}, {"", ""}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        Secret *secret = secret_of(CASES[i][0]), *trimmed = secret_trimmed(secret),
               *copy = secret_copy(secret);
        ck_assert_str_eq(secret_reveal(trimmed), CASES[i][1]);
        ck_assert_uint_eq(secret_length(trimmed), strlen(CASES[i][1]));
        ck_assert(secret_equal(copy, secret));
        Secret *prefixed = secret_prefixed("Bearer ", trimmed);
        ck_assert_uint_eq(secret_length(prefixed), 7 + strlen(CASES[i][1]));
        ck_assert_str_eq(secret_reveal(prefixed) + 7, CASES[i][1]);
        ck_assert_mem_eq(secret_reveal(prefixed), "Bearer ", 7);
        secret_free(prefixed);
        secret_free(copy);
        secret_free(trimmed);
        secret_free(secret);
    }
}
END_TEST

START_TEST(visible_means_fit_for_a_header)
{
    static const struct {
        const char *text;
        bool is_visible;
    } CASES[] = {{"dapi-x", true}, {"~!", true},        {"", false},    {"a b", false},
                 {"a\n", false},   {"\xc3\xa9", false}, {"\x7f", false}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        Secret *secret = secret_of(CASES[i].text);
        ck_assert_int_eq(secret_is_visible(secret), CASES[i].is_visible);
        secret_free(secret);
    }
}
END_TEST

START_TEST(it_is_struck_out_of_a_text)
{
    char text[] = "secret-1 and secret-1, not secret-2";
    Secret *secret = secret_of("secret-1"), *word = secret_of("and");
    secret_redact(secret, text);
    secret_redact(word, text);
    secret_redact(NULL, text);
    ck_assert_str_eq(text, "******** and ********, not secret-2");
    secret_free(secret);
    secret_free(word);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *tests = tcase_create("secret");
    tcase_add_test(tests, it_holds_a_copy);
    tcase_add_test(tests, any_bytes_are_kept);
    tcase_add_loop_test(tests, equal_means_the_same_bytes, 0, sizeof(PAIRS) / sizeof(PAIRS[0]));
    tcase_add_test(tests, copies_are_changed_as_they_should);
    tcase_add_test(tests, visible_means_fit_for_a_header);
    tcase_add_test(tests, it_is_struck_out_of_a_text);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
