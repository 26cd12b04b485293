#include "relay/refusal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/status.h"

typedef struct Row {
    uint32_t grpc_status;
    unsigned http_status;
    const char *message;
    RefusalKind kind;
} Row;

static const Row ROWS[] = {
    /* the token */
    {STATUS_UNAUTHENTICATED, 200, "", REFUSAL_TOKEN},
    {STATUS_UNAUTHENTICATED, 200, "cluster 0712 terminated", REFUSAL_TOKEN},
    {STATUS_UNAUTHENTICATED, 401, "", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 403, "", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 403, "<html>Forbidden</html>", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 200, "Invalid access token. [ReqId: 1]", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 200, "PERMISSION_DENIED: token is expired", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 0, "Credential was not sent or was of an unsupported type", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 200, "", REFUSAL_TOKEN},
    {STATUS_PERMISSION_DENIED, 200, "User is not an owner of Table 'a.b'", REFUSAL_NONE},
    {STATUS_PERMISSION_DENIED, 403, "Source IP address: 10.0.0.1 is blocked by Databricks IP ACL",
     REFUSAL_NONE},
    {STATUS_INTERNAL, 200, "[PARSE] invalid access token in column 3", REFUSAL_NONE},

    /* no such cluster */
    {STATUS_UNAVAILABLE, 200, "RESOURCE_DOES_NOT_EXIST: No cluster found matching: 0712-123456-abcdefgh",
     REFUSAL_CLUSTER_MISSING},
    {STATUS_NOT_FOUND, 200, "Cluster 0712-123456-abcdefgh does not exist", REFUSAL_CLUSTER_MISSING},
    {STATUS_UNIMPLEMENTED, 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}", REFUSAL_CLUSTER_MISSING},
    {STATUS_UNIMPLEMENTED, 404, "", REFUSAL_NONE},
    {STATUS_INTERNAL, 200, "INVALID_PARAMETER_VALUE: Cluster 0712 does not exist", REFUSAL_CLUSTER_MISSING},
    {STATUS_INTERNAL, 200, "a UDF got RESOURCE_DOES_NOT_EXIST from MLflow", REFUSAL_NONE},
    {STATUS_UNKNOWN, 200, "the view cluster does not exist", REFUSAL_NONE},

    /* not running */
    {STATUS_UNAVAILABLE, 503, "TEMPORARILY_UNAVAILABLE: state is TERMINATED; retry in 30 seconds",
     REFUSAL_CLUSTER_NOT_RUNNING},
    {STATUS_UNAVAILABLE, 200, "Cluster 0712-123456-abcdefgh is in state Pending",
     REFUSAL_CLUSTER_NOT_RUNNING},
    {STATUS_FAILED_PRECONDITION, 200, "INVALID_STATE: Cluster 0712 is in unexpected state Terminating",
     REFUSAL_CLUSTER_NOT_RUNNING},
    {STATUS_UNKNOWN, 200, "INVALID_STATE: Cluster 0712 is not running", REFUSAL_CLUSTER_NOT_RUNNING},
    {STATUS_UNAVAILABLE, 503, "", REFUSAL_CLUSTER_NOT_RUNNING},
    {STATUS_UNAVAILABLE, 502, "", REFUSAL_NONE},
    {STATUS_UNAVAILABLE, 200, "", REFUSAL_NONE},
    {STATUS_UNAVAILABLE, 200, "spark.svc.cluster.local: connection termination", REFUSAL_NONE},

    /* no access */
    {STATUS_PERMISSION_DENIED, 200, "You do not have permission to attach to cluster 0103-084159-k6zx2i2q",
     REFUSAL_CLUSTER_ACCESS},
    {STATUS_PERMISSION_DENIED, 403, "PERMISSION_DENIED: User: x is not authorized to access cluster",
     REFUSAL_CLUSTER_ACCESS},
    {STATUS_INVALID_ARGUMENT, 200, "BAD_REQUEST: Cluster 0712 is neither shared nor single-user",
     REFUSAL_CLUSTER_ACCESS},
    {STATUS_INTERNAL, 400, "INVALID_STATE: cluster is not Shared or Single User Cluster",
     REFUSAL_CLUSTER_ACCESS},
    {STATUS_INVALID_ARGUMENT, 200,
     "BAD_REQUEST: Single-user check failed: user 'a' attempted to run a command on single-user cluster 0712",
     REFUSAL_CLUSTER_ACCESS},

    {STATUS_INVALID_ARGUMENT, 200, "RDDs do not work on Shared clusters", REFUSAL_NONE},

    /* other things */
    {STATUS_OK, 200, "", REFUSAL_NONE},
    {STATUS_CANCELLED, 200, "cluster terminated", REFUSAL_NONE},
    {STATUS_RESOURCE_EXHAUSTED, 429, "", REFUSAL_NONE},
    {STATUS_INTERNAL, 200, "[TABLE_OR_VIEW_NOT_FOUND] `shared`.`cluster ` cannot be found", REFUSAL_NONE},
    {99, 200, "cluster terminated", REFUSAL_NONE},
};

START_TEST(the_words_say_what_it_is_about)
{
    const Row *row = &ROWS[_i];
    size_t length = strlen(row->message);
    char *message =
        malloc(length ? length : 1); /* of the exact size, without an end: a sanitizer sees more */
    memcpy(message, row->message, length);
    RefusalKind kind = refusal_classify(row->grpc_status, length ? message : NULL, length, row->http_status);
    free(message);
    ck_assert_msg(kind == row->kind, "%u/%u %s: %d", row->grpc_status, row->http_status, row->message,
                  (int)kind);
}
END_TEST

START_TEST(only_the_beginning_of_long_words_counts)
{
    static char message[8192];
    memset(message, 'x', sizeof message);
    memcpy(message + sizeof message - 17, "no cluster found.", 17);
    ck_assert_int_eq(refusal_classify(STATUS_UNAVAILABLE, message, sizeof message, 200), REFUSAL_NONE);
    memcpy(message, "no\0cluster found.", 17);
    ck_assert_int_eq(refusal_classify(STATUS_UNAVAILABLE, message, sizeof message, 200),
                     REFUSAL_CLUSTER_MISSING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refusal");
    TCase *tests = tcase_create("refusal");
    tcase_add_loop_test(tests, the_words_say_what_it_is_about, 0, sizeof(ROWS) / sizeof(ROWS[0]));
    tcase_add_test(tests, only_the_beginning_of_long_words_counts);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
