/* Connection strings as addresses of upstreams. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf/upstream_url.h"

static const char *const GOOD[][2] = {
    {"sc://localhost", "localhost 15002 - - -"},
    {"sc://Spark.Lab:443/", "spark.lab 443 - - -"},
    {"SC://[::1]:7/;use_ssl=true", "::1 7 tls - -"},
    {"sc://[fe80::1]/", "fe80::1 15002 - - -"},
    {"sc://h/;use_ssl=false;token=abc", "h 15002 plain abc -"},
    {"sc://h/;token=a%3D%3d%20b;", "h 15002 - a== b -"},
    {"sc://h/;token=a==", "h 15002 - a== -"},
    {"sc://h/;;x-databricks-cluster-id=07-12", "h 15002 - - 07-12"},
};

START_TEST(good)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL, described = TEXT_NULL;
    _cleanup_(upstream_url_deinit) UpstreamUrl url = UPSTREAM_URL_NULL;
    int r = upstream_url_parse(&url, GOOD[_i][0], &complaint);
    ck_assert_msg(r == 0, "%s: %s", GOOD[_i][0], text_string(&complaint));
    text_printf(&described, "%s %u %s %s %s", url.host, url.port,
                !url.use_ssl_is_set ? "-"
                : url.use_ssl       ? "tls"
                                    : "plain",
                url.token ? secret_reveal(url.token) : "-", url.cluster_id ? url.cluster_id : "-");
    ck_assert_str_eq(text_string(&described), GOOD[_i][1]);
}
END_TEST

static const char *const BAD[][2] = {
    {"", "write sc://host:port"},
    {"localhost:15002", "write sc://host:port"},
    {"https://localhost", "write sc://host:port"},
    {"sc://", "there is no host name"},
    {"sc://:15002", "there is no host name"},
    {"sc://h:0", "port 0 cannot be connected to"},
    {"sc://h:99999", "the port must be a number up to 65535"},
    {"sc://h:x", "the port must be a number up to 65535"},
    {"sc://::1", "write an IPv6 address in brackets, as [::1]:15002"},
    {"sc://h/path", "there must be no path; parameters start with /;"},
    {"sc://h/?a=b", "there must be no path; parameters start with /;"},
    {"sc://h;token=x", "parameters come after a slash: write sc://host:port/;key=value"},
    {"sc://user:x@h", "there is no user name in such a URL; write sc://host:port/;token=..."},
    {"sc://h/;token", "each parameter must be key=value"},
    {"sc://h/;=x", "each parameter must be key=value"},
    {"sc://h/;token=", "token is empty"},
    {"sc://h/;token=a;token=b", "token is there twice"},
    {"sc://h/;use_ssl=maybe", "use_ssl: write yes or no"},
    {"sc://h/;token=%4", "a % must be followed by two hexadecimal digits of a visible character"},
    {"sc://h/;token=%zz", "a % must be followed by two hexadecimal digits of a visible character"},
    {"sc://h/;token=%00", "a % must be followed by two hexadecimal digits of a visible character"},
    {"sc://h/;token=a%0d%0ax", "a % must be followed by two hexadecimal digits of a visible character"},
    {"sc://h/;token=%C3%A9", "token has a character that a header cannot carry"},
    {"sc://h/;user_id=me",
     "\"user_id\" is not known here; known are use_ssl, token and x-databricks-cluster-id"},
};

START_TEST(bad)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    UpstreamUrl url = UPSTREAM_URL_NULL;
    ck_assert_int_lt(upstream_url_parse(&url, BAD[_i][0], &complaint), 0);
    ck_assert_str_eq(text_string(&complaint), BAD[_i][1]);
    ck_assert_ptr_null(url.host);
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("upstream_url");
    TCase *tests = tcase_create("upstream_url");
    tcase_add_loop_test(tests, good, 0, LENGTH(GOOD));
    tcase_add_loop_test(tests, bad, 0, LENGTH(BAD));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
