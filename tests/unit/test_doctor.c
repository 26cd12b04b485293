/* What the doctor makes of what the daemon knows, and of the environment. */

#include "cli/doctor.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static Doctor doctor;
static Options options;
static ProfileSettings profile;

static void set_up(void)
{
    static char name[] = "dev";
    options = (Options)OPTIONS_NULL;
    profile = (ProfileSettings){.name = name};
    doctor = (Doctor){.options = &options, .profile = &profile};
}

static void tear_down(void)
{
    for (size_t i = 0; i < doctor.n_findings; i++) {
        free(doctor.findings[i].sentence);
        free(doctor.findings[i].next);
    }
    free(doctor.findings);
    json_decref(doctor.status);
    free(doctor.client_version);
    free(doctor.server_version);
}

static void expect(const char *expected)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    for (size_t i = 0; i < doctor.n_findings; i++)
        text_printf(&text, "%d %s: %s\n", (int)doctor.findings[i].level, doctor.findings[i].subject,
                    doctor.findings[i].sentence);
    ck_assert_str_eq(text_string(&text), expected);
}

static void give_status(const char *profiles)
{
    _cleanup_(text_deinit) Text json = TEXT_NULL;
    json_error_t error;
    text_printf(&json, "{\"profiles\":[%s]}", profiles);
    doctor.status = json_loads(text_string(&json), 0, &error);
    ck_assert_msg(doctor.status != NULL, "%s", error.text);
}

static const struct {
    const char *credential; /* of dev */
    const char *expected;
} CREDENTIALS[] = {
    {"{\"type\":\"pat\",\"state\":\"ready\",\"expires_in_s\":null}",
     "0 credential: dev: pat, there is a token\n"},
    {"{\"type\":\"databricks-cli\",\"state\":\"refreshing\",\"expires_in_s\":60}",
     "0 credential: dev: databricks-cli, there is a token, expires in 1m00s\n"},
    {"{\"type\":\"databricks-cli\",\"state\":\"failed\",\"problem\":\"run databricks auth login\"}",
     "2 credential: dev: run databricks auth login\n"},
    {"{\"type\":\"oauth-m2m\",\"state\":\"minting\"}",
     "2 credential: dev: oauth-m2m, no token yet (minting)\n"},
    {"{\"type\":null,\"state\":\"none\"}", "0 credential: dev: none is sent\n"},
};

START_TEST(credentials)
{
    _cleanup_(text_deinit) Text json = TEXT_NULL;
    text_printf(&json, "{\"name\":\"dev\",\"credential\":%s}", CREDENTIALS[_i].credential);
    give_status(text_string(&json));
    doctor_check_credentials(&doctor);
    expect(CREDENTIALS[_i].expected);
}
END_TEST

START_TEST(other_profiles_only_warn_and_guests_are_left_out)
{
    give_status(
        "{\"name\":\"other\",\"credential\":{\"type\":\"pat\",\"state\":\"failed\",\"problem\":\"bad\"}},"
        "{\"name\":\"guest-1\",\"is_guest\":true,\"credential\":{\"type\":\"pat\",\"state\":\"ready\"}}");
    doctor_check_credentials(&doctor);
    expect("1 credential: other: bad\n");
}
END_TEST

START_TEST(only_the_named_profile)
{
    options.profile = "dev";
    give_status("{\"name\":\"other\",\"credential\":{\"type\":\"pat\",\"state\":\"ready\"}}");
    doctor_check_credentials(&doctor);
    expect("");
}
END_TEST

static const struct {
    const char *cluster;
    const char *expected;
} CLUSTERS[] = {
    {"{\"id\":\"c\",\"state\":\"RUNNING\"}", "0 cluster: c is RUNNING\n"},
    {"{\"id\":\"c\",\"state\":\"TERMINATED\",\"message\":\"Inactivity\"}",
     "1 cluster: c: TERMINATED: Inactivity\n"},
    {"{\"id\":\"c\",\"state\":\"MISSING\"}", "2 cluster: there is no cluster c\n"},
    {"{\"id\":\"c\",\"state\":\"FORBIDDEN\",\"message\":\"no\"}", "2 cluster: c: FORBIDDEN: no\n"},
    {"{\"id\":\"c\",\"state\":\"UNKNOWN\"}", ""},
    {"{\"id\":null}", ""},
    {"null", ""},
};

START_TEST(clusters)
{
    _cleanup_(text_deinit) Text json = TEXT_NULL;
    text_printf(&json, "{\"name\":\"dev\",\"cluster\":%s}", CLUSTERS[_i].cluster);
    give_status(text_string(&json));
    doctor_check_cluster(&doctor);
    expect(CLUSTERS[_i].expected);
}
END_TEST

static const struct {
    const char *skew;
    const char *expected;
} SKEWS[] = {
    {"0", "0 clock: within 30 s of the server's\n"},
    {"-29", "0 clock: within 30 s of the server's\n"},
    {"90", "1 clock: this machine is 90 s behind the server, and tokens may seem to have ended\n"},
    {"-3600", "1 clock: this machine is 3600 s ahead of the server, and tokens may seem to have ended\n"},
    {"null", ""},
};

START_TEST(skew_as_the_daemon_spells_it)
{
    give_status("{\"name\":\"dev\",\"credential\":{\"clock_skew_s\":90}}");
    doctor_check_skew(&doctor);
    expect(SKEWS[2].expected);
}
END_TEST

START_TEST(skews)
{
    _cleanup_(text_deinit) Text json = TEXT_NULL;
    text_printf(&json, "{\"name\":\"dev\",\"credential\":{\"skew_s\":%s}}", SKEWS[_i].skew);
    give_status(text_string(&json));
    doctor_check_skew(&doctor);
    expect(SKEWS[_i].expected);
}
END_TEST

static const struct {
    const char *const environment[4];
    bool is_caught;
} PROXIES[] = {
    {{NULL}, false},
    {{"http_proxy=http://p"}, true},
    {{"HTTP_PROXY=http://p"}, false}, /* gRPC reads the lower-case ones alone */
    {{"https_proxy=p", "no_proxy=corp"}, true},
    {{"grpc_proxy=p", "no_proxy=corp, localhost"}, false},
    {{"grpc_proxy=p", "no_proxy=localhost.localdomain"}, true},
    {{"http_proxy=p", "no_proxy=*"}, false},
    {{"http_proxy=p", "no_proxy=localhost", "no_grpc_proxy=corp"}, true},
};

START_TEST(proxies)
{
    doctor.environment = PROXIES[_i].environment;
    doctor_check_proxies(&doctor);
    ck_assert_uint_eq(doctor.n_findings, 1);
    ck_assert_int_eq(doctor.findings[0].level, PROXIES[_i].is_caught ? FINDING_FAILED : FINDING_OK);
}
END_TEST

static const struct {
    const char *client, *server;
    int level; /* -1: nothing is said */
} VERSIONS[] = {
    {"4.0.1", "4.3.0", FINDING_OK}, {"4.3.0", "4.3.1", FINDING_OK},       {"4.3.0", "4.2.9", FINDING_WARNING},
    {"3.5.10", "4.0", FINDING_OK},  {"4.10.0", "4.9.0", FINDING_WARNING}, {NULL, "4.0.0", -1},
    {"4.0.0", "odd", -1},
};

START_TEST(versions)
{
    doctor.client_version = VERSIONS[_i].client ? mem_copy_string(VERSIONS[_i].client) : NULL;
    doctor.server_version = mem_copy_string(VERSIONS[_i].server);
    doctor_check_versions(&doctor);
    ck_assert_int_eq(doctor.n_findings == 0 ? -1 : (int)doctor.findings[0].level, VERSIONS[_i].level);
}
END_TEST

#define LOOP(tcase, test, table) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *suite = suite_create("doctor");
    TCase *tests = tcase_create("doctor");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    LOOP(tests, credentials, CREDENTIALS);
    tcase_add_test(tests, other_profiles_only_warn_and_guests_are_left_out);
    tcase_add_test(tests, only_the_named_profile);
    LOOP(tests, clusters, CLUSTERS);
    LOOP(tests, skews, SKEWS);
    tcase_add_test(tests, skew_as_the_daemon_spells_it);
    LOOP(tests, proxies, PROXIES);
    LOOP(tests, versions, VERSIONS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
