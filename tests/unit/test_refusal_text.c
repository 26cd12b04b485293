#include "relay/refusal_text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define NOW (1000 * NS_PER_S)

typedef struct Row {
    RefusalKind kind;
    ClusterFacts facts; /* without a name: nobody was asked */
    Autostart autostart;
    const char *words;
    StatusCode code;
    const char *sentence;
} Row;

#define NOT_RUNNING REFUSAL_CLUSTER_NOT_RUNNING
#define ETL         "cluster etl (07-x) of profile dev"

static const Row ROWS[] = {
    {NOT_RUNNING,
     {CLUSTER_TERMINATED, CLUSTER_START_NONE, "etl", "Inactive for 30 minutes", 1, 0, 0},
     AUTOSTART_NEVER,
     "",
     STATUS_FAILED_PRECONDITION,
     ETL " is TERMINATED (Inactive for 30 minutes); start it in the workspace, or put autostart = ask into "
         "[profile dev] and run: sparkbouncer start dev"},
    {NOT_RUNNING,
     {CLUSTER_TERMINATED, CLUSTER_START_NONE, "etl", "", 1, 0, 0},
     AUTOSTART_ASK,
     "",
     STATUS_FAILED_PRECONDITION,
     ETL " is TERMINATED; start it: sparkbouncer start dev"},
    {NOT_RUNNING,
     {CLUSTER_PENDING, CLUSTER_START_UNDER_WAY, "etl", "", NOW - 61 * NS_PER_S, 120999, 3},
     AUTOSTART_YES,
     "",
     STATUS_UNAVAILABLE,
     ETL " is starting (PENDING for 1m1s, about 2m more); wait for it: sparkbouncer start dev"},
    {NOT_RUNNING,
     {CLUSTER_RESTARTING, CLUSTER_START_NONE, "etl", "", NOW, 0, 0},
     AUTOSTART_NEVER,
     "",
     STATUS_UNAVAILABLE,
     ETL " is starting (RESTARTING); try again in a while"},
    {NOT_RUNNING,
     {CLUSTER_TERMINATED, CLUSTER_START_DENIED, "etl", "no Restart permission", 1, 0, 0},
     AUTOSTART_YES,
     "",
     STATUS_PERMISSION_DENIED,
     "the login of profile dev may not start " ETL
     " (no Restart permission); ask for the permission Can Restart, or have somebody start it, then run: "
     "sparkbouncer start dev"},
    {NOT_RUNNING,
     {CLUSTER_TERMINATED, CLUSTER_START_FAILED, "etl", "no machines left", 1, 0, 0},
     AUTOSTART_YES,
     "",
     STATUS_FAILED_PRECONDITION,
     ETL
     " did not start: it is TERMINATED again (no machines left); see its event log in the workspace, then: "
     "sparkbouncer start dev"},
    {NOT_RUNNING,
     {CLUSTER_PENDING, CLUSTER_START_TIMED_OUT, "etl", "", 1, 0, 0},
     AUTOSTART_YES,
     "",
     STATUS_FAILED_PRECONDITION,
     ETL " is still PENDING after 15m; see its event log in the workspace, raise cluster_start_timeout if it "
         "always takes that long, or wait again: sparkbouncer start dev"},
    {NOT_RUNNING,
     {CLUSTER_MISSING, CLUSTER_START_FAILED, "etl", "gone", 1, 0, 0},
     AUTOSTART_YES,
     "",
     STATUS_NOT_FOUND,
     ETL " does not exist on w.example; correct cluster_id (where it comes from: sparkbouncer check)"},
    {NOT_RUNNING,
     {CLUSTER_RUNNING, CLUSTER_START_DONE, "etl", "", 1, 0, 0},
     AUTOSTART_YES,
     "HTTP 503",
     STATUS_UNAVAILABLE,
     ETL " runs by now, but did not take the call; the server says: HTTP 503; try again"},
    {NOT_RUNNING,
     {CLUSTER_UNASKABLE, CLUSTER_START_NONE, "etl", "no route to host", 1, 0, 0},
     AUTOSTART_NEVER,
     "state Pending",
     STATUS_UNAVAILABLE,
     ETL " does not take the call; the server says: state Pending; w.example could not be asked about it: no "
         "route to host; see: sparkbouncer profiles"},
    {NOT_RUNNING,
     {0},
     AUTOSTART_NEVER,
     NULL,
     STATUS_UNAVAILABLE,
     "cluster 07-x of profile dev does not take the call; see: sparkbouncer profiles"},
    {REFUSAL_CLUSTER_MISSING,
     {0},
     AUTOSTART_NEVER,
     "No cluster found",
     STATUS_NOT_FOUND,
     "cluster 07-x of profile dev does not exist on w.example; correct cluster_id (where it comes from: "
     "sparkbouncer check)"},
    {REFUSAL_CLUSTER_ACCESS,
     {CLUSTER_TERMINATED, CLUSTER_START_NONE, "etl", "", 1, 0, 0},
     AUTOSTART_NEVER,
     "not Shared",
     STATUS_PERMISSION_DENIED,
     "the login of profile dev may not use " ETL "; the server says: not Shared; it needs the permission Can "
     "Attach To, and a cluster whose access mode is "
     "Standard (Shared) or Dedicated (Single user); to use another one, change cluster_id and run: "
     "sparkbouncer check"},
    {REFUSAL_TOKEN,
     {0},
     AUTOSTART_NEVER,
     "Invalid access token.",
     STATUS_UNAUTHENTICATED,
     "w.example does not accept the login of profile dev; the server says: Invalid access token.; see: "
     "sparkbouncer profiles"},
};

START_TEST(sentences)
{
    const Row *row = &ROWS[_i];
    ProfileSettings profile = {.name = "dev",
                               .host = "w.example",
                               .cluster_id = "07-x",
                               .autostart = row->autostart,
                               .cluster_start_timeout_ms = 15 * 60 * 1000};
    _cleanup_(text_deinit) Text text = TEXT_NULL, wanted = TEXT_NULL;
    RefusalEnd end =
        refusal_explain(&text, row->kind, row->facts.name ? &row->facts : NULL, &profile, row->words, NOW);
    text_printf(&wanted, "sparkbouncer: %s", row->sentence);
    ck_assert_str_eq(text_string(&text), text_string(&wanted));
    ck_assert_int_eq(end.code, row->code);
    ck_assert_ptr_nonnull(end.reason);
    if (end.retry_after_ms > 0)
        ck_assert_int_eq(end.code, STATUS_UNAVAILABLE);
}
END_TEST

/* Every state, start and kind has a sentence that names the profile. */
START_TEST(nothing_is_left_unsaid)
{
    ProfileSettings profile = {.name = "dev", .host = "w.example", .cluster_id = "07-x"};
    for (int kind = REFUSAL_TOKEN; kind <= REFUSAL_CLUSTER_ACCESS; kind++) {
        for (int state = CLUSTER_UNKNOWN; state <= CLUSTER_UNASKABLE; state++) {
            for (int start = CLUSTER_START_NONE; start <= CLUSTER_START_TIMED_OUT; start++) {
                _cleanup_(text_deinit) Text text = TEXT_NULL;
                ClusterFacts facts = {(ClusterState)state, (ClusterStart)start, "", "", 0, 0, 0};
                RefusalEnd end = refusal_explain(&text, (RefusalKind)kind, &facts, &profile, NULL, NOW);
                ck_assert_ptr_nonnull(strstr(text_string(&text), "profile dev"));
                ck_assert_int_ne(end.code, STATUS_OK);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refusal_text");
    TCase *tests = tcase_create("refusal_text");
    tcase_add_loop_test(tests, sentences, 0, sizeof(ROWS) / sizeof(ROWS[0]));
    tcase_add_test(tests, nothing_is_left_unsaid);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
