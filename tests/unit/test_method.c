#include "spark/method.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/spark.connect.SparkConnectService/"

typedef struct Row {
    const char *path;
    MethodId id;
    bool request_is_stream, response_is_stream;
    MethodReplay replay;
} Row;

static const Row rows[] = {
    {PREFIX "ExecutePlan", METHOD_EXECUTE_PLAN, false, true, METHOD_REPLAY_REATTACH},
    {PREFIX "AnalyzePlan", METHOD_ANALYZE_PLAN, false, false, METHOD_REPLAY_SAFE},
    {PREFIX "Config", METHOD_CONFIG, false, false, METHOD_REPLAY_SAFE},
    {PREFIX "AddArtifacts", METHOD_ADD_ARTIFACTS, true, false, METHOD_REPLAY_NEVER},
    {PREFIX "ArtifactStatus", METHOD_ARTIFACT_STATUS, false, false, METHOD_REPLAY_SAFE},
    {PREFIX "Interrupt", METHOD_INTERRUPT, false, false, METHOD_REPLAY_SAFE},
    {PREFIX "ReattachExecute", METHOD_REATTACH_EXECUTE, false, true, METHOD_REPLAY_SAFE},
    {PREFIX "ReleaseExecute", METHOD_RELEASE_EXECUTE, false, false, METHOD_REPLAY_SAFE},
    {PREFIX "ReleaseSession", METHOD_RELEASE_SESSION, false, false, METHOD_REPLAY_SAFE},
    {PREFIX "FetchErrorDetails", METHOD_FETCH_ERROR_DETAILS, false, false, METHOD_REPLAY_NEVER},
    {PREFIX "CloneSession", METHOD_CLONE_SESSION, false, false, METHOD_REPLAY_NEVER},
    {PREFIX "GetStatus", METHOD_GET_STATUS, false, false, METHOD_REPLAY_SAFE},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == N_METHODS, "a row for each method");

START_TEST(every_method_is_found)
{
    const Row *row = &rows[_i];
    const Method *method = method_find(row->path, strlen(row->path));
    ck_assert_ptr_nonnull(method);
    ck_assert_ptr_eq(method, method_get(row->id));
    ck_assert_uint_eq(method->id, row->id);
    ck_assert_str_eq(method->path, row->path);
    ck_assert_str_eq(method->name, row->path + strlen(PREFIX));
    ck_assert_int_eq(method->request_is_stream, row->request_is_stream);
    ck_assert_int_eq(method->response_is_stream, row->response_is_stream);
    ck_assert_uint_eq(method->replay, row->replay);
    ck_assert_ptr_nonnull(method->request);
    ck_assert_ptr_nonnull(method->response);
}
END_TEST

START_TEST(nothing_near_a_method_is_found)
{
    const char *path = rows[_i].path;
    size_t length = strlen(path);
    char changed[128];
    for (size_t i = 0; i < length; i++) {
        ck_assert_ptr_null(method_find(path, i));
        memcpy(changed, path, length + 1);
        changed[i] = (char)(changed[i] ^ 1);
        ck_assert_ptr_null(method_find(changed, length));
    }
    memcpy(changed, path, length);
    changed[length] = 's';
    ck_assert_ptr_null(method_find(changed, length + 1));
}
END_TEST

START_TEST(other_paths_have_no_row)
{
    static const char *const paths[] = {
        "",
        "/",
        PREFIX,
        PREFIX "BatchExecutePlan",
        PREFIX "config",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/spark.connect.SparkConnectServiceX/Config",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        ck_assert_ptr_null(method_find(paths[i], strlen(paths[i])));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("method");
    TCase *tests = tcase_create("method");
    tcase_add_loop_test(tests, every_method_is_found, 0, N_METHODS);
    tcase_add_loop_test(tests, nothing_near_a_method_is_found, 0, N_METHODS);
    tcase_add_test(tests, other_paths_have_no_row);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
