#include "relay/fallback.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "relay/call.h"
#include "relay/fallback_rule.h"

/* ---- facts */

static bool may_begin_session(const Method *method)
{
    switch (method->id) {
    case METHOD_EXECUTE_PLAN:
    case METHOD_ANALYZE_PLAN:
    case METHOD_CONFIG:
    case METHOD_ADD_ARTIFACTS:
    case METHOD_ARTIFACT_STATUS: return true;
    case METHOD_INTERRUPT:
    case METHOD_REATTACH_EXECUTE:
    case METHOD_RELEASE_EXECUTE:
    case METHOD_RELEASE_SESSION:
    case METHOD_FETCH_ERROR_DETAILS:
    case METHOD_CLONE_SESSION:
    case METHOD_GET_STATUS:
    case N_METHODS: break;
    }
    return false;
}

/* A client that joins a named session goes where that is. */
static void look_at_sharers(const Call *call, FallbackFacts *facts)
{
    const Session *session = call->session;
    list_for_each(link, &call->relay->registry.sessions)
    {
        const Session *other = container_of(link, Session, link);
        if (other == session || other->target != session->target || !other->is_answered ||
            strcmp(other->name, session->name) != 0 || strcmp(other->user_id, session->user_id) != 0)
            continue;
        if (other->local_run == 0)
            facts->is_answered = true;
        else if (other->local_run == facts->current_run)
            facts->session_run = other->local_run;
    }
}

static FallbackFacts facts_of(const Call *call, const ProfileSettings *profile)
{
    const Session *session = call->session;
    FallbackFacts facts = {
        .is_always = profile->is_local,
        .is_wished = profile->fallback == FALLBACK_LOCAL,
        .has_session = session != NULL,
        .may_begin = call->method && may_begin_session(call->method),
        .client_knows_server = call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID].is_present,
        .is_answered = session && session->is_answered,
        .request_is_whole = !call->response_started && call->request_is_kept,
        .session_run = session ? session->local_run : 0,
        .current_run = local_spark_run(call->relay->fallback.spark),
    };
    bool is_new = session && !session->is_answered && session->local_run == 0;
    if (is_new && session->name[0] && session->kind != SESSION_CLONE && (facts.is_wished || facts.is_always))
        look_at_sharers(call, &facts);
    return facts;
}

/* ---- in words */

static void fail_lost(Call *call)
{
    const Fallback *fallback = &call->relay->fallback;
    const char *problem = local_spark_problem(fallback->spark);
    /* By this class PySpark knows that getOrCreate() is to make a new one. */
    static const char *const METADATA[] = {"errorClass", "INVALID_HANDLE.SESSION_CHANGED", NULL};
    call_fail(
        call, STATUS_FAILED_PRECONDITION,
        &(StatusDetails){.reason = "LOCAL_SPARK_ENDED", .metadata = METADATA},
        "sparkbouncer: this session was on the local Spark server, which has stopped%s%s; make a new session",
        *problem ? "; its last problem: " : " because nobody used it", problem);
}

static void fail_not_started(Call *call)
{
    const Session *session = call->session;
    const Destination *destination = session ? session->target : NULL;
    const ProfileSettings *profile = destination ? destination->profile : NULL;
    bool is_always = profile && profile->is_local;
    StatusDetails details = {.reason = "LOCAL_SPARK_FAILED"};
    if (!is_always) /* the server itself may be back by then, too */
        details.retry_after_ms = local_spark_held_back_ms(call->relay->fallback.spark);
    call_fail(call, is_always ? STATUS_FAILED_PRECONDITION : STATUS_UNAVAILABLE, &details,
              "sparkbouncer: profile %s %s: %s", profile ? profile->name : "?",
              is_always ? "has a local Spark server" : "falls back to a local Spark server",
              local_spark_problem(call->relay->fallback.spark));
}

/* ---- the server's run */

static void set_idle(Relay *relay)
{
    Fallback *fallback = &relay->fallback;
    deadline_set(&relay->deadlines, &fallback->idle,
                 fallback->used_ns + relay->settings->local_idle_timeout_ms * NS_PER_MS);
}

static void on_idle(Deadline *deadline)
{
    Relay *relay = container_of(deadline, Relay, fallback.idle);
    Fallback *fallback = &relay->fallback;
    uint64_t now_ns = clock_now_ns(), limit_ns = relay->settings->local_idle_timeout_ms * NS_PER_MS;
    if (fallback->upstream->n_references > 1) /* calls that use it use it now, however long ago they began */
        fallback->used_ns = now_ns;
    if (now_ns - fallback->used_ns >= limit_ns)
        local_spark_stop(fallback->spark, "no call for local_idle_timeout");
    else
        set_idle(relay);
}

static Call *next_waiting(Fallback *fallback)
{
    ListLink *link = list_first(&fallback->waiting);
    if (link)
        list_remove(&fallback->waiting, link);
    return link ? container_of(link, Call, waiter.link) : NULL;
}

static void on_ready(void *context)
{
    Relay *relay = context;
    relay->fallback.used_ns = clock_now_ns();
    set_idle(relay);
    for (Call *call; (call = next_waiting(&relay->fallback));)
        call_dispatch(call);
}

static void on_ended(void *context)
{
    Relay *relay = context;
    Fallback *fallback = &relay->fallback;
    deadline_clear(&relay->deadlines, &fallback->idle);
    fallback->upstream = upstream_retire(fallback->upstream);
    for (Call *call; (call = next_waiting(fallback));)
        fail_not_started(call);
}

/* NULL: there is none, and local_spark_problem() says why. */
static Upstream *upstream_of_run(Relay *relay)
{
    Fallback *fallback = &relay->fallback;
    char reason[64];
    if (!local_spark_start(fallback->spark, relay->settings->local_spark))
        return NULL;
    if (fallback->upstream)
        return fallback->upstream;
    Settings *settings = local_spark_settings(fallback->spark);
    fallback->upstream =
        settings ? relay_add_upstream(relay, settings, &settings->profiles[0], reason, sizeof reason) : NULL;
    if (fallback->upstream)
        fallback->upstream->is_local = true;
    return fallback->upstream;
}

void fallback_init(Relay *relay)
{
    Fallback *fallback = &relay->fallback;
    LocalSparkHost host = {
        .loop = relay->loop, .log = relay->log, .on_ready = on_ready, .on_ended = on_ended, .context = relay};
    list_init(&fallback->waiting);
    fallback->idle = (Deadline)DEADLINE_INIT(on_idle);
    fallback->spark = local_spark_new(&host);
}

void fallback_close(Relay *relay)
{
    Fallback *fallback = &relay->fallback;
    deadline_clear(&relay->deadlines, &fallback->idle);
    fallback->spark = local_spark_close(fallback->spark);
    fallback->upstream = upstream_unref(fallback->upstream);
}

/* ---- calls */

/* `why` is NULL where it is no news. False: it has been answered. */
static bool go_local(Call *call, const ProfileSettings *profile, const char *why)
{
    Relay *relay = call->relay;
    Fallback *fallback = &relay->fallback;
    Upstream *upstream = upstream_of_run(relay);
    if (!upstream) {
        fail_not_started(call);
        return false;
    }
    upstream_ref(upstream);
    upstream_unref(call->upstream);
    call->upstream = upstream;
    fallback->used_ns = clock_now_ns();
    unsigned run = local_spark_run(fallback->spark);
    if (call->session && call->session->local_run != run) {
        call->session->local_run = run;
        fallback->n_sessions += why != NULL;
        relay_log_failure(relay, "profile %s: session %s goes to the local Spark server%s%s", profile->name,
                          call->session->session_id, why ? ": " : "", why ? why : "");
    }
    return true;
}

static bool route_new(Call *call, const Destination *destination, const FallbackFacts *facts)
{
    const ProfileSettings *profile = destination->profile;
    bool is_down = !call->upstream || call->upstream->is_given_up;
    if (is_down && fallback_is_allowed(facts)) {
        if (call->upstream) /* for those to come */
            upstream_probe(call->upstream);
        return go_local(call, profile, call->upstream ? call->upstream->last_error : destination->problem);
    }
    if (!call->upstream)
        call_fail(call, STATUS_FAILED_PRECONDITION, &(StatusDetails){.reason = "PROFILE_UNUSABLE"},
                  "sparkbouncer: %s", destination->problem);
    return call->upstream != NULL;
}

bool fallback_route(Call *call, const Destination *destination)
{
    const ProfileSettings *profile = destination->profile;
    if (!profile->is_local && profile->fallback == FALLBACK_NO &&
        !(call->session && call->session->local_run))
        return true;
    FallbackFacts facts = facts_of(call, profile);
    switch (fallback_place(&facts)) {
    case FALLBACK_PLACE_LOCAL: return go_local(call, profile, NULL);
    case FALLBACK_PLACE_LOST: fail_lost(call); return false;
    case FALLBACK_PLACE_UPSTREAM: break;
    }
    if (call->session)
        call->session->local_run = 0;
    return route_new(call, destination, &facts);
}

/* Until it is reached again new sessions need not wait in vain, too. */
static void give_up(Upstream *upstream)
{
    if (upstream->n_open > 0 || upstream->is_given_up)
        return;
    upstream->is_given_up = true;
    log_write(upstream->log, LOG_LEVEL_WARNING,
              "profile %s: new sessions go to a local Spark server, until %s:%u is reached again",
              upstream->profile->name, upstream->profile->host, upstream->profile->port);
}

bool fallback_take(Call *call, const char *why)
{
    Upstream *upstream = call->upstream;
    if (upstream->profile->fallback == FALLBACK_NO || !call->client)
        return false;
    FallbackFacts facts = facts_of(call, upstream->profile);
    if (!fallback_is_allowed(&facts))
        return false;
    char reason[384];
    (void)snprintf(reason, sizeof reason, "%s", why);
    call_stop_waiting(call);
    call_end_attempt(call, STREAM_CANCEL);
    give_up(upstream);
    call->broken_since_ns = 0;
    if (go_local(call, upstream->profile, reason))
        call_dispatch(call);
    return true;
}

bool fallback_holds(Call *call)
{
    Fallback *fallback = &call->relay->fallback;
    if (!call->upstream->is_local)
        return false;
    if (call->upstream != fallback->upstream) {
        fail_lost(call);
        return true;
    }
    if (local_spark_is_ready(fallback->spark))
        return false;
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_LOCAL;
    call_set_deadline(call, 0); /* it has limits of its own */
    list_append(&fallback->waiting, &call->waiter.link);
    return true;
}

void fallback_stop_waiting(Call *call)
{
    list_remove(&call->relay->fallback.waiting, &call->waiter.link);
}

/* What is executed leaves traces even if its answer never comes. */
void fallback_sent(Call *call)
{
    if (call->session && call->method && call->method->replay != METHOD_REPLAY_SAFE)
        call->session->is_answered = true;
}

void fallback_answered(Call *call)
{
    if (call->session)
        call->session->is_answered = true;
}
