#include "auth/cluster_rules.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct Row {
    bool is_start;
    unsigned http_status;
    const char *body;
    ClusterReplyKind kind;
    ClusterState state;
    const char *name, *message;
} Row;

#define STATE CLUSTER_REPLY_STATE

static const Row ROWS[] = {
    {false, 200, "{\"state\":\"RUNNING\",\"cluster_name\":\"etl\",\"state_message\":\"\"}", STATE,
     CLUSTER_RUNNING, "etl", NULL},
    {false, 200, "{\"state\":\"TERMINATED\",\"state_message\":\"Inactive\"}", STATE, CLUSTER_TERMINATED, NULL,
     "Inactive"},
    {false, 200, "{\"state\":\"PENDING\"}", STATE, CLUSTER_PENDING, NULL, NULL},
    {false, 200, "{\"state\":\"RESTARTING\"}", STATE, CLUSTER_RESTARTING, NULL, NULL},
    {false, 200, "{\"state\":\"RESIZING\"}", STATE, CLUSTER_RESIZING, NULL, NULL},
    {false, 200, "{\"state\":\"TERMINATING\"}", STATE, CLUSTER_TERMINATING, NULL, NULL},
    {false, 200, "{\"state\":\"ERROR\",\"state_message\":\"boom\"}", STATE, CLUSTER_ERROR, NULL, "boom"},
    {false, 200, "{\"state\":\"UNKNOWN\"}", STATE, CLUSTER_UNKNOWN, NULL, NULL},
    {false, 200, "{\"state\":\"NEWLY_INVENTED\"}", STATE, CLUSTER_UNKNOWN, NULL, NULL},
    {false, 200, "{\"state\":\"MISSING\"}", STATE, CLUSTER_UNKNOWN, NULL, NULL}, /* ours, not theirs */
    {false, 400, "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Cluster x does not exist\"}",
     STATE, CLUSTER_MISSING, NULL, "Cluster x does not exist"},
    {false, 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"no\"}", STATE, CLUSTER_MISSING,
     NULL, "no"},
    {false, 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"You may not view it\"}", STATE,
     CLUSTER_FORBIDDEN, NULL, "You may not view it"},
    {false, 403, "{\"error_code\":\"403\",\"message\":\"Invalid access token.\"}",
     CLUSTER_REPLY_TOKEN_REFUSED, CLUSTER_UNKNOWN, NULL, "Invalid access token."},
    {false, 403, "<html>Forbidden</html>", CLUSTER_REPLY_TOKEN_REFUSED, CLUSTER_UNKNOWN, NULL, NULL},
    {false, 401, "", CLUSTER_REPLY_TOKEN_REFUSED, CLUSTER_UNKNOWN, NULL, NULL},
    {false, 200, "<html>Log in</html>", STATE, CLUSTER_UNASKABLE, NULL,
     "it answers HTTP 200: not as a Databricks workspace does"},
    {false, 200, "{}", STATE, CLUSTER_UNASKABLE, NULL, "it answers HTTP 200"},
    {false, 200, "{\"state\":3}", STATE, CLUSTER_UNASKABLE, NULL, "it answers HTTP 200"},
    {false, 200, "[\"state\"]", STATE, CLUSTER_UNASKABLE, NULL, "it answers HTTP 200"},
    {false, 302, "", STATE, CLUSTER_UNASKABLE, NULL,
     "it answers HTTP 302: not as a Databricks workspace does"},
    {false, 429, "{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"slow down\"}", STATE,
     CLUSTER_UNASKABLE, NULL, "it answers HTTP 429: slow down"},
    {true, 200, "{}", CLUSTER_REPLY_STARTED, CLUSTER_UNKNOWN, NULL, NULL},
    {true, 200, "<html>", STATE, CLUSTER_UNASKABLE, NULL,
     "it answers HTTP 200: not as a Databricks workspace does"},
    {true, 400, "{\"error_code\":\"INVALID_STATE\",\"message\":\"in unexpected state Pending\"}",
     CLUSTER_REPLY_FASTER, CLUSTER_UNKNOWN, NULL, "in unexpected state Pending"},
    {true, 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no Restart permission\"}",
     CLUSTER_REPLY_DENIED, CLUSTER_FORBIDDEN, NULL, "no Restart permission"},
    {true, 403, "", CLUSTER_REPLY_TOKEN_REFUSED, CLUSTER_UNKNOWN, NULL, NULL},
    {true, 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}", STATE, CLUSTER_MISSING, NULL, NULL},
    {true, 503, "{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"later\"}", STATE,
     CLUSTER_UNASKABLE, NULL, "it answers HTTP 503: later"},
};

static void expect_words(const char *found, const char *wanted, const char *body)
{
    ck_assert_msg(wanted ? found && strcmp(found, wanted) == 0 : found == NULL, "%s: \"%s\", not \"%s\"",
                  body, found ? found : "(none)", wanted ? wanted : "(none)");
}

START_TEST(answers)
{
    const Row *row = &ROWS[_i];
    size_t length = strlen(row->body);
    char *body = malloc(length ? length : 1); /* of the exact size: a sanitizer sees more */
    ClusterReply reply = CLUSTER_REPLY_NULL;
    memcpy(body, row->body, length);
    if (row->is_start)
        cluster_reply_read_start(&reply, row->http_status, body, length);
    else
        cluster_reply_read_get(&reply, row->http_status, body, length);
    free(body);
    ck_assert_msg(reply.kind == row->kind, "%s: kind %d", row->body, (int)reply.kind);
    ck_assert_msg(reply.state == row->state, "%s: %s", row->body, cluster_state_name(reply.state));
    expect_words(reply.name, row->name, row->body);
    expect_words(reply.message, row->message, row->body);
    cluster_reply_deinit(&reply);
}
END_TEST

START_TEST(long_words_are_cut_between_characters)
{
    char body[2048] = "{\"state\":\"ERROR\",\"state_message\":\"";
    ClusterReply reply = CLUSTER_REPLY_NULL;
    while (strlen(body) < 1500)
        strcat(body, "\xe2\x82\xac"); /* 3 bytes, and 400 is no multiple of that */
    strcat(body, "\"}");
    cluster_reply_read_get(&reply, 200, body, strlen(body));
    ck_assert_uint_eq(strlen(reply.message), 399);
    cluster_reply_deinit(&reply);
}
END_TEST

START_TEST(steps)
{
    static const struct {
        ClusterState state;
        ClusterStep first, under_way;
    } rows[] = {
        {CLUSTER_RUNNING, CLUSTER_STEP_READY, CLUSTER_STEP_READY},
        {CLUSTER_RESIZING, CLUSTER_STEP_READY, CLUSTER_STEP_READY},
        {CLUSTER_TERMINATED, CLUSTER_STEP_START, CLUSTER_STEP_FAIL},
        {CLUSTER_TERMINATING, CLUSTER_STEP_WAIT, CLUSTER_STEP_WAIT},
        {CLUSTER_PENDING, CLUSTER_STEP_WAIT, CLUSTER_STEP_WAIT},
        {CLUSTER_RESTARTING, CLUSTER_STEP_WAIT, CLUSTER_STEP_WAIT},
        {CLUSTER_UNASKABLE, CLUSTER_STEP_WAIT, CLUSTER_STEP_WAIT},
        {CLUSTER_ERROR, CLUSTER_STEP_FAIL, CLUSTER_STEP_FAIL},
        {CLUSTER_UNKNOWN, CLUSTER_STEP_FAIL, CLUSTER_STEP_FAIL},
        {CLUSTER_MISSING, CLUSTER_STEP_FAIL, CLUSTER_STEP_FAIL},
        {CLUSTER_FORBIDDEN, CLUSTER_STEP_FAIL, CLUSTER_STEP_FAIL},
    };
    ck_assert_uint_eq(sizeof rows / sizeof rows[0], CLUSTER_UNASKABLE + 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = cluster_state_name(rows[i].state);
        ck_assert_msg(cluster_next_step(rows[i].state, false) == rows[i].first, "%s", name);
        ck_assert_msg(cluster_next_step(rows[i].state, true) == rows[i].under_way, "%s under way", name);
        ck_assert(cluster_state_serves(rows[i].state) == (rows[i].first == CLUSTER_STEP_READY));
    }
}
END_TEST

START_TEST(delays_grow_to_a_limit)
{
    ck_assert_uint_eq(cluster_poll_delay_ms(0, 0), 1000);
    ck_assert_uint_eq(cluster_poll_delay_ms(3, 0), 4000);
    ck_assert_uint_eq(cluster_poll_delay_ms(9, 0), 10000);
    ck_assert_uint_eq(cluster_poll_delay_ms(10, 0), 10000);
    ck_assert_uint_eq(cluster_poll_delay_ms(UINT32_MAX, UINT32_MAX), 10295);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster_rules");
    TCase *tests = tcase_create("cluster_rules");
    tcase_add_loop_test(tests, answers, 0, sizeof(ROWS) / sizeof(ROWS[0]));
    tcase_add_test(tests, long_words_are_cut_between_characters);
    tcase_add_test(tests, steps);
    tcase_add_test(tests, delays_grow_to_a_limit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
