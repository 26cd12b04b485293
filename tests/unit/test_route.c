/* The relay's pure decisions: which profile, what a header is. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "relay/header_kind.h"
#include "relay/route.h"

/* ---- routes: every combination of who names a profile */

START_TEST(the_order_is_listener_header_session_default)
{
    RouteFacts facts = {
        .listener_profile = _i & 1 ? "listener" : NULL,
        .header_profile = _i & 2 ? "header" : NULL,
        .session_profile = _i & 4 ? "session" : NULL,
        .default_profile = _i & 8 ? "default" : NULL,
    };
    const char *name = "untouched";
    const char *expected = _i & 1   ? "listener"
                           : _i & 2 ? "header"
                           : _i & 4 ? "session"
                           : _i & 8 ? "default"
                                    : NULL;
    RouteResult result = route_choose(&facts, &name);
    if ((_i & 1) && (_i & 2)) {
        ck_assert_int_eq(result, ROUTE_FORBIDDEN);
        return;
    }
    ck_assert_int_eq(result, expected ? ROUTE_OK : ROUTE_NONE);
    ck_assert_pstr_eq(name, expected);
}
END_TEST

START_TEST(asking_for_what_the_listener_serves_is_allowed)
{
    char same[] = "dev"; /* another string of the same letters */
    RouteFacts facts = {.listener_profile = "dev", .header_profile = same, .session_profile = "old"};
    const char *name = NULL;
    ck_assert_int_eq(route_choose(&facts, &name), ROUTE_OK);
    ck_assert_str_eq(name, "dev");
    facts.header_profile = "DEV";
    ck_assert_int_eq(route_choose(&facts, &name), ROUTE_FORBIDDEN);
    facts.header_profile = "";
    ck_assert_int_eq(route_choose(&facts, &name), ROUTE_FORBIDDEN);
}
END_TEST

/* ---- headers */

static const struct {
    const char *name;
    HeaderKind kind;
} NAMES[] = {
    {":authority", HEADER_KIND_AUTHORITY},
    {":scheme", HEADER_KIND_SCHEME},
    {"grpc-timeout", HEADER_KIND_TIMEOUT},
    {"profile", HEADER_KIND_PROFILE},
    {"x-profile", HEADER_KIND_PROFILE},
    {"x-databricks-cluster-id", HEADER_KIND_CLUSTER_ID},
    {"authorization", HEADER_KIND_CONSUMED},
    {"authentication", HEADER_KIND_CONSUMED},
    {"host", HEADER_KIND_CONSUMED},
    {"x-databricks-", HEADER_KIND_CONSUMED},
    {"x-databricks-session-id", HEADER_KIND_CONSUMED}, /* as long as the cluster id's */
    {"x-databricks-workspace-id", HEADER_KIND_CONSUMED},
    {"x-databricks-cluster-id2", HEADER_KIND_CONSUMED},
    {"x-databricks-cluster-i", HEADER_KIND_CONSUMED},
    {"x-databricks-o", HEADER_KIND_CONSUMED},
    {"x-databricks", HEADER_KIND_OTHER},
    {"y-databricks-o", HEADER_KIND_OTHER},
    {"x-databrickz-o", HEADER_KIND_OTHER},
    {"", HEADER_KIND_OTHER},
    {":method", HEADER_KIND_OTHER},
    {":path", HEADER_KIND_PATH},
    {":pati", HEADER_KIND_OTHER},
    {":schema", HEADER_KIND_OTHER},
    {":authorite", HEADER_KIND_OTHER},
    {"authority", HEADER_KIND_OTHER},
    {"content-type", HEADER_KIND_OTHER}, /* as long as grpc-timeout */
    {"grpc-timeou", HEADER_KIND_OTHER},
    {"grpc-timeout2", HEADER_KIND_OTHER},
    {"grpc-encoding", HEADER_KIND_OTHER}, /* as long as authorization */
    {"grpc-status-details-bin", HEADER_KIND_OTHER},
    {"profiles", HEADER_KIND_OTHER},
    {"x-profil", HEADER_KIND_OTHER},
    {"x-profiles", HEADER_KIND_OTHER},
    {"y-profile", HEADER_KIND_OTHER},
    {"authorizatio", HEADER_KIND_OTHER},
    {"authorization2", HEADER_KIND_OTHER},
    {"authorizatiom", HEADER_KIND_OTHER},
    {"authenticatiom", HEADER_KIND_OTHER},
    {"proxy-authorization", HEADER_KIND_OTHER},
    {"hosts", HEADER_KIND_OTHER},
    {"hose", HEADER_KIND_OTHER},
    {"te", HEADER_KIND_OTHER},
    {"user-agent", HEADER_KIND_OTHER},
    {"x-session-id", HEADER_KIND_OTHER},
};

START_TEST(headers_are_known_by_their_exact_name)
{
    size_t length = strlen(NAMES[_i].name);
    char *name = malloc(length ? length : 1); /* of the exact size: a sanitizer sees more */
    memcpy(name, NAMES[_i].name, length);
    HeaderKind kind = header_kind(name, length);
    free(name);
    ck_assert_msg(kind == NAMES[_i].kind, "%s: %d", NAMES[_i].name, (int)kind);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *tests = tcase_create("route");
    tcase_add_loop_test(tests, the_order_is_listener_header_session_default, 0, 16);
    tcase_add_test(tests, asking_for_what_the_listener_serves_is_allowed);
    tcase_add_loop_test(tests, headers_are_known_by_their_exact_name, 0, sizeof(NAMES) / sizeof(NAMES[0]));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
