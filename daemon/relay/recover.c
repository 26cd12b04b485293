/* What becomes of a call whose attempt has ended without the answer. */

#include <inttypes.h>

#include "base/clock.h"
#include "relay/call.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_LIMIT_MS 5000
#define STOOD_MS         60000 /* where no keepalive would have found a dead line */

static uint64_t broken_for_ms(const Call *call)
{
    return call->broken_since_ns ? (clock_now_ns() - call->broken_since_ns) / NS_PER_MS : 0;
}

static uint64_t time_left_ms(const Call *call)
{
    uint64_t now = clock_now_ns(), end = call->client_deadline_ns;
    if (end == 0)
        return UINT64_MAX;
    return end > now ? (end - now) / NS_PER_MS : 0;
}

/* A unary request of which the server has not got the end cannot have been executed. */
static bool is_unsent(const Call *call)
{
    return !call->to_upstream.end_sent && call->method && !call->method->request_is_stream;
}

static ReplayFacts facts_of(const Call *call, AttemptEnd end)
{
    const Method *method = call->method;
    bool nothing_sent = !call->reattaches && call->to_upstream.n_sent == 0;
    return (ReplayFacts){
        .end = end == ATTEMPT_BROKEN && is_unsent(call) ? ATTEMPT_UNPROCESSED : end,
        .is_idempotent = method && method->replay == METHOD_REPLAY_SAFE,
        .is_resumable = resume_is_possible(&call->resume),
        .is_complete = call->resume.state == RESUME_COMPLETE,
        .has_delivered = call->resume.has_delivered,
        .response_started = call->response_started,
        .request_is_kept = call->request_is_kept || nothing_sent,
        .was_reattach = call->reattaches,
        .is_let_go = call->is_let_go,
        .n_attempts = call->n_attempts,
        .broken_for_ms = broken_for_ms(call),
        .resume_timeout_ms = call->upstream->profile->resume_timeout_ms,
        .pause_ms = call->retry_after_ms,
        .time_left_ms = time_left_ms(call),
    };
}

/* The first time at once, then after longer and longer waits, until the client gets something again; never
 * earlier than the upstream asks. */
static uint64_t next_wait_ms(Call *call, AttemptEnd end)
{
    uint64_t now = clock_now_ns();
    bool is_first = call->broken_since_ns == 0;
    if (is_first || end == ATTEMPT_CUT_SHORT) /* a server that ends a stream in order is there */
        call->broken_since_ns = now;
    if (is_first)
        call->backoff = (Backoff)BACKOFF_INIT(BACKOFF_FIRST_MS, BACKOFF_LIMIT_MS);
    bool is_answer = end == ATTEMPT_NO_OPERATION || end == ATTEMPT_TOKEN_REFUSED; /* the server is there */
    uint64_t wait_ms = is_first || is_answer ? 0 : backoff_next_ms(&call->backoff, (uint32_t)now);
    return wait_ms > call->retry_after_ms ? wait_ms : call->retry_after_ms;
}

static void log_resume(const Call *call, AttemptEnd end, const char *reason)
{
    const char *profile = call->upstream->profile->name;
    const char *operation = envelope_text(&call->request.envelope, ENVELOPE_OPERATION_ID);
    if (call->retry_after_ms > 0)
        relay_log_failure(call->relay,
                          "profile %s: the results of operation %s broke off (%s); going on in %" PRIu64
                          " ms, as asked",
                          profile, operation, reason, call->retry_after_ms);
    else if (end != ATTEMPT_CUT_SHORT && broken_for_ms(call) == 0)
        relay_log_failure(call->relay, "profile %s: the results of operation %s broke off (%s); going on",
                          profile, operation, reason);
}

/* A query may say nothing for hours, while a box on the way cuts every silent connection: an attempt that has
 * stood for longer than a dead line stays unnoticed was none of what resume_timeout is for. */
static bool has_stood(const Call *call, AttemptEnd end)
{
    uint64_t keepalive_ms = call->upstream->profile->keepalive_ms;
    uint64_t enough_ms = keepalive_ms ? keepalive_ms : STOOD_MS;
    return end == ATTEMPT_BROKEN && call->state == CALL_RUNNING &&
           clock_now_ns() - call->sent_ns > enough_ms * NS_PER_MS;
}

bool call_recover(Call *call, AttemptEnd end, const char *reason)
{
    if (has_stood(call, end))
        call->broken_since_ns = 0;
    ReplayFacts facts = facts_of(call, end);
    ReplayDecision decision = replay_decide(&facts);
    call->upstream_ended_ns = call->relay->http2.now_ns;
    if (decision == REPLAY_GIVE_UP)
        return false;
    if (decision == REPLAY_FINISH) {
        call_finish_stream(call);
        return true;
    }
    call_end_attempt(call, STREAM_CANCEL);
    uint64_t wait_ms = next_wait_ms(call, end);
    if (decision == REPLAY_REATTACH) {
        call->relay->counts.n_resumed++;
        log_resume(call, end, reason);
    } else {
        call->relay->counts.n_replayed++;
    }
    call_try_again(call, decision == REPLAY_REATTACH, wait_ms);
    return true;
}

void call_progressed(Call *call)
{
    call->broken_since_ns = 0;
    call->token_was_refused = false;
}
