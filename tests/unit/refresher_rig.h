#pragma once

/* What the refresher's tests stand on: mints are played here (instead of mint.c), and both clocks stand still
 * unless a test moves them, together or, for a machine that sleeps, the one that counts sleep alone. */

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

static inline uint64_t fake_now(void)
{
    return now;
}

static inline uint64_t fake_boot(void)
{
    return boot;
}

static inline uint32_t fake_random(void)
{
    return is_random ? random_number(UINT32_MAX) : fixed_random;
}

static const RefresherClocks CLOCKS = {fake_now, fake_boot, fake_random};

/* What is due, in its order. */
static inline void run_due(void)
{
    while (deadlines.n_entries && deadlines.heap[1]->at_ns <= now) {
        Deadline *deadline = deadlines.heap[1];
        deadline_clear(&deadlines, deadline);
        deadline->function(deadline);
    }
}

static inline void pass(uint64_t ns)
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
static inline void sleep_for(uint64_t ns)
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

static inline void end_mint(MintOutcome *outcome)
{
    MintDone done = mint.done;
    ck_assert_msg(done != NULL, "nothing is being minted");
    mint.done = NULL;
    done(mint.context, outcome);
    token_deinit(&outcome->token);
}

static inline void give(const char *token, uint64_t lives_ms)
{
    MintOutcome outcome = {.result = MINT_OK,
                           .token = {.access = secret_new(token, strlen(token)), .lives_ms = lives_ms}};
    end_mint(&outcome);
}

static inline void refuse_to_mint(MintResult result, const char *sentence)
{
    MintOutcome outcome = {.result = result, .token = TOKEN_NULL, .sentence = sentence};
    end_mint(&outcome);
}

static inline void fail_network(void)
{
    refuse_to_mint(MINT_FAILED, "profile dev: cannot resolve w.example");
}

/* ---- those that wait */

typedef struct Waiting {
    RefresherWaiter waiter;
    unsigned n_ready, n_failed;
    bool is_in_wait; /* a callback now would come too early */
    bool is_waiting;
    bool refuses; /* what it gets: so does its server */
} Waiting;

static inline void on_ready(RefresherWaiter *waiter)
{
    Waiting *waiting = container_of(waiter, Waiting, waiter);
    ck_assert(!waiting->is_in_wait && waiting->is_waiting);
    ck_assert_ptr_nonnull(refresher_current(refresher));
    waiting->is_waiting = false;
    waiting->n_ready++;
    if (waiting->refuses)
        (void)refresher_refused(refresher, refresher_current(refresher));
}

static inline void on_failed(RefresherWaiter *waiter)
{
    Waiting *waiting = container_of(waiter, Waiting, waiter);
    ck_assert(!waiting->is_in_wait && waiting->is_waiting);
    ck_assert_ptr_null(refresher_current(refresher));
    ck_assert_uint_gt(strlen(refresher_problem(refresher)), 0);
    waiting->is_waiting = false;
    waiting->n_failed++;
}

static inline void waiting_init(Waiting *waiting)
{
    *waiting = (Waiting){.waiter = {.on_ready = on_ready, .on_failed = on_failed}};
    list_link_init(&waiting->waiter.link);
}

static inline void start_waiting(Waiting *waiting)
{
    waiting->is_in_wait = waiting->is_waiting = true;
    refresher_wait(refresher, &waiting->waiter);
    waiting->is_in_wait = false;
}

static inline Waiting wait_for_one(void)
{
    static Waiting waiting;
    waiting_init(&waiting);
    start_waiting(&waiting);
    run_due();
    return waiting;
}

/* ---- fixture */

static inline void set_up(void)
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

static inline void tear_down(void)
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

static inline void make(void)
{
    MintContext context = {.loop = &loop, .log = &logger, .profile = &profile, .timeout_ms = 1000};
    refresher = refresher_new_with(&context, &deadlines, &CLOCKS);
}

static inline void make_with(AuthType type)
{
    profile.auth.chain[0] = type;
    profile.auth.n_chain = 1;
    make();
}

static inline void make_chain(void)
{
    profile.auth.chain[0] = AUTH_DATABRICKS_CLI;
    profile.auth.chain[1] = AUTH_AZURE_CLI;
    profile.auth.chain[2] = AUTH_GOOGLE_ID;
    profile.auth.n_chain = 3;
    make();
}

/* One that has a token of that life. */
static inline void make_ready(uint64_t lives_ms)
{
    make_with(AUTH_OAUTH_M2M);
    refresher_warm(refresher);
    give("one", lives_ms);
}

static inline void expect_token(const char *token)
{
    char bearer[64];
    Credential *credential = refresher_current(refresher);
    ck_assert_ptr_nonnull(credential);
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    ck_assert_str_eq(secret_reveal(credential->authorization), bearer);
}

static inline void expect_none(void)
{
    ck_assert_ptr_null(refresher_current(refresher));
}

static inline RefresherFacts facts(void)
{
    RefresherFacts answer;
    refresher_facts(refresher, &answer);
    return answer;
}

static inline void expect_problem(const char *part)
{
    ck_assert_msg(strstr(refresher_problem(refresher), part) != NULL, "\"%s\" is not in \"%s\"", part,
                  refresher_problem(refresher));
}
