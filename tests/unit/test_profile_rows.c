/* What `profiles` shows, from a status document. */

#include "cli/profile_rows.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *json)
{
    json_error_t error;
    json_t *document = json_loads(json, 0, &error);
    ck_assert_msg(document != NULL, "%s", error.text);
    return document;
}

static void expect(const char *profile, const char *expected)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL, json = TEXT_NULL;
    text_printf(&json, "{\"profiles\":[%s]}", profile);
    json_t *status = parse(text_string(&json)), *rows = profile_rows_from_status(status);
    profile_rows_append(&text, rows);
    ck_assert_str_eq(text_string(&text), expected);
    json_decref(rows);
    json_decref(status);
}

START_TEST(a_login_that_works)
{
    expect("{\"name\":\"dev\",\"is_default\":true,\"host\":\"dbc.example\",\"problem\":null,\"credential\":{"
           "\"type\":\"databricks-cli\",\"state\":\"ready\",\"expires_in_s\":3300,\"problem\":null,\"user\":"
           "\"a@b\"},"
           "\"cluster\":{\"id\":\"0712-1\",\"state\":\"TERMINATED\",\"message\":\"Inactivity\"}}",
           "dev*  dbc.example\n  databricks-cli, user a@b, token ok, expires in 55m00s\n"
           "  cluster 0712-1 TERMINATED: Inactivity\n");
}
END_TEST

START_TEST(a_login_that_does_not)
{
    expect("{\"name\":\"dev\",\"host\":\"h\",\"cluster_id\":\"c\",\"credential\":{\"type\":\"oauth-m2m\","
           "\"state\":"
           "\"failed\",\"expires_in_s\":null,\"problem\":\"client_secret is refused; make a new "
           "one\"},\"cluster\":"
           "null}",
           "dev  h\n  oauth-m2m, no token\n  cluster c\n  ! client_secret is refused; make a new one\n");
}
END_TEST

START_TEST(an_unusable_one)
{
    expect("{\"name\":\"x\\u001b\",\"host\":null,\"problem\":\"there is no host\"}",
           "x?  -\n  ! there is no host\n");
}
END_TEST

START_TEST(what_is_no_databricks)
{
    expect("{\"name\":\"lab\",\"host\":\"h\",\"credential\":{\"type\":null,\"state\":\"none\"}}",
           "lab  h\n  no login\n");
}
END_TEST

START_TEST(as_the_daemon_spells_it)
{
    expect(
        "{\"name\":\"dev\",\"host\":\"h\",\"cluster_id\":\"c\",\"credential\":{\"auth_type\":\"azure-cli\","
        "\"state\":\"waiting\",\"expires_in_s\":null},\"cluster\":{\"state\":\"RUNNING\",\"message\":null}}",
        "dev  h\n  azure-cli, no token yet\n  cluster c RUNNING\n");
}
END_TEST

START_TEST(guests_are_not_shown)
{
    expect("{\"name\":\"guest-1\",\"is_guest\":true,\"host\":\"h\"}", "");
}
END_TEST

static const struct {
    const char *profile;
    bool is_settled;
} SETTLED[] = {
    {"{\"problem\":null}", true},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"none\"}}", false},
    {"{\"problem\":\"p\",\"credential\":{\"type\":\"pat\",\"state\":\"none\"}}", true},
    {"{\"credential\":{\"type\":null,\"state\":\"none\"}}", true},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"minting\"}}", false},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"failed\"},\"cluster\":{\"id\":\"c\",\"state\":"
     "\"UNKNOWN\"}}",
     true},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"ready\"},\"cluster\":{\"id\":\"c\",\"state\":\"UNKNOWN\"}"
     "}",
     false},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"ready\"},\"cluster\":{\"id\":\"c\",\"state\":\"RUNNING\"}"
     "}",
     true},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"ready\"},\"cluster\":{\"id\":null}}", true},
    {"{\"credential\":{\"type\":\"pat\",\"state\":\"refreshing\"}}", true},
    {"{\"credential\":{\"auth_type\":\"pat\",\"state\":\"waiting\"}}", false},
    {"{\"credential\":{\"auth_type\":null,\"state\":\"not needed\"}}", true},
    {"{\"cluster_id\":\"c\",\"credential\":{\"auth_type\":\"pat\",\"state\":\"ready\"},\"cluster\":{"
     "\"state\":null}}",
     false},
    {"{\"cluster_id\":\"c\",\"credential\":{\"auth_type\":\"pat\",\"state\":\"ready\"},\"cluster\":null}",
     true},
    {"{\"cluster_id\":\"c\",\"credential\":{\"auth_type\":\"pat\",\"state\":\"ready\"},\"cluster\":{"
     "\"state\":\"RUNNING\",\"start\":\"none\",\"waiting\":1}}",
     false},
    {"{\"cluster_id\":\"c\",\"credential\":{\"auth_type\":\"pat\",\"state\":\"ready\"},\"cluster\":{"
     "\"state\":\"PENDING\",\"start\":\"under way\",\"waiting\":5}}",
     true},
};

START_TEST(settled)
{
    json_t *profile = parse(SETTLED[_i].profile);
    ck_assert_msg(profile_is_settled(profile) == SETTLED[_i].is_settled, "%s", SETTLED[_i].profile);
    json_decref(profile);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("profile_rows");
    TCase *tests = tcase_create("profile_rows");
    tcase_add_test(tests, a_login_that_works);
    tcase_add_test(tests, a_login_that_does_not);
    tcase_add_test(tests, an_unusable_one);
    tcase_add_test(tests, what_is_no_databricks);
    tcase_add_test(tests, as_the_daemon_spells_it);
    tcase_add_test(tests, guests_are_not_shown);
    tcase_add_loop_test(tests, settled, 0, (int)(sizeof SETTLED / sizeof SETTLED[0]));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
