/* Refresher: mints are played by this file (instead of mint.c), and both clocks stand still unless a test
 * moves them, together or, for a machine that sleeps, the one that counts sleep alone. */

#include "auth/refresher.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/refresher_clocks.h"
#include "base/clock.h"
#include "random_number.h"

#define HOUR_MS UINT64_C(3600000)
#define HOUR_NS (3600 * NS_PER_S)

static uv_loop_t loop;
static Deadlines deadlines;
static Log logger;
static ProfileSettings profile;
static Refresher *refresher;
static uint64_t now, boot;
static uint32_t fixed_random;
static bool is_random;

/* ---- the clocks */

static uint64_t fake_now(void)
{
    return now;
}

static uint64_t fake_boot(void)
{
    return boot;
}

static uint32_t fake_random(void)
{
    return is_random ? random_number(UINT32_MAX) : fixed_random;
}

static const RefresherClocks CLOCKS = {fake_now, fake_boot, fake_random};

/* What is due, in its order. */
static void run_due(void)
{
    while (deadlines.n_entries && deadlines.heap[1]->at_ns <= now) {
        Deadline *deadline = deadlines.heap[1];
        deadline_clear(&deadlines, deadline);
        deadline->function(deadline);
    }
}

static void pass(uint64_t ns)
{
    uint64_t end = now + ns;
    while (deadlines.n_entries && deadlines.heap[1]->at_ns <= end) {
        uint64_t at = deadlines.heap[1]->at_ns > now ? deadlines.heap[1]->at_ns : now;
        boot += at - now;
        now = at;
        run_due();
    }
    boot += end - now;
    now = end;
}

/* Only the one that counts it. */
static void sleep_for(uint64_t ns)
{
    boot += ns;
}

/* ---- mints */

static struct {
    MintDone done; /* NULL: none is under way */
    void *context;
    AuthType type;
    uint64_t started_at; /* boot */
    unsigned n_started, n_cancelled;
} mint;

Mint *mint_start(const MintContext *context, AuthType type, MintDone done, void *done_context)
{
    ck_assert_ptr_eq(context->profile, &profile);
    ck_assert_msg(mint.done == NULL, "two mints at a time");
    mint.done = done;
    mint.context = done_context;
    mint.type = type;
    mint.started_at = boot;
    mint.n_started++;
    return (Mint *)&mint;
}

void mint_cancel(Mint *cancelled)
{
    ck_assert_ptr_eq(cancelled, &mint);
    ck_assert(mint.done != NULL);
    mint.done = NULL;
    mint.n_cancelled++;
}

void token_deinit(Token *token)
{
    secret_free(token->access);
    secret_free(token->extra);
    *token = (Token)TOKEN_NULL;
}

static void end_mint(MintOutcome *outcome)
{
    MintDone done = mint.done;
    ck_assert_msg(done != NULL, "nothing is being minted");
    mint.done = NULL;
    done(mint.context, outcome);
    token_deinit(&outcome->token);
}

static void give(const char *token, uint64_t lives_ms)
{
    MintOutcome outcome = {.result = MINT_OK,
                           .token = {.access = secret_new(token, strlen(token)), .lives_ms = lives_ms}};
    end_mint(&outcome);
}

static void refuse_to_mint(MintResult result, const char *sentence)
{
    MintOutcome outcome = {.result = result, .token = TOKEN_NULL, .sentence = sentence};
    end_mint(&outcome);
}

static void fail_network(void)
{
    refuse_to_mint(MINT_FAILED, "profile dev: cannot resolve w.example");
}

/* ---- those that wait */

typedef struct Waiting {
    RefresherWaiter waiter;
    unsigned n_ready, n_failed;
    bool is_in_wait; /* a callback now would come too early */
    bool is_waiting;
} Waiting;

static void on_ready(RefresherWaiter *waiter)
{
    Waiting *waiting = container_of(waiter, Waiting, waiter);
    ck_assert(!waiting->is_in_wait && waiting->is_waiting);
    ck_assert_ptr_nonnull(refresher_current(refresher));
    waiting->is_waiting = false;
    waiting->n_ready++;
}

static void on_failed(RefresherWaiter *waiter)
{
    Waiting *waiting = container_of(waiter, Waiting, waiter);
    ck_assert(!waiting->is_in_wait && waiting->is_waiting);
    ck_assert_ptr_null(refresher_current(refresher));
    ck_assert_uint_gt(strlen(refresher_problem(refresher)), 0);
    waiting->is_waiting = false;
    waiting->n_failed++;
}

static void waiting_init(Waiting *waiting)
{
    *waiting = (Waiting){.waiter = {.on_ready = on_ready, .on_failed = on_failed}};
    list_link_init(&waiting->waiter.link);
}

static void start_waiting(Waiting *waiting)
{
    waiting->is_in_wait = waiting->is_waiting = true;
    refresher_wait(refresher, &waiting->waiter);
    waiting->is_in_wait = false;
}

static Waiting wait_for_one(void)
{
    static Waiting waiting;
    waiting_init(&waiting);
    start_waiting(&waiting);
    run_due();
    return waiting;
}

/* ---- fixture */

static void set_up(void)
{
    logger = (Log){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .level = LOG_LEVEL_DEBUG};
    profile = (ProfileSettings){.name = "dev", .host = "w.example", .databricks = true};
    memset(&mint, 0, sizeof mint);
    now = 1000 * NS_PER_S;
    boot = 5000 * NS_PER_S;
    fixed_random = 0;
    is_random = false;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(deadlines_init(&deadlines, &loop), 0);
}

static void tear_down(void)
{
    refresher = refresher_free(refresher);
    ck_assert_ptr_null((void *)(uintptr_t)mint.done);
    ck_assert_uint_eq(deadlines.n_entries, 0);
    secret_free(profile.auth.token);
    deadlines_deinit(&deadlines);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    (void)close(logger.fd);
}

static void make(void)
{
    MintContext context = {.loop = &loop, .log = &logger, .profile = &profile, .timeout_ms = 1000};
    refresher = refresher_new_with(&context, &deadlines, &CLOCKS);
}

static void make_with(AuthType type)
{
    profile.auth.chain[0] = type;
    profile.auth.n_chain = 1;
    make();
}

static void make_chain(void)
{
    profile.auth.chain[0] = AUTH_DATABRICKS_CLI;
    profile.auth.chain[1] = AUTH_AZURE_CLI;
    profile.auth.chain[2] = AUTH_GOOGLE_ID;
    profile.auth.n_chain = 3;
    make();
}

/* One that has a token of that life. */
static void make_ready(uint64_t lives_ms)
{
    make_with(AUTH_OAUTH_M2M);
    refresher_warm(refresher);
    give("one", lives_ms);
}

static void expect_token(const char *token)
{
    char bearer[64];
    Credential *credential = refresher_current(refresher);
    ck_assert_ptr_nonnull(credential);
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    ck_assert_str_eq(secret_reveal(credential->authorization), bearer);
}

static void expect_none(void)
{
    ck_assert_ptr_null(refresher_current(refresher));
}

static RefresherFacts facts(void)
{
    RefresherFacts answer;
    refresher_facts(refresher, &answer);
    return answer;
}

static void expect_problem(const char *part)
{
    ck_assert_msg(strstr(refresher_problem(refresher), part) != NULL, "\"%s\" is not in \"%s\"", part,
                  refresher_problem(refresher));
}

/* ---- getting one */

START_TEST(a_static_token_is_ready_without_any_timer)
{
    profile.auth.token = secret_new("pat", 3);
    make_with(AUTH_PAT);
    expect_token("pat");
    pass(1000 * HOUR_NS);
    expect_token("pat");
    ck_assert_uint_eq(deadlines.n_entries, 0);
    ck_assert_uint_eq(mint.n_started, 0);
    ck_assert_int_eq(facts().state, REFRESHER_READY);
    ck_assert_int_eq(facts().type, AUTH_PAT);
}
END_TEST

START_TEST(a_server_that_wants_nothing_gets_nothing)
{
    make();
    Credential *credential = refresher_current(refresher);
    ck_assert_ptr_nonnull(credential);
    ck_assert_ptr_null(credential->authorization);
    ck_assert_int_eq(facts().type, N_AUTH_TYPES);
    ck_assert(!refresher_refused(refresher, credential));
    ck_assert_ptr_eq(refresher_current(refresher), credential);
}
END_TEST

START_TEST(fifty_waiters_cause_one_mint)
{
    Waiting waiting[50];
    make_with(AUTH_OAUTH_M2M);
    ck_assert_int_eq(facts().state, REFRESHER_NONE);
    for (size_t i = 0; i < 50; i++) {
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    run_due();
    ck_assert_int_eq(facts().state, REFRESHER_MINTING);
    refresher_stop_waiting(refresher, &waiting[7].waiter);
    refresher_stop_waiting(refresher, &waiting[7].waiter);
    give("one", HOUR_MS);
    for (size_t i = 0; i < 50; i++)
        ck_assert_uint_eq(waiting[i].n_ready, i == 7 ? 0 : 1);
    ck_assert_uint_eq(mint.n_started, 1);
    expect_token("one");
    ck_assert_uint_eq(facts().n_refreshes, 1);
    ck_assert_uint_eq(facts().lives_ms, HOUR_MS);
}
END_TEST

START_TEST(fifty_at_an_expired_token_cause_one_mint)
{
    Waiting waiting[50];
    make_ready(HOUR_MS);
    sleep_for(2 * HOUR_NS);
    for (size_t i = 0; i < 50; i++) {
        expect_none();
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    give("two", HOUR_MS);
    for (size_t i = 0; i < 50; i++)
        ck_assert_uint_eq(waiting[i].n_ready, 1);
    ck_assert_uint_eq(mint.n_started, 2);
}
END_TEST

START_TEST(a_failure_is_told_to_all_and_not_tried_again_at_once)
{
    Waiting waiting[3];
    make_with(AUTH_OAUTH_M2M);
    for (size_t i = 0; i < 3; i++) {
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    fail_network();
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(waiting[i].n_failed, 1);
    expect_problem("cannot resolve");
    ck_assert_int_eq(facts().state, REFRESHER_FAILED);
    ck_assert(!facts().needs_person);
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    ck_assert_uint_eq(mint.n_started, 1);
    pass(NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 1); /* nobody asks */
    ck_assert_uint_eq(wait_for_one().n_failed, 0);
    ck_assert_uint_eq(mint.n_started, 2);
    give("one", HOUR_MS);
    ck_assert_ptr_null(facts().problem);
    expect_token("one");
}
END_TEST

START_TEST(waiting_for_what_is_there_is_served_by_a_later_event)
{
    make_ready(HOUR_MS);
    ck_assert_uint_eq(wait_for_one().n_ready, 1);
    ck_assert_uint_eq(mint.n_started, 1);
}
END_TEST

START_TEST(a_lapsed_login_needs_a_person)
{
    make_with(AUTH_DATABRICKS_CLI);
    refresher_warm(refresher);
    refuse_to_mint(MINT_LOGIN_NEEDED, "profile dev: run databricks auth login -p dev");
    ck_assert(facts().needs_person);
    expect_problem("databricks auth login");
}
END_TEST

START_TEST(freeing_cancels_the_mint)
{
    make_with(AUTH_OAUTH_M2M);
    refresher_warm(refresher);
    refresher_warm(refresher);
    refresher = refresher_free(refresher);
    ck_assert_uint_eq(mint.n_started, 1);
    ck_assert_uint_eq(mint.n_cancelled, 1);
}
END_TEST

/* ---- the chain */

START_TEST(the_first_that_is_set_up_is_remembered)
{
    make_chain();
    refresher_warm(refresher);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: databricks-cli: no login");
    ck_assert_int_eq(mint.type, AUTH_AZURE_CLI);
    give("one", HOUR_MS);
    ck_assert_int_eq(facts().type, AUTH_AZURE_CLI);
    sleep_for(HOUR_NS);
    (void)wait_for_one();
    ck_assert_int_eq(mint.type, AUTH_AZURE_CLI);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: azure-cli: gone"); /* then it is looked for anew */
    ck_assert_int_eq(mint.type, AUTH_DATABRICKS_CLI);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: databricks-cli: no login");
    ck_assert_int_eq(mint.type, AUTH_GOOGLE_ID);
    give("two", HOUR_MS);
    expect_token("two");
}
END_TEST

START_TEST(what_is_set_up_but_fails_ends_the_chain)
{
    make_chain();
    refresher_warm(refresher);
    refuse_to_mint(MINT_LOGIN_NEEDED, "profile dev: log in again");
    ck_assert_uint_eq(mint.n_started, 1);
    ck_assert_str_eq(refresher_problem(refresher), "profile dev: log in again");
}
END_TEST

START_TEST(none_that_is_set_up_names_what_each_said)
{
    make_chain();
    ck_assert_uint_eq(wait_for_one().n_ready, 0);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: databricks-cli: no login");
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: azure-cli: not installed");
    refuse_to_mint(MINT_NOT_CONFIGURED, "google-id: no account");
    ck_assert_str_eq(refresher_problem(refresher),
                     "profile dev: there is no login for w.example: databricks-cli: no login; azure-cli: not "
                     "installed; google-id: no account");
    ck_assert(facts().needs_person);
    ck_assert_uint_eq(facts().n_failures, 1);
}
END_TEST

START_TEST(the_only_one_speaks_for_itself)
{
    make_with(AUTH_AZURE_CLI);
    refresher_warm(refresher);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: azure-cli: not installed");
    ck_assert_str_eq(refresher_problem(refresher), "profile dev: azure-cli: not installed");
}
END_TEST

/* ---- the life of a token */

START_TEST(it_is_refreshed_ahead_and_kept_meanwhile)
{
    make_ready(HOUR_MS);
    pass(40 * 60 * NS_PER_S - 1);
    ck_assert_uint_eq(mint.n_started, 1);
    pass(1);
    ck_assert_uint_eq(mint.n_started, 2);
    ck_assert_int_eq(facts().state, REFRESHER_REFRESHING);
    expect_token("one");
    ck_assert_uint_eq(wait_for_one().n_ready, 1);
    give("two", HOUR_MS);
    expect_token("two");
    ck_assert_int_eq(facts().state, REFRESHER_READY);
}
END_TEST

START_TEST(jitter_delays_the_refresh_by_a_fifth_of_its_window_at_most)
{
    fixed_random = 1023;
    make_ready(HOUR_MS);
    pass(43 * 60 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 1);
    pass(60 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    give("two", 10 * 1000); /* half of a short life: 5 to 6 s */
    pass(5 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    pass(NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 3);
}
END_TEST

START_TEST(it_counts_as_dead_before_its_end)
{
    make_ready(HOUR_MS);
    sleep_for(HOUR_NS - 41 * NS_PER_S);
    expect_token("one"); /* and a refresh begins */
    ck_assert_uint_eq(mint.n_started, 2);
    sleep_for(NS_PER_S);
    expect_none();
    give("two", 10 * 1000); /* a fifth of a short life */
    sleep_for(8 * NS_PER_S - 1);
    expect_token("two");
    sleep_for(1);
    expect_none();
    fail_network();
}
END_TEST

START_TEST(sleep_longer_than_its_life_is_noticed_at_the_first_use)
{
    make_ready(HOUR_MS);
    pass(10 * NS_PER_S);
    sleep_for(8 * HOUR_NS);
    ck_assert_uint_eq(mint.n_started, 1); /* no timer knows of it */
    ck_assert_int_eq(facts().state, REFRESHER_NONE);
    expect_none();
    (void)wait_for_one();
    give("two", HOUR_MS);
    expect_token("two");
}
END_TEST

START_TEST(one_of_unknown_life_has_no_timer)
{
    make_ready(0);
    ck_assert_uint_eq(deadlines.n_entries, 0);
    pass(1000 * HOUR_NS);
    expect_token("one");
    ck_assert_uint_eq(facts().lives_ms, 0);
}
END_TEST

START_TEST(absurd_lives_are_harmless)
{
    make_ready(UINT64_MAX);
    pass(1000 * HOUR_NS);
    expect_token("one");
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    give("two", 1);
    expect_token("two");
    pass(NS_PER_MS);
    expect_none();
    pass(HOUR_NS);
    ck_assert_uint_eq(mint.n_started, 2); /* nobody needs one */
    ck_assert_uint_eq(deadlines.n_entries, 0);
}
END_TEST

START_TEST(a_failed_refresh_keeps_the_last_good_token_to_its_end)
{
    make_ready(HOUR_MS);
    pass(40 * 60 * NS_PER_S);
    fail_network();
    expect_token("one");
    expect_problem("cannot resolve");
    ck_assert_int_eq(facts().state, REFRESHER_READY);
    pass(29 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    pass(NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 3);
    while (refresher_current(refresher)) {
        if (mint.done)
            fail_network();
        pass(NS_PER_S);
    }
    ck_assert_uint_ge(boot, 5000 * NS_PER_S + HOUR_NS - 40 * NS_PER_S);
    ck_assert_uint_lt(boot, 5000 * NS_PER_S + HOUR_NS);
    ck_assert_uint_lt(mint.n_started, 40);
    if (mint.done)
        fail_network();
    ck_assert_int_eq(facts().state, REFRESHER_FAILED);
    pass(10 * HOUR_NS);
    ck_assert_ptr_null((void *)(uintptr_t)mint.done); /* not tried any more while nobody asks */
    (void)wait_for_one();
    give("two", HOUR_MS);
    expect_token("two");
}
END_TEST

START_TEST(clock_skew_is_known)
{
    make_with(AUTH_OAUTH_M2M);
    refresher_warm(refresher);
    MintOutcome outcome = {.result = MINT_OK,
                           .token = {.access = secret_new("x", 1), .lives_ms = HOUR_MS, .skew_s = -300}};
    end_mint(&outcome);
    ck_assert_int_eq(facts().skew_s, -300);
}
END_TEST

/* ---- refusals */

START_TEST(a_refused_one_is_replaced_once_for_all_that_were_refused)
{
    make_ready(HOUR_MS);
    Credential *one = credential_ref(refresher_current(refresher));
    ck_assert(refresher_refused(refresher, one));
    ck_assert(refresher_refused(refresher, one));
    expect_none();
    ck_assert_uint_eq(mint.n_started, 2);
    give("two", HOUR_MS);
    ck_assert(refresher_refused(refresher, one)); /* from before */
    expect_token("two");
    ck_assert_uint_eq(mint.n_started, 2);
    credential_unref(one);
}
END_TEST

START_TEST(refusing_one_after_the_other_does_not_hammer)
{
    make_ready(HOUR_MS);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    give("two", HOUR_MS);
    Credential *two = credential_ref(refresher_current(refresher));
    ck_assert(!refresher_refused(refresher, two));
    ck_assert(!refresher_refused(refresher, two));
    expect_problem("w.example refuses the token that oauth-m2m gives");
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    pass(10 * NS_PER_S - 1);
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    ck_assert_uint_eq(mint.n_started, 2);
    pass(1);
    (void)wait_for_one();
    give("three", HOUR_MS);
    expect_token("three");
    credential_unref(two);
}
END_TEST

START_TEST(the_same_token_again_is_not_tried_again)
{
    make_ready(HOUR_MS);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    Waiting waiting;
    waiting_init(&waiting);
    start_waiting(&waiting);
    give("one", HOUR_MS);
    ck_assert_uint_eq(waiting.n_failed, 1);
    expect_none();
    pass(300 * NS_PER_S); /* the server may have changed its mind */
    (void)wait_for_one();
    give("one", HOUR_MS);
    expect_token("one");
}
END_TEST

START_TEST(a_refused_pat_is_refused_for_good)
{
    profile.auth.token = secret_new("pat", 3);
    profile.auth.token_place = (char[]){"/home/me/.databrickscfg:7"};
    make_with(AUTH_PAT);
    Credential *pat = credential_ref(refresher_current(refresher));
    ck_assert(!refresher_refused(refresher, pat));
    ck_assert(!refresher_refused(refresher, pat));
    expect_none();
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    pass(1000 * HOUR_NS);
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    refresher_warm(refresher);
    ck_assert_uint_eq(mint.n_started, 0);
    ck_assert(facts().needs_person);
    expect_problem("/home/me/.databrickscfg:7");
    expect_problem("w.example");
    credential_unref(pat);
}
END_TEST

START_TEST(a_pat_from_a_file_is_read_again)
{
    profile.auth.token = secret_new("pat", 3);
    profile.auth.token_file = (char[]){"/run/token"};
    make_with(AUTH_PAT);
    ck_assert_uint_eq(mint.n_started, 0);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    Waiting waiting;
    waiting_init(&waiting);
    start_waiting(&waiting);
    give("pat", 0);
    ck_assert_uint_eq(waiting.n_failed, 1);
    expect_problem("/run/token");
    pass(1000 * HOUR_NS); /* never forgotten */
    start_waiting(&waiting);
    give("pat", 0);
    ck_assert_uint_eq(waiting.n_failed, 2);
    pass(HOUR_NS);
    start_waiting(&waiting);
    give("new", 0);
    ck_assert_uint_eq(waiting.n_ready, 1);
    expect_token("new");
}
END_TEST

START_TEST(refused_while_its_successor_is_on_its_way)
{
    make_ready(HOUR_MS);
    pass(45 * 60 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    expect_none();
    ck_assert_int_eq(facts().state, REFRESHER_MINTING);
    give("two", HOUR_MS);
    expect_token("two");
    ck_assert_uint_eq(mint.n_started, 2);
}
END_TEST

/* ---- what it becomes on the wire */

START_TEST(a_credential_stamps_all_its_headers)
{
    HeaderList headers = HEADER_LIST_INIT;
    char value[64];
    profile.cluster_id = (char[]){"0712-c"};
    Token token = {.access = secret_new("a", 1),
                   .extra_name = "x-databricks-azure-sp-management-token",
                   .extra = secret_new("m", 1),
                   .resource_id = "/subscriptions/1"};
    Credential *credential = credential_new(&token, &profile);
    ck_assert(credential_is_of(credential, &token));
    credential_stamp(credential, &headers, true);
    ck_assert_uint_eq(headers.n_entries, 4);
    ck_assert(header_list_copy_value(&headers, "authorization", value, sizeof value));
    ck_assert_str_eq(value, "Bearer a");
    ck_assert(
        header_list_copy_value(&headers, "x-databricks-azure-sp-management-token", value, sizeof value));
    ck_assert_str_eq(value, "m");
    ck_assert(
        header_list_copy_value(&headers, "x-databricks-azure-workspace-resource-id", value, sizeof value));
    ck_assert_str_eq(value, "/subscriptions/1");
    ck_assert(header_list_copy_value(&headers, "x-databricks-cluster-id", value, sizeof value));
    header_list_clear(&headers);
    credential_stamp(credential, &headers, false);
    ck_assert_uint_eq(headers.n_entries, 3);
    credential_unref(credential);
    profile.is_serverless = true;
    credential = credential_new(&token, &profile);
    header_list_clear(&headers);
    credential_stamp(credential, &headers, true);
    ck_assert_uint_eq(headers.n_entries, 3);
    secret_free(token.extra);
    token.extra = secret_new("n", 1);
    ck_assert(!credential_is_of(credential, &token));
    credential_unref(credential);
    token_deinit(&token);
    header_list_deinit(&headers);
}
END_TEST

/* ---- any order of events, against a model that knows only what was given when */

#define N_WAITERS 8

static struct {
    Waiting waiting[N_WAITERS];
    Credential *old;
    char token[16]; /* the latest; "": none */
    uint64_t expires_at;
    bool is_refused;
    unsigned n_tokens;
    uint64_t refusal_mint_at; /* the latest mint that a refusal has started; 0: none */
} model;

static bool model_has_token(void)
{
    return model.token[0] && !model.is_refused && boot < model.expires_at;
}

static void assert_model(void)
{
    if (model_has_token())
        expect_token(model.token);
    else
        expect_none();
    for (size_t i = 0; i < N_WAITERS; i++)
        if (model.waiting[i].is_waiting)
            ck_assert_msg(mint.done || deadlines.n_entries, "a waiter is forgotten");
}

static void model_give(void)
{
    static const uint64_t LIVES_MS[] = {0, 3000, 60 * 1000, HOUR_MS, 24 * HOUR_MS};
    uint64_t lives_ms = LIVES_MS[random_number(5)], life = lives_ms * NS_PER_MS;
    (void)snprintf(model.token, sizeof model.token, "t%u", ++model.n_tokens);
    uint64_t margin = life / 5 < 40 * NS_PER_S ? life / 5 : 40 * NS_PER_S;
    model.expires_at = life ? boot + life - margin : UINT64_MAX;
    model.is_refused = false;
    give(model.token, lives_ms);
}

static void model_refuse(void)
{
    Credential *current = refresher_current(refresher);
    unsigned n_started = mint.n_started;
    bool mint_ran = mint.done != NULL;
    if (!current)
        return;
    credential_unref(model.old);
    model.old = credential_ref(current);
    model.is_refused = true;
    bool may_come = refresher_refused(refresher, current);
    ck_assert(!mint_ran || mint.n_started == n_started);
    ck_assert_msg(may_come == (mint.done != NULL), "what it says is not what it does");
    if (!may_come)
        ck_assert_uint_lt(boot - model.refusal_mint_at, 10 * NS_PER_S);
    if (mint.n_started > n_started && model.refusal_mint_at)
        ck_assert_uint_ge(boot - model.refusal_mint_at, 10 * NS_PER_S);
    if (may_come)
        model.refusal_mint_at = boot;
}

static void random_wait(void)
{
    Waiting *waiting = &model.waiting[random_number(N_WAITERS)];
    if (!waiting->is_waiting) {
        start_waiting(waiting);
    } else if (random_number(3) == 0) {
        refresher_stop_waiting(refresher, &waiting->waiter);
        waiting->is_waiting = false;
    }
}

static void random_event(void)
{
    switch (random_number(12)) {
    case 0: pass(random_number(2000) * NS_PER_MS); break;
    case 1: pass(random_number(3600) * NS_PER_S); break;
    case 2: sleep_for(random_number(7200) * (random_number(4) == 0 ? NS_PER_S : NS_PER_MS)); break;
    case 3:
    case 4:
    case 5: random_wait(); break;
    case 6: model_refuse(); break;
    case 7:
        if (model.old && model.old != refresher_current(refresher))
            (void)refresher_refused(refresher, model.old);
        break;
    case 8: refresher_warm(refresher); break;
    case 9:
        if (mint.done)
            refuse_to_mint(random_number(2) ? MINT_FAILED : MINT_LOGIN_NEEDED, "no");
        break;
    default:
        if (mint.done)
            model_give();
        break;
    }
}

START_TEST(random_events_keep_to_the_model)
{
    unsigned n_ready = 0, n_failed = 0;
    is_random = true;
    memset(&model, 0, sizeof model);
    for (size_t i = 0; i < N_WAITERS; i++)
        waiting_init(&model.waiting[i]);
    make_with(AUTH_OAUTH_M2M);
    for (int i = 0; i < 200000; i++) {
        random_event();
        assert_model();
    }
    run_due();
    if (mint.done)
        model_give();
    for (size_t i = 0; i < N_WAITERS; i++) {
        ck_assert(!model.waiting[i].is_waiting);
        n_ready += model.waiting[i].n_ready;
        n_failed += model.waiting[i].n_failed;
    }
    ck_assert_uint_gt(n_ready, 1000);
    ck_assert_uint_gt(n_failed, 1000);
    ck_assert_uint_gt(model.n_tokens, 1000);
    credential_unref(model.old);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, a_static_token_is_ready_without_any_timer);
    tcase_add_test(tests, a_server_that_wants_nothing_gets_nothing);
    tcase_add_test(tests, fifty_waiters_cause_one_mint);
    tcase_add_test(tests, fifty_at_an_expired_token_cause_one_mint);
    tcase_add_test(tests, a_failure_is_told_to_all_and_not_tried_again_at_once);
    tcase_add_test(tests, waiting_for_what_is_there_is_served_by_a_later_event);
    tcase_add_test(tests, a_lapsed_login_needs_a_person);
    tcase_add_test(tests, freeing_cancels_the_mint);
    tcase_add_test(tests, the_first_that_is_set_up_is_remembered);
    tcase_add_test(tests, what_is_set_up_but_fails_ends_the_chain);
    tcase_add_test(tests, none_that_is_set_up_names_what_each_said);
    tcase_add_test(tests, the_only_one_speaks_for_itself);
    tcase_add_test(tests, it_is_refreshed_ahead_and_kept_meanwhile);
    tcase_add_test(tests, jitter_delays_the_refresh_by_a_fifth_of_its_window_at_most);
    tcase_add_test(tests, it_counts_as_dead_before_its_end);
    tcase_add_test(tests, sleep_longer_than_its_life_is_noticed_at_the_first_use);
    tcase_add_test(tests, one_of_unknown_life_has_no_timer);
    tcase_add_test(tests, absurd_lives_are_harmless);
    tcase_add_test(tests, a_failed_refresh_keeps_the_last_good_token_to_its_end);
    tcase_add_test(tests, clock_skew_is_known);
    tcase_add_test(tests, a_refused_one_is_replaced_once_for_all_that_were_refused);
    tcase_add_test(tests, refusing_one_after_the_other_does_not_hammer);
    tcase_add_test(tests, the_same_token_again_is_not_tried_again);
    tcase_add_test(tests, a_refused_pat_is_refused_for_good);
    tcase_add_test(tests, a_pat_from_a_file_is_read_again);
    tcase_add_test(tests, refused_while_its_successor_is_on_its_way);
    tcase_add_test(tests, a_credential_stamps_all_its_headers);
    tcase_add_test(tests, random_events_keep_to_the_model);
}

int main(void)
{
    Suite *suite = suite_create("refresher");
    TCase *tests = tcase_create("refresher");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
