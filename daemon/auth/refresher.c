#include "auth/refresher.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "auth/refresher_clocks.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/text.h"

#define MARGIN_NS           (40 * NS_PER_S) /* Azure Databricks refuses tokens with 30 s left */
#define MARGIN_SHARE        5               /* of the life of a short-lived token, at the most */
#define AHEAD_NS            (20 * 60 * NS_PER_S)
#define LEAST_WAIT_NS       NS_PER_S         /* between two refreshes that nobody waits for */
#define REFUSAL_INTERVAL_NS (10 * NS_PER_S)  /* between two mints because of refusals */
#define REFUSAL_MEMORY_NS   (300 * NS_PER_S) /* then a token that comes again is given another chance */
#define AHEAD_BACKOFF       BACKOFF_INIT(60 * 1000, 300 * 1000)
#define DEMAND_BACKOFF      BACKOFF_INIT(1000, 30 * 1000)
#define LONGEST_LIFE_MS     (UINT64_MAX / 4 / NS_PER_MS) /* what lives longer than centuries has no end */
#define WORTH_TELLING_S     30                           /* of clock skew */
#define NEVER               UINT64_MAX
#define NOT_SETTLED         SIZE_MAX

struct Refresher {
    MintContext context;
    Deadlines *deadlines;
    RefresherClocks clocks;

    /* Times are since boot. */
    Credential *credential;  /* NULL: none */
    uint64_t check_at_ns;    /* until then it can be given out without thought; NEVER with none */
    uint64_t expires_at_ns;  /* it is not given out from then on */
    uint64_t dies_at_ns;     /* it ends for the server, a little later; NEVER: not known */
    uint64_t next_mint_ns;   /* not before */
    Deadline refresh, serve; /* the one ahead of time, and telling those that wait */

    Mint *mint;     /* under way; NULL: none */
    size_t way;     /* in the chain: the one that is tried, or the latest that was */
    size_t settled; /* the one that has worked, and is tried first; NOT_SETTLED */
    size_t skipped; /* the one that worked once but is not there any more */
    Text said;      /* by those of the chain that are not set up */
    Backoff ahead_backoff, demand_backoff;

    Credential *refused; /* the latest that the server would not have; NULL */
    uint64_t refused_at_ns;
    uint64_t refusal_mint_ns; /* when one was minted because of that; 0: never */

    List waiters;
    char *problem; /* NULL: none */
    bool needs_person;
    int64_t skew_s;
    uint64_t n_refreshes, n_failures;
};

/* ---- the life of a token, which is `life_ns` long */

/* Before its end, from when on it counts as dead: a call takes a while. */
static uint64_t margin_of(uint64_t life_ns)
{
    return life_ns / MARGIN_SHARE < MARGIN_NS ? life_ns / MARGIN_SHARE : MARGIN_NS;
}

/* Before its end, when its successor is got. Of this window up to a fifth passes at random, so that many
 * profiles or daemons that started together do not refresh together. */
static uint64_t window_of(uint64_t life_ns, uint32_t random)
{
    uint64_t window = life_ns / 2 < AHEAD_NS ? life_ns / 2 : AHEAD_NS;
    return window - window / 5 * (random % 1024) / 1024;
}

/* ---- words */

static const char *type_name(const Refresher *refresher)
{
    const AuthSettings *auth = &refresher->context.profile->auth;
    return auth->n_chain ? auth_type_name(auth->chain[refresher->way]) : auth_type_name(AUTH_PAT);
}

/* What was minted cannot get better by asking the same way again. */
static bool is_static(const Refresher *refresher)
{
    const AuthSettings *auth = &refresher->context.profile->auth;
    return !auth->n_chain || (auth->chain[refresher->way] == AUTH_PAT && !auth->token_file);
}

static bool is_pat(const Refresher *refresher)
{
    const AuthSettings *auth = &refresher->context.profile->auth;
    return !auth->n_chain || auth->chain[refresher->way] == AUTH_PAT;
}

_printf_(3, 4) static void set_problem(Refresher *refresher, bool needs_person, const char *format, ...)
{
    Text sentence = TEXT_NULL;
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&sentence, format, arguments);
    va_end(arguments);
    free(refresher->problem);
    refresher->problem = text_take(&sentence);
    refresher->needs_person = needs_person;
}

static void explain_refused_pat(Refresher *refresher)
{
    const ProfileSettings *profile = refresher->context.profile;
    const AuthSettings *auth = &profile->auth;
    if (auth->token_file)
        set_problem(refresher, true, "profile %s: %s refuses the token in %s; write a new one into that file",
                    profile->name, profile->host, auth->token_file);
    else
        set_problem(refresher, true,
                    "profile %s: %s refuses its token%s%s; put a new one there and run 'sparkbouncer "
                    "reload'",
                    profile->name, profile->host, auth->token_place ? " from " : "",
                    auth->token_place ? auth->token_place : "");
}

static void explain_refused(Refresher *refresher, const char *what)
{
    const ProfileSettings *profile = refresher->context.profile;
    if (is_pat(refresher))
        explain_refused_pat(refresher);
    else
        set_problem(refresher, true,
                    "profile %s: %s refuses the token that %s gives%s; see whether this login may use the "
                    "workspace, with 'sparkbouncer doctor'",
                    profile->name, profile->host, type_name(refresher), what);
}

/* ---- those that wait */

static void serve_soon(Refresher *refresher)
{
    deadline_set(refresher->deadlines, &refresher->serve, refresher->clocks.now_ns());
}

static void start_chain(Refresher *refresher);

static bool may_mint(const Refresher *refresher)
{
    return !refresher->mint && refresher->clocks.boot_ns() >= refresher->next_mint_ns;
}

/* Everybody, but those that have come by what the others do. */
static void serve_waiters(Refresher *refresher)
{
    for (size_t n = refresher->waiters.n_entries; n > 0 && !list_is_empty(&refresher->waiters); n--) {
        Credential *credential = refresher_current(refresher);
        if (!credential && may_mint(refresher))
            start_chain(refresher); /* it has died meanwhile */
        if (!credential && refresher->mint)
            return;
        ListLink *link = list_first(&refresher->waiters);
        RefresherWaiter *waiter = container_of(link, RefresherWaiter, link);
        list_remove(&refresher->waiters, link);
        if (credential)
            waiter->on_ready(waiter);
        else
            waiter->on_failed(waiter);
    }
}

static void on_serve(Deadline *deadline)
{
    serve_waiters(container_of(deadline, Refresher, serve));
}

/* ---- the credential: where it comes and goes */

static void drop_credential(Refresher *refresher)
{
    refresher->credential = credential_unref(refresher->credential);
    refresher->check_at_ns = NEVER;
    refresher->next_mint_ns = 0;
    deadline_clear(refresher->deadlines, &refresher->refresh);
}

static void set_credential(Refresher *refresher, const Token *token)
{
    credential_unref(refresher->credential);
    refresher->credential = credential_new(token, refresher->context.profile);
    refresher->check_at_ns = refresher->expires_at_ns = refresher->dies_at_ns = refresher->next_mint_ns =
        NEVER;
    deadline_clear(refresher->deadlines, &refresher->refresh);
}

/* The next look is at `next_mint_ns`, or when it expires. By the deadline if nothing calls before; that may
 * come late, as its clock stands still while the machine sleeps. */
static void plan_refresh(Refresher *refresher, uint64_t wait_ns)
{
    uint64_t boot_ns = refresher->clocks.boot_ns();
    refresher->next_mint_ns = boot_ns + (wait_ns > LEAST_WAIT_NS ? wait_ns : LEAST_WAIT_NS);
    bool is_in_time = refresher->next_mint_ns < refresher->expires_at_ns;
    uint64_t look_ns = is_in_time ? refresher->next_mint_ns : refresher->expires_at_ns;
    uint64_t from_now_ns = look_ns > boot_ns ? look_ns - boot_ns : 0;
    refresher->check_at_ns = look_ns;
    deadline_set(refresher->deadlines, &refresher->refresh, refresher->clocks.now_ns() + from_now_ns);
}

static void plan_life(Refresher *refresher, uint64_t lives_ms)
{
    uint64_t boot_ns = refresher->clocks.boot_ns(), life_ns = lives_ms * NS_PER_MS;
    if (lives_ms == 0 || lives_ms > LONGEST_LIFE_MS)
        return; /* until it is refused */
    refresher->dies_at_ns = boot_ns + life_ns;
    refresher->expires_at_ns = refresher->dies_at_ns - margin_of(life_ns);
    plan_refresh(refresher, life_ns - window_of(life_ns, refresher->clocks.random()));
}

static bool is_alive(const Refresher *refresher)
{
    return refresher->credential &&
           (refresher->expires_at_ns == NEVER || refresher->clocks.boot_ns() < refresher->expires_at_ns);
}

/* The credential's time to be looked at has come. */
static Credential *check(Refresher *refresher)
{
    if (!is_alive(refresher)) {
        drop_credential(refresher);
    } else if (may_mint(refresher)) {
        refresher->check_at_ns = refresher->expires_at_ns;
        deadline_clear(refresher->deadlines, &refresher->refresh);
        start_chain(refresher);
    }
    return refresher->credential;
}

static void on_refresh_due(Deadline *deadline)
{
    Refresher *refresher = container_of(deadline, Refresher, refresh);
    uint64_t boot_ns = refresher->clocks.boot_ns();
    if (check(refresher) && !refresher->mint && refresher->next_mint_ns > boot_ns)
        plan_refresh(refresher, refresher->next_mint_ns - boot_ns);
}

Credential *refresher_current(Refresher *refresher)
{
    if (refresher->check_at_ns == NEVER || refresher->clocks.boot_ns() < refresher->check_at_ns)
        return refresher->credential;
    return check(refresher);
}

/* ---- minting */

static void log_skew(const Refresher *refresher)
{
    int64_t skew_s = refresher->skew_s;
    if (skew_s < WORTH_TELLING_S && skew_s > -WORTH_TELLING_S)
        return;
    log_write(refresher->context.log, LOG_LEVEL_WARNING,
              "profile %s: this machine's clock is %" PRId64
              " s %s that of %s; set it right (timedatectl), or logins will fail",
              refresher->context.profile->name, skew_s < 0 ? -skew_s : skew_s,
              skew_s < 0 ? "ahead of" : "behind", refresher->context.profile->host);
}

/* The present token goes on; its refresh is tried again while some of its life is left. */
static void refresh_failed(Refresher *refresher)
{
    uint64_t left_ns = refresher->expires_at_ns - refresher->clocks.boot_ns();
    uint64_t wait_ns = backoff_next_ms(&refresher->ahead_backoff, refresher->clocks.random()) * NS_PER_MS;
    plan_refresh(refresher, wait_ns < left_ns / 4 ? wait_ns : left_ns / 4);
    log_write(refresher->context.log, LOG_LEVEL_WARNING,
              "%s (its token cannot be refreshed; the present one is good for %" PRIu64 " s more)",
              refresher->problem, left_ns / NS_PER_S);
}

static void mint_failed(Refresher *refresher)
{
    refresher->n_failures++;
    if (is_alive(refresher)) {
        refresh_failed(refresher);
        return;
    }
    drop_credential(refresher);
    uint64_t wait_ms = backoff_next_ms(&refresher->demand_backoff, refresher->clocks.random());
    refresher->next_mint_ns = refresher->clocks.boot_ns() + wait_ms * NS_PER_MS;
    log_write(refresher->context.log, LOG_LEVEL_WARNING, "%s", refresher->problem);
}

/* Not the same again: for a token as people write it down that is for good, else for a while. */
static bool is_refused(const Refresher *refresher, const Token *token)
{
    if (!refresher->refused || !credential_is_of(refresher->refused, token))
        return false;
    return is_pat(refresher) || refresher->clocks.boot_ns() - refresher->refused_at_ns < REFUSAL_MEMORY_NS;
}

static void minted(Refresher *refresher, const Token *token)
{
    int64_t known_skew_s = refresher->skew_s;
    refresher->settled = refresher->way;
    if (is_refused(refresher, token)) {
        explain_refused(refresher, " again and again");
        mint_failed(refresher);
        return;
    }
    bool was_failing = refresher->problem != NULL;
    free(steal(refresher->problem));
    refresher->needs_person = false;
    refresher->n_refreshes++;
    refresher->skew_s = token->skew_s;
    backoff_reset(&refresher->ahead_backoff);
    backoff_reset(&refresher->demand_backoff);
    set_credential(refresher, token);
    plan_life(refresher, token->lives_ms);
    if (known_skew_s != refresher->skew_s)
        log_skew(refresher);
    log_write(refresher->context.log, was_failing ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
              "profile %s: new token by %s, good for %" PRIu64 " s", refresher->context.profile->name,
              type_name(refresher), token->lives_ms / 1000);
}

/* What a way of the chain says, without the profile's name before each. */
static void note(Refresher *refresher, const char *sentence)
{
    const char *name = refresher->context.profile->name;
    size_t length = strlen(name);
    if (strncmp(sentence, "profile ", 8) == 0 && strncmp(sentence + 8, name, length) == 0 &&
        strncmp(sentence + 8 + length, ": ", 2) == 0)
        sentence += 8 + length + 2;
    text_printf(&refresher->said, "%s%s", refresher->said.length ? "; " : "", sentence);
}

static void on_minted(void *context, MintOutcome *outcome);

/* `way` and all that follow it, until one has something to say. False: none is left. */
static bool try_from(Refresher *refresher, size_t way)
{
    const AuthSettings *auth = &refresher->context.profile->auth;
    if (way == refresher->skipped)
        way++;
    if (way >= auth->n_chain)
        return false;
    refresher->way = way;
    refresher->mint = mint_start(&refresher->context, auth->chain[way], on_minted, refresher);
    return true;
}

static void start_chain(Refresher *refresher)
{
    assert(!refresher->mint);
    text_clear(&refresher->said);
    refresher->skipped = NOT_SETTLED;
    (void)try_from(refresher, refresher->settled != NOT_SETTLED ? refresher->settled : 0);
}

/* False: none was. */
static bool next_way(Refresher *refresher, const char *sentence)
{
    const ProfileSettings *profile = refresher->context.profile;
    size_t next = refresher->way + 1;
    note(refresher, sentence);
    if (refresher->settled != NOT_SETTLED) { /* gone: all others are to be asked */
        refresher->skipped = refresher->settled;
        refresher->settled = NOT_SETTLED;
        next = 0;
    }
    if (try_from(refresher, next))
        return true;
    if (profile->auth.n_chain == 1)
        set_problem(refresher, true, "%s", sentence);
    else
        set_problem(refresher, true, "profile %s: there is no login for %s: %s", profile->name, profile->host,
                    text_string(&refresher->said));
    return false;
}

static void on_minted(void *context, MintOutcome *outcome)
{
    Refresher *refresher = context;
    refresher->mint = NULL;
    switch (outcome->result) {
    case MINT_OK: minted(refresher, &outcome->token); break;
    case MINT_NOT_CONFIGURED:
        if (next_way(refresher, outcome->sentence))
            return;
        mint_failed(refresher);
        break;
    case MINT_LOGIN_NEEDED:
    case MINT_FAILED:
        set_problem(refresher, outcome->result == MINT_LOGIN_NEEDED, "%s", outcome->sentence);
        mint_failed(refresher);
        break;
    }
    serve_waiters(refresher);
}

/* ---- what is asked of it */

void refresher_wait(Refresher *refresher, RefresherWaiter *waiter)
{
    list_append(&refresher->waiters, &waiter->link);
    if (refresher_current(refresher) || (!refresher->mint && !may_mint(refresher)))
        serve_soon(refresher);
    else if (!refresher->mint)
        start_chain(refresher);
}

void refresher_stop_waiting(Refresher *refresher, RefresherWaiter *waiter)
{
    list_remove(&refresher->waiters, &waiter->link);
}

void refresher_warm(Refresher *refresher)
{
    if (!refresher_current(refresher) && may_mint(refresher))
        start_chain(refresher);
}

/* The first to say so of the current credential. */
static bool refuse_current(Refresher *refresher)
{
    uint64_t boot_ns = refresher->clocks.boot_ns();
    credential_unref(refresher->refused);
    refresher->refused = credential_ref(refresher->credential);
    refresher->refused_at_ns = boot_ns;
    drop_credential(refresher);
    bool is_too_soon = /* one that was good for a while has been revoked: that is no reason to wait */
        !refresher->refused->was_accepted && refresher->refusal_mint_ns != 0 &&
        boot_ns - refresher->refusal_mint_ns < REFUSAL_INTERVAL_NS;
    if (is_static(refresher))
        refresher->next_mint_ns = NEVER;
    else if (is_too_soon && !refresher->mint)
        refresher->next_mint_ns = refresher->refusal_mint_ns + REFUSAL_INTERVAL_NS;
    if (!refresher->mint && refresher->next_mint_ns > boot_ns) {
        explain_refused(refresher, ", a new one too");
        refresher->n_failures++;
        log_write(refresher->context.log, LOG_LEVEL_WARNING, "%s", refresher->problem);
        return false;
    }
    refresher->refusal_mint_ns = boot_ns;
    if (!refresher->mint)
        start_chain(refresher);
    return true;
}

bool refresher_refused(Refresher *refresher, const Credential *credential)
{
    if (!credential->authorization && credential == refresher->credential) {
        set_problem(refresher, true, "profile %s: %s wants a token, and the profile has none; add one to it",
                    refresher->context.profile->name, refresher->context.profile->host);
        return false; /* it is kept: other calls may get by without */
    }
    if (credential == refresher->credential)
        return refuse_current(refresher);
    return refresher_current(refresher) || refresher->mint || may_mint(refresher);
}

const char *refresher_problem(const Refresher *refresher)
{
    return refresher->problem ? refresher->problem : "no credential has been asked for yet";
}

/* ---- what is told of it */

static RefresherState state_of(const Refresher *refresher)
{
    if (is_alive(refresher))
        return refresher->mint ? REFRESHER_REFRESHING : REFRESHER_READY;
    if (refresher->mint)
        return REFRESHER_MINTING;
    return refresher->problem ? REFRESHER_FAILED : REFRESHER_NONE;
}

static AuthType type_of(const Refresher *refresher)
{
    const AuthSettings *auth = &refresher->context.profile->auth;
    if (auth->n_chain)
        return auth->chain[refresher->way];
    return auth->token ? AUTH_PAT : N_AUTH_TYPES;
}

void refresher_facts(const Refresher *refresher, RefresherFacts *ret_facts)
{
    bool has_end = is_alive(refresher) && refresher->dies_at_ns != NEVER;
    *ret_facts = (RefresherFacts){
        .state = state_of(refresher),
        .type = type_of(refresher),
        .lives_ms = has_end ? (refresher->dies_at_ns - refresher->clocks.boot_ns()) / NS_PER_MS : 0,
        .problem = refresher->problem,
        .needs_person = refresher->problem && refresher->needs_person,
        .n_refreshes = refresher->n_refreshes,
        .n_failures = refresher->n_failures,
        .skew_s = refresher->skew_s,
    };
}

/* ---- beginning and end */

/* What is known from the start; or nothing to show, for servers that want nothing. */
static bool is_ready_at_once(const AuthSettings *auth)
{
    return auth->n_chain == 0 || (auth->chain[0] == AUTH_PAT && auth->token);
}

Refresher *refresher_new_with(const MintContext *context, Deadlines *deadlines, const RefresherClocks *clocks)
{
    Refresher *refresher = mem_new(Refresher);
    refresher->context = *context;
    refresher->deadlines = deadlines;
    refresher->clocks = *clocks;
    refresher->check_at_ns = NEVER;
    refresher->settled = refresher->skipped = NOT_SETTLED;
    refresher->ahead_backoff = (Backoff)AHEAD_BACKOFF;
    refresher->demand_backoff = (Backoff)DEMAND_BACKOFF;
    refresher->refresh = (Deadline)DEADLINE_INIT(on_refresh_due);
    refresher->serve = (Deadline)DEADLINE_INIT(on_serve);
    list_init(&refresher->waiters);
    if (is_ready_at_once(&context->profile->auth))
        set_credential(refresher, &(Token){.access = context->profile->auth.token});
    return refresher;
}

static uint32_t any_number(void)
{
    uint64_t now_ns = clock_now_ns();
    return (uint32_t)((now_ns ^ (now_ns >> 17)) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

Refresher *refresher_new(const MintContext *context, Deadlines *deadlines)
{
    static const RefresherClocks CLOCKS = {
        .now_ns = clock_now_ns, .boot_ns = clock_boot_ns, .random = any_number};
    return refresher_new_with(context, deadlines, &CLOCKS);
}

Refresher *refresher_free(Refresher *refresher)
{
    if (!refresher)
        return NULL;
    assert(list_is_empty(&refresher->waiters));
    if (refresher->mint)
        mint_cancel(refresher->mint);
    deadline_clear(refresher->deadlines, &refresher->refresh);
    deadline_clear(refresher->deadlines, &refresher->serve);
    credential_unref(refresher->credential);
    credential_unref(refresher->refused);
    text_deinit(&refresher->said);
    free(refresher->problem);
    free(refresher);
    return NULL;
}
