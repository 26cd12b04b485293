/* What is done when an attempt has ended without the answer: the rules as invariants over every combination
 * of facts, and the cases that people meet by name. */

#include <check.h>
#include <stdlib.h>

#include "relay/replay.h"

#define N_ENDS  (ATTEMPT_TOKEN_REFUSED + 1)
#define IN_TIME 1000
#define TIMEOUT 270000

static ReplayFacts facts_of(int i, AttemptEnd end)
{
    return (ReplayFacts){
        .end = end,
        .is_idempotent = i & 1,
        .is_resumable = i & 2,
        .is_complete = i & 4,
        .has_delivered = i & 8,
        .response_started = (i & 16) || (i & 8), /* what has been delivered came after headers */
        .request_is_kept = i & 32,
        .was_reattach = i & 64,
        .n_attempts = 1,
        .broken_for_ms = i & 128 ? TIMEOUT : IN_TIME,
        .is_let_go = i & 256,
        .resume_timeout_ms = TIMEOUT,
    };
}
#define N_COMBINATIONS 512

static bool is_certainly_not_executed(AttemptEnd end)
{
    return end == ATTEMPT_UNPROCESSED || end == ATTEMPT_TOKEN_REFUSED || end == ATTEMPT_NO_OPERATION;
}

START_TEST(nothing_is_executed_twice)
{
    for (AttemptEnd end = 0; end < N_ENDS; end++) {
        ReplayFacts facts = facts_of(_i, end);
        if (replay_decide(&facts) != REPLAY_AGAIN)
            continue;
        ck_assert(!facts.has_delivered && facts.request_is_kept && !facts.is_complete && !facts.is_let_go);
        ck_assert(is_certainly_not_executed(end) || facts.is_idempotent);
        ck_assert(!facts.response_started || end == ATTEMPT_NO_OPERATION);
        /* after a ReattachExecute of ours, only the word of the server about an operation that is still this
         * call's, or a method that may be executed twice */
        ck_assert(!facts.was_reattach || facts.is_idempotent ||
                  (end == ATTEMPT_NO_OPERATION && facts.is_resumable));
    }
}
END_TEST

START_TEST(only_what_can_be_resumed_is_and_only_in_time)
{
    for (AttemptEnd end = 0; end < N_ENDS; end++) {
        ReplayFacts facts = facts_of(_i, end);
        ReplayDecision decision = replay_decide(&facts);
        ck_assert_int_eq(decision == REPLAY_FINISH, facts.is_complete);
        if (decision == REPLAY_REATTACH)
            ck_assert(facts.is_resumable && facts.broken_for_ms < facts.resume_timeout_ms);
    }
}
END_TEST

/* When the client has a part of the results, or the server is known to work on them, a break is never an end
 * as long as there is time. */
START_TEST(results_under_way_go_on)
{
    for (AttemptEnd end = 0; end < N_ENDS; end++) {
        ReplayFacts facts = facts_of(_i, end);
        if (!facts.is_resumable || facts.is_complete || !(facts.has_delivered || facts.was_reattach) ||
            facts.broken_for_ms >= facts.resume_timeout_ms || end == ATTEMPT_NO_OPERATION)
            continue;
        ck_assert_int_eq(replay_decide(&facts), REPLAY_REATTACH);
    }
}
END_TEST

/* A pause changes nothing but whether it can be sat out here. */
START_TEST(a_pause_is_kept_or_told)
{
    static const struct {
        uint64_t pause_ms, time_left_ms;
        bool can_wait; /* when it has just broken */
    } PAUSES[] = {
        {1, UINT64_MAX, true},
        {TIMEOUT - IN_TIME - 1, UINT64_MAX, true},
        {5000, 5001, true},
        {TIMEOUT, UINT64_MAX, false},
        {5000, 5000, false},
        {5000, 0, false},
        {86400000, UINT64_MAX, false},
        {TIMEOUT - IN_TIME, UINT64_MAX, false},
    };
    for (AttemptEnd end = 0; end < N_ENDS; end++)
        for (size_t i = 0; i < sizeof PAUSES / sizeof PAUSES[0]; i++) {
            ReplayFacts facts = facts_of(_i & 127, end);
            ReplayDecision without = replay_decide(&facts);
            bool attempts = without == REPLAY_AGAIN || without == REPLAY_REATTACH;
            facts.pause_ms = PAUSES[i].pause_ms;
            facts.time_left_ms = PAUSES[i].time_left_ms;
            ck_assert_int_eq(replay_decide(&facts),
                             attempts && !PAUSES[i].can_wait ? REPLAY_GIVE_UP : without);
        }
}
END_TEST

START_TEST(a_server_that_refuses_again_and_again_is_believed)
{
    ReplayFacts facts = {.end = ATTEMPT_UNPROCESSED, .request_is_kept = true};
    for (facts.n_attempts = 1; facts.n_attempts < REPLAY_MAX_ATTEMPTS; facts.n_attempts++)
        ck_assert_int_eq(replay_decide(&facts), REPLAY_AGAIN);
    ck_assert_int_eq(replay_decide(&facts), REPLAY_GIVE_UP);
}
END_TEST

#define RESUMABLE .is_resumable = true, .resume_timeout_ms = TIMEOUT, .n_attempts = 1
static const struct {
    const char *name;
    ReplayFacts facts;
    ReplayDecision decision;
} CASES[] = {
    {"ExecutePlan lost before any answer: ask for the operation, do not run it again",
     {RESUMABLE, .end = ATTEMPT_BROKEN, .request_is_kept = true},
     REPLAY_REATTACH},
    {"and the server has never heard of it",
     {RESUMABLE, .end = ATTEMPT_NO_OPERATION, .request_is_kept = true, .was_reattach = true},
     REPLAY_AGAIN},
    {"the server has forgotten an operation of which the client has results",
     {RESUMABLE, .end = ATTEMPT_NO_OPERATION, .request_is_kept = true, .was_reattach = true,
      .has_delivered = true, .response_started = true},
     REPLAY_GIVE_UP},
    {"the server does not know an operation that the client has released meanwhile",
     {RESUMABLE, .end = ATTEMPT_NO_OPERATION, .request_is_kept = true, .was_reattach = true,
      .is_let_go = true},
     REPLAY_GIVE_UP},
    {"the server has forgotten an operation whose results another call has taken over and released",
     {.end = ATTEMPT_NO_OPERATION, .request_is_kept = true, .was_reattach = true, .n_attempts = 2},
     REPLAY_GIVE_UP},
    {"a ReattachExecute is refused after another call has taken over: the plan may have been executed",
     {.end = ATTEMPT_UNPROCESSED, .request_is_kept = true, .was_reattach = true, .n_attempts = 2},
     REPLAY_GIVE_UP},
    {"two minutes are over", {RESUMABLE, .end = ATTEMPT_CUT_SHORT, .has_delivered = true}, REPLAY_REATTACH},
    {"UNAVAILABLE at once is the client's to retry",
     {RESUMABLE, .end = ATTEMPT_UNAVAILABLE, .request_is_kept = true},
     REPLAY_GIVE_UP},
    {"a wrong port answers HTTP 404",
     {RESUMABLE, .end = ATTEMPT_NOT_GRPC, .request_is_kept = true},
     REPLAY_GIVE_UP},
    {"a load balancer answers 503",
     {RESUMABLE, .end = ATTEMPT_NOT_GRPC_NOW, .request_is_kept = true},
     REPLAY_REATTACH},
    {"a Config call is lost",
     {.end = ATTEMPT_BROKEN, .is_idempotent = true, .request_is_kept = true, .n_attempts = 1},
     REPLAY_AGAIN},
    {"FetchErrorDetails is lost",
     {.end = ATTEMPT_BROKEN, .request_is_kept = true, .n_attempts = 1},
     REPLAY_GIVE_UP},
    {"an ExecutePlan that is not reattachable is lost",
     {.end = ATTEMPT_BROKEN, .request_is_kept = true, .n_attempts = 1},
     REPLAY_GIVE_UP},
    {"the connection goes after the last message",
     {.end = ATTEMPT_BROKEN, .is_complete = true, .has_delivered = true, .n_attempts = 1},
     REPLAY_FINISH},
};

START_TEST(cases_by_name)
{
    ck_assert_msg(replay_decide(&CASES[_i].facts) == CASES[_i].decision, "%s", CASES[_i].name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replay");
    TCase *tests = tcase_create("replay");
    tcase_add_loop_test(tests, nothing_is_executed_twice, 0, N_COMBINATIONS);
    tcase_add_loop_test(tests, only_what_can_be_resumed_is_and_only_in_time, 0, N_COMBINATIONS);
    tcase_add_loop_test(tests, results_under_way_go_on, 0, N_COMBINATIONS);
    tcase_add_loop_test(tests, a_pause_is_kept_or_told, 0, N_COMBINATIONS);
    tcase_add_test(tests, a_server_that_refuses_again_and_again_is_believed);
    tcase_add_loop_test(tests, cases_by_name, 0, sizeof CASES / sizeof CASES[0]);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
