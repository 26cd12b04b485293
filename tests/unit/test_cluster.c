/* Cluster against a scripted workspace: https_send() and the refresher are played by this file, and the clock
 * moves only from one deadline to the next. */

#include "auth/cluster.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define GET     "GET https://w.example:443/api/2.1/clusters/get?cluster_id=07%2F12-x"
#define START   "POST https://w.example:443/api/2.1/clusters/start"
#define RUNNING "{\"state\":\"RUNNING\",\"cluster_name\":\"etl\"}"
#define PENDING "{\"state\":\"PENDING\"}"
#define OFF     "{\"state\":\"TERMINATED\",\"state_message\":\"Inactive\"}"
#define BAD     "{\"error_code\":\"INVALID_STATE\",\"message\":\"Pending\"}"

static uv_loop_t loop;
static Deadlines deadlines;
static Log logger = {.fd = STDERR_FILENO, .level = LOG_LEVEL_ERROR};
static uint64_t now = 1000 * NS_PER_S;
static ProfileSettings profile = {.name = "dev",
                                  .host = "w.example",
                                  .port = 443,
                                  .use_tls = true,
                                  .cluster_id = "07/12-x",
                                  .cluster_start_timeout_ms = 15 * 60 * 1000};
static Cluster *cluster;

static uint64_t fake_now(void)
{
    return now;
}

/* ---- the workspace */

static struct {
    HttpsDone done; /* NULL: nothing is under way */
    void *context;
    char sent[256]; /* the latest request */
    char body[128];
    unsigned n_sent, n_cancelled;
} https;

HttpsExchange *https_send(Https *unused, const HttpsRequest *request, HttpsDone done, void *context)
{
    (void)unused;
    ck_assert_msg(https.done == NULL, "two requests at a time");
    ck_assert_ptr_nonnull(request->authorization);
    ck_assert_uint_gt(request->timeout_ms, 0);
    (void)snprintf(https.sent, sizeof https.sent, "%s %s", request->method, request->url);
    https.body[0] = '\0';
    if (request->body)
        (void)snprintf(https.body, sizeof https.body, "%s", secret_reveal(request->body));
    https.done = done;
    https.context = context;
    https.n_sent++;
    return (HttpsExchange *)&https;
}

void https_cancel(HttpsExchange *exchange)
{
    ck_assert_ptr_eq(exchange, &https);
    ck_assert(https.done != NULL);
    https.done = NULL;
    https.n_cancelled++;
}

static void reply(const HttpsResponse *response)
{
    HttpsDone done = https.done;
    ck_assert(done != NULL);
    https.done = NULL;
    done(https.context, response);
}

static void answer(unsigned status, const char *body)
{
    reply(&(HttpsResponse){.status = status, .body = body, .length = strlen(body)});
}

static void break_off(const char *why)
{
    reply(&(HttpsResponse){.failure = why, .body = ""});
}

static void expect_sent(const char *request)
{
    ck_assert_msg(https.done != NULL, "nothing is under way; wanted %s", request);
    ck_assert_str_eq(https.sent, request);
}

/* The request is sent, and answered so. */
static void expect_and_answer(const char *request, unsigned status, const char *body)
{
    expect_sent(request);
    answer(status, body);
}

/* ---- the refresher */

static struct {
    Credential *credential; /* NULL: there is none */
    RefresherWaiter *waiter;
    bool another_may_help;
    unsigned n_refused;
} refresher;

Credential *refresher_current(Refresher *unused)
{
    (void)unused;
    return refresher.credential;
}

void refresher_wait(Refresher *unused, RefresherWaiter *waiter)
{
    (void)unused;
    ck_assert_ptr_null(refresher.waiter);
    refresher.waiter = waiter;
}

void refresher_stop_waiting(Refresher *unused, RefresherWaiter *waiter)
{
    (void)unused;
    if (refresher.waiter == waiter)
        refresher.waiter = NULL;
}

bool refresher_refused(Refresher *unused, const Credential *credential)
{
    (void)unused;
    ck_assert_ptr_nonnull(credential);
    refresher.n_refused++;
    return refresher.another_may_help;
}

const char *refresher_problem(const Refresher *unused)
{
    (void)unused;
    return "log in first";
}

static Credential *credential_of(const char *text)
{
    Credential *credential = mem_new(Credential);
    credential->n_references = 1;
    credential->authorization = secret_new(text, strlen(text));
    return credential;
}

static void credential_arrives(void)
{
    RefresherWaiter *waiter = refresher.waiter;
    ck_assert_ptr_nonnull(waiter);
    refresher.waiter = NULL;
    refresher.credential = credential_of("Bearer two");
    waiter->on_ready(waiter);
}

/* ---- time */

/* Goes to the next deadline and lets it happen; false when there is none. */
static bool step_time(void)
{
    if (deadlines.n_entries == 0)
        return false;
    Deadline *deadline = deadlines.heap[1];
    if (deadline->at_ns > now)
        now = deadline->at_ns;
    deadline_clear(&deadlines, deadline);
    deadline->function(deadline);
    return true;
}

/* ---- those who wait */

typedef struct Caller {
    ClusterWaiter waiter;
    unsigned n_told;
    ClusterFacts facts; /* at that time; without the strings */
    bool starts_again;
} Caller;

static void on_known(ClusterWaiter *waiter)
{
    Caller *caller = container_of(waiter, Caller, waiter);
    ck_assert(!list_link_is_linked(&waiter->link));
    caller->n_told++;
    cluster_facts(cluster, &caller->facts);
    ck_assert_uint_lt(caller->n_told, 10);
    if (caller->starts_again)
        cluster_start(cluster, waiter);
}

static void caller_init(Caller *caller)
{
    *caller = (Caller){.waiter.on_known = on_known};
    list_link_init(&caller->waiter.link);
}

static void expect_state(ClusterState state, ClusterStart start)
{
    ClusterFacts facts;
    cluster_facts(cluster, &facts);
    ck_assert_str_eq(cluster_state_name(facts.state), cluster_state_name(state));
    ck_assert_str_eq(cluster_start_name(facts.start), cluster_start_name(start));
}

static void expect_message(const char *message)
{
    ClusterFacts facts;
    cluster_facts(cluster, &facts);
    ck_assert_str_eq(facts.message, message);
}

/* Nothing is under way and nothing will be. */
static void expect_silence(void)
{
    ck_assert(https.done == NULL);
    ck_assert_ptr_null(refresher.waiter);
    ck_assert_uint_eq(deadlines.n_entries, 0);
}

static void setup(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(deadlines_init(&deadlines, &loop), 0);
    memset(&https, 0, sizeof https);
    memset(&refresher, 0, sizeof refresher);
    refresher.credential = credential_of("Bearer one");
    ClusterContext context = {
        .loop = &loop, .deadlines = &deadlines, .log = &logger, .profile = &profile, .now_ns = fake_now};
    cluster = cluster_new(&context);
}

static void teardown(void)
{
    cluster_free(cluster);
    expect_silence();
    credential_unref(refresher.credential);
    deadlines_deinit(&deadlines);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* ---- asking */

START_TEST(nothing_is_sent_while_nobody_waits)
{
    ClusterFacts facts;
    cluster_facts(cluster, &facts);
    ck_assert_int_eq(facts.state, CLUSTER_UNKNOWN);
    ck_assert_uint_eq(facts.since_ns, 0);
    expect_silence();
    ck_assert_uint_eq(https.n_sent, 0);
}
END_TEST

START_TEST(one_request_answers_all_and_for_some_seconds)
{
    Caller callers[3];
    for (size_t i = 0; i < 3; i++)
        caller_init(&callers[i]);
    cluster_ask(cluster, &callers[0].waiter);
    cluster_ask(cluster, &callers[1].waiter);
    expect_and_answer(GET, 200, OFF);
    ck_assert_uint_eq(callers[0].n_told, 1);
    ck_assert_uint_eq(callers[1].n_told, 1);
    expect_state(CLUSTER_TERMINATED, CLUSTER_START_NONE);
    expect_message("Inactive");

    now += 4 * NS_PER_S;
    cluster_ask(cluster, &callers[2].waiter);
    ck_assert_uint_eq(callers[2].n_told, 0); /* by a later event */
    ck_assert(step_time());
    ck_assert_uint_eq(callers[2].n_told, 1);
    ck_assert_uint_eq(https.n_sent, 1);

    now += 2 * NS_PER_S;
    cluster_ask(cluster, &callers[2].waiter);
    expect_and_answer(GET, 200, RUNNING);
    ck_assert_uint_eq(callers[2].n_told, 2);
    ck_assert_uint_eq(callers[2].facts.since_ns, now);
    ck_assert_uint_eq(https.n_sent, 2);
    expect_message("");
    expect_silence();
}
END_TEST

START_TEST(whoever_leaves_ends_the_request)
{
    Caller caller, other;
    caller_init(&caller);
    caller_init(&other);
    cluster_ask(cluster, &caller.waiter);
    cluster_ask(cluster, &other.waiter);
    cluster_stop_waiting(cluster, &caller.waiter);
    expect_sent(GET);
    cluster_stop_waiting(cluster, &other.waiter);
    cluster_stop_waiting(cluster, &other.waiter);
    ck_assert_uint_eq(https.n_cancelled, 1);
    expect_silence();

    now += NS_PER_S;
    cluster_ask(cluster, &caller.waiter);
    expect_and_answer(GET, 200, RUNNING);
    cluster_ask(cluster, &caller.waiter);
    cluster_stop_waiting(cluster, &caller.waiter); /* told soon, but not any more */
    expect_silence();
    ck_assert_uint_eq(caller.n_told, 1);
}
END_TEST

START_TEST(failures_are_answers)
{
    Caller caller;
    caller_init(&caller);
    cluster_ask(cluster, &caller.waiter);
    expect_sent(GET);
    break_off("cannot resolve w.example");
    expect_state(CLUSTER_UNASKABLE, CLUSTER_START_NONE);
    expect_message("cannot resolve w.example");
    ck_assert_uint_eq(caller.n_told, 1);
    now += 6 * NS_PER_S;
    cluster_ask(cluster, &caller.waiter);
    expect_and_answer(GET, 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"none\"}");
    expect_state(CLUSTER_MISSING, CLUSTER_START_NONE);
    ck_assert_uint_eq(caller.n_told, 2);
}
END_TEST

/* ---- credentials */

START_TEST(a_refused_credential_is_tried_once_more)
{
    Caller caller;
    caller_init(&caller);
    refresher.another_may_help = true;
    cluster_ask(cluster, &caller.waiter);
    expect_sent(GET);
    credential_unref(refresher.credential); /* the exchange still has it */
    refresher.credential = NULL;
    answer(401, "");
    ck_assert_uint_eq(refresher.n_refused, 1);
    ck_assert(https.done == NULL);
    credential_arrives();
    expect_and_answer(GET, 200, RUNNING);
    ck_assert_uint_eq(caller.n_told, 1);
    expect_state(CLUSTER_RUNNING, CLUSTER_START_NONE);
}
END_TEST

START_TEST(a_credential_refused_twice_is_given_up)
{
    Caller caller;
    caller_init(&caller);
    refresher.another_may_help = true;
    cluster_ask(cluster, &caller.waiter);
    expect_and_answer(GET, 403, "{\"error_code\":\"403\",\"message\":\"Invalid access token\"}");
    expect_and_answer(GET, 403, "");
    ck_assert_uint_eq(refresher.n_refused, 2);
    ck_assert_uint_eq(https.n_sent, 2);
    ck_assert_uint_eq(caller.n_told, 1);
    expect_state(CLUSTER_UNASKABLE, CLUSTER_START_NONE);
}
END_TEST

START_TEST(a_static_token_is_not_hammered)
{
    Caller caller;
    caller_init(&caller);
    cluster_ask(cluster, &caller.waiter);
    expect_and_answer(GET, 401, "");
    ck_assert_uint_eq(https.n_sent, 1);
    ck_assert_uint_eq(caller.n_told, 1);
    expect_message("it refuses the credential");
}
END_TEST

START_TEST(no_credential_is_an_answer)
{
    Caller caller;
    caller_init(&caller);
    credential_unref(refresher.credential);
    refresher.credential = NULL;
    cluster_ask(cluster, &caller.waiter);
    RefresherWaiter *waiter = refresher.waiter;
    ck_assert_ptr_nonnull(waiter);
    refresher.waiter = NULL;
    waiter->on_failed(waiter);
    ck_assert_uint_eq(caller.n_told, 1);
    expect_message("log in first");
    ck_assert_uint_eq(https.n_sent, 0);
    now += 6 * NS_PER_S;
    cluster_ask(cluster, &caller.waiter);
    cluster_stop_waiting(cluster, &caller.waiter); /* the refresher is told, too */
    expect_silence();
}
END_TEST

/* ---- starting */

START_TEST(it_is_started_once_for_all)
{
    Caller callers[3];
    for (size_t i = 0; i < 3; i++) {
        caller_init(&callers[i]);
        cluster_start(cluster, &callers[i].waiter);
    }
    expect_and_answer(GET, 200, OFF);
    expect_sent(START);
    ck_assert_str_eq(https.body, "{\"cluster_id\":\"07/12-x\"}");
    answer(200, "{}");
    expect_state(CLUSTER_PENDING, CLUSTER_START_UNDER_WAY);
    for (int i = 0; i < 5; i++) {
        uint64_t before = now;
        ck_assert(step_time());
        ck_assert_uint_ge(now - before, (uint64_t)(i + 1) * NS_PER_S);
        ck_assert_uint_lt(now - before, (uint64_t)(i + 2) * NS_PER_S);
        expect_and_answer(GET, 200, PENDING);
        ck_assert_uint_eq(callers[0].n_told, 0);
    }
    ck_assert(step_time());
    expect_and_answer(GET, 200, RUNNING);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(callers[i].n_told, 1);
        ck_assert_int_eq(callers[i].facts.state, CLUSTER_RUNNING);
        ck_assert_int_eq(callers[i].facts.start, CLUSTER_START_DONE);
    }
    expect_silence();
}
END_TEST

START_TEST(a_running_one_is_left_alone)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, RUNNING);
    ck_assert_uint_eq(caller.n_told, 1);
    cluster_start(cluster, &caller.waiter); /* known since a moment ago */
    ck_assert(step_time());
    ck_assert_uint_eq(caller.n_told, 2);
    ck_assert_uint_eq(https.n_sent, 1);
    expect_silence();
}
END_TEST

START_TEST(a_terminating_one_is_waited_for)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, "{\"state\":\"TERMINATING\"}");
    expect_state(CLUSTER_TERMINATING, CLUSTER_START_WANTED);
    ck_assert(step_time());
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    ck_assert(step_time());
    expect_and_answer(GET, 200, RUNNING);
    ck_assert_uint_eq(caller.n_told, 1);
}
END_TEST

START_TEST(somebody_else_was_faster)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 400, BAD);
    ck_assert_uint_eq(caller.n_told, 0);
    ck_assert(step_time());
    expect_and_answer(GET, 200, PENDING);
    expect_state(CLUSTER_PENDING, CLUSTER_START_UNDER_WAY);
    ck_assert(step_time());
    expect_and_answer(GET, 200, RUNNING);
    ck_assert_uint_eq(caller.n_told, 1);
}
END_TEST

START_TEST(a_start_that_comes_to_nothing)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    ck_assert(step_time());
    expect_and_answer(GET, 200, "{\"state\":\"TERMINATED\",\"state_message\":\"no machines left\"}");
    ck_assert_uint_eq(caller.n_told, 1);
    expect_state(CLUSTER_TERMINATED, CLUSTER_START_FAILED);
    expect_message("no machines left");

    caller.starts_again = true; /* which would never end if it were told at once */
    cluster_start(cluster, &caller.waiter);
    ck_assert(step_time());
    ck_assert_uint_eq(caller.n_told, 2);
    ck_assert(step_time());
    ck_assert_uint_eq(caller.n_told, 3);
    ck_assert_uint_eq(https.n_sent, 3); /* not tried again for some seconds */
    caller.starts_again = false;
    cluster_stop_waiting(cluster, &caller.waiter);

    now += 11 * NS_PER_S;
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_sent(START);
    cluster_stop_waiting(cluster, &caller.waiter);
    expect_silence();
    expect_state(CLUSTER_TERMINATED, CLUSTER_START_NONE);
}
END_TEST

START_TEST(a_start_may_be_denied)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no Restart\"}");
    ck_assert_uint_eq(caller.n_told, 1);
    expect_state(CLUSTER_TERMINATED, CLUSTER_START_DENIED);
    expect_message("no Restart");
    expect_silence();
}
END_TEST

START_TEST(a_start_has_a_limit)
{
    Caller caller;
    caller_init(&caller);
    uint64_t began = now;
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    while (caller.n_told == 0) {
        ck_assert(step_time());
        if (https.done)
            answer(200, PENDING);
    }
    ck_assert_uint_eq((now - began) / NS_PER_S, 15 * 60);
    ck_assert_int_eq(caller.facts.start, CLUSTER_START_TIMED_OUT);
    ck_assert_uint_ge(https.n_sent, 80); /* every 10 to 11 s */
    ck_assert_uint_le(https.n_sent, 100);
    expect_silence();
}
END_TEST

START_TEST(a_workspace_that_is_away_is_tried_again)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_sent(START);
    break_off("the connection broke"); /* it may have been heard */
    ck_assert(step_time());
    expect_and_answer(GET, 200, PENDING);
    for (int i = 0; i < 2; i++) {
        ck_assert(step_time());
        expect_sent(GET);
        break_off("no route");
    }
    ck_assert(step_time());
    expect_and_answer(GET, 200, PENDING);
    ck_assert_uint_eq(caller.n_told, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert(step_time());
        expect_sent(GET);
        break_off("no route");
    }
    ck_assert_uint_eq(caller.n_told, 1);
    expect_state(CLUSTER_UNASKABLE, CLUSTER_START_FAILED);
    expect_silence();
}
END_TEST

START_TEST(a_start_ends_when_its_last_waiter_leaves)
{
    Caller starter, asker;
    caller_init(&starter);
    caller_init(&asker);
    cluster_start(cluster, &starter.waiter);
    cluster_ask(cluster, &asker.waiter); /* joins the same request */
    ck_assert_uint_eq(https.n_sent, 1);
    cluster_stop_waiting(cluster, &starter.waiter);
    expect_and_answer(GET, 200, OFF); /* still wanted by the other one, but not started any more */
    ck_assert_uint_eq(asker.n_told, 1);
    ck_assert_uint_eq(https.n_sent, 1);
    expect_silence();

    now += 6 * NS_PER_S;
    cluster_start(cluster, &starter.waiter);
    expect_and_answer(GET, 200, OFF);
    now += 6 * NS_PER_S;
    cluster_ask(cluster, &asker.waiter); /* joins the start's request, which cannot be called back */
    cluster_stop_waiting(cluster, &starter.waiter);
    expect_and_answer(START, 200, "{}");
    expect_state(CLUSTER_PENDING, CLUSTER_START_NONE);
    expect_silence();
    ck_assert_uint_eq(asker.n_told, 2);
    ck_assert_uint_eq(starter.n_told, 0);
}
END_TEST

START_TEST(asking_during_a_start_sends_nothing)
{
    Caller starter, asker;
    caller_init(&starter);
    caller_init(&asker);
    cluster_start(cluster, &starter.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    for (int i = 0; i < 12; i++) {
        ck_assert(step_time());
        answer(200, PENDING);
    }
    now += 7 * NS_PER_S;
    unsigned n_sent = https.n_sent;
    cluster_ask(cluster, &asker.waiter);
    ck_assert(step_time());
    ck_assert_uint_eq(asker.n_told, 1);
    ck_assert_uint_eq(https.n_sent, n_sent);
    ck_assert_int_eq(asker.facts.start, CLUSTER_START_UNDER_WAY);
    ck_assert_uint_eq(starter.n_told, 0);
    cluster_stop_waiting(cluster, &starter.waiter);
}
END_TEST

static void run_for(uint64_t seconds)
{
    Caller caller;
    caller_init(&caller);
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    uint64_t until = now + seconds * NS_PER_S;
    while (caller.n_told == 0) {
        ck_assert(step_time());
        answer(200, now < until ? PENDING : RUNNING);
    }
}

START_TEST(the_end_is_estimated_from_the_last_start)
{
    ClusterFacts facts;
    Caller caller;
    caller_init(&caller);
    run_for(200);
    now += 3600 * NS_PER_S;
    cluster_start(cluster, &caller.waiter);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    cluster_facts(cluster, &facts);
    ck_assert_uint_ge(facts.expected_ms, 200 * 1000);
    ck_assert_uint_le(facts.expected_ms, 212 * 1000);
    now += 60 * NS_PER_S;
    uint64_t before = facts.expected_ms;
    cluster_facts(cluster, &facts);
    ck_assert_uint_eq(facts.expected_ms, before - 60 * 1000);
    ck_assert_uint_eq(facts.n_waiting, 1);
    now += 600 * NS_PER_S;
    cluster_facts(cluster, &facts);
    ck_assert_uint_eq(facts.expected_ms, 0);
    cluster_stop_waiting(cluster, &caller.waiter);
}
END_TEST

START_TEST(unattended_starts_end_by_themselves)
{
    cluster_start_unattended(cluster);
    cluster_start_unattended(cluster);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    ck_assert(step_time());
    expect_and_answer(GET, 200, RUNNING);
    expect_state(CLUSTER_RUNNING, CLUSTER_START_DONE);
    expect_silence();
    now += 6 * NS_PER_S;
    cluster_start_unattended(cluster);
    expect_sent(GET); /* and is freed in the middle */
}
END_TEST

START_TEST(unattended_questions_leave_a_start_alone)
{
    cluster_ask_unattended(cluster);
    cluster_ask_unattended(cluster);
    cluster_start_unattended(cluster);
    expect_and_answer(GET, 200, OFF);
    expect_and_answer(START, 200, "{}");
    cluster_ask_unattended(cluster); /* answered by what is known already */
    ck_assert(step_time());
    ck_assert(step_time());
    expect_and_answer(GET, 200, RUNNING);
    expect_state(CLUSTER_RUNNING, CLUSTER_START_DONE);
    expect_silence();
    now += 6 * NS_PER_S;
    cluster_ask_unattended(cluster);
    expect_sent(GET); /* and is freed in the middle */
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, nothing_is_sent_while_nobody_waits);
    tcase_add_test(tests, one_request_answers_all_and_for_some_seconds);
    tcase_add_test(tests, whoever_leaves_ends_the_request);
    tcase_add_test(tests, failures_are_answers);
    tcase_add_test(tests, a_refused_credential_is_tried_once_more);
    tcase_add_test(tests, a_credential_refused_twice_is_given_up);
    tcase_add_test(tests, a_static_token_is_not_hammered);
    tcase_add_test(tests, no_credential_is_an_answer);
    tcase_add_test(tests, it_is_started_once_for_all);
    tcase_add_test(tests, a_running_one_is_left_alone);
    tcase_add_test(tests, a_terminating_one_is_waited_for);
    tcase_add_test(tests, somebody_else_was_faster);
    tcase_add_test(tests, a_start_that_comes_to_nothing);
    tcase_add_test(tests, a_start_may_be_denied);
    tcase_add_test(tests, a_start_has_a_limit);
    tcase_add_test(tests, a_workspace_that_is_away_is_tried_again);
    tcase_add_test(tests, a_start_ends_when_its_last_waiter_leaves);
    tcase_add_test(tests, asking_during_a_start_sends_nothing);
    tcase_add_test(tests, the_end_is_estimated_from_the_last_start);
    tcase_add_test(tests, unattended_starts_end_by_themselves);
    tcase_add_test(tests, unattended_questions_leave_a_start_alone);
}

int main(void)
{
    Suite *suite = suite_create("cluster");
    TCase *tests = tcase_create("cluster");
    tcase_add_checked_fixture(tests, setup, teardown);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
