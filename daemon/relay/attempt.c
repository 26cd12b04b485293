/* Attempts at a call: waiting for a connection, opening the stream, giving it up, making another. */

#include <inttypes.h>

#include "base/clock.h"
#include "relay/artifact_upload.h"
#include "relay/call.h"
#include "relay/mapped_call.h"
#include "relay/parting.h"
#include "relay/revival.h"
#include "relay/touch.h"
#include "spark/codec.h"

#define UNREAD_WINDOWS 4   /* of results that a client may leave unread before it is waited for */
#define UNREAD_WAIT_MS 200 /* between two looks whether it has read */

/* ---- waiting and deadlines */

/* What waiting cannot mend, a refused certificate for instance, is not to be waited for. */
static uint64_t next_try_ms(const Upstream *upstream)
{
    uint64_t held_back_ms = upstream_held_back_ms(upstream);
    if (upstream->last_error_is_final)
        return 0;
    return held_back_ms > 0 ? held_back_ms : CALL_BUSY_RETRY_MS;
}

static void fail_unreachable(Call *call)
{
    const Upstream *upstream = call->upstream;
    const ProfileSettings *profile = upstream->profile;
    const char *metadata[] = {"profile", profile->name, "host", profile->host, NULL};
    StatusDetails details = {
        .reason = "UPSTREAM_UNREACHABLE", .metadata = metadata, .retry_after_ms = next_try_ms(upstream)};
    if (upstream->last_error[0] && fallback_take(call, upstream->last_error))
        return;
    if (upstream->last_error[0] && call->broken_since_ns)
        call_fail(call, STATUS_UNAVAILABLE, &details,
                  "sparkbouncer: the results broke off %" PRIu64 " s ago and cannot go on: %s",
                  (clock_now_ns() - call->broken_since_ns) / NS_PER_S, upstream->last_error);
    else if (upstream->last_error[0])
        call_fail(call, STATUS_UNAVAILABLE, &details, "sparkbouncer: %s", upstream->last_error);
    else
        call_fail(call, STATUS_UNAVAILABLE, &details,
                  "sparkbouncer: no connection to %s:%u (profile %s) was free within %" PRIu64
                  " ms; the server may be allowing too few calls at a time",
                  profile->host, profile->port, profile->name, profile->connect_timeout_ms);
}

void call_on_waiter_failed(UpstreamWaiter *waiter)
{
    fail_unreachable(container_of(waiter, Call, waiter));
}

static void waited_long_enough(Call *call)
{
    switch (call->wait) {
    case WAIT_BACKOFF: call_try_again(call, call->reattaches, 0); break;
    case WAIT_CREDENTIAL: call_fail_without_credential(call); break;
    case WAIT_CONNECTION:
    case WAIT_REVIVAL: /* it has limits of its own */
    case WAIT_LOCAL:
    case WAIT_ARTIFACTS:
    case WAIT_PARTING:
    case WAIT_CLUSTER: fail_unreachable(call); break;
    }
}

void call_on_credential_ready(RefresherWaiter *waiter)
{
    call_dispatch(container_of(waiter, Call, credential_waiter));
}

void call_on_credential_failed(RefresherWaiter *waiter)
{
    call_fail_without_credential(container_of(waiter, Call, credential_waiter));
}

void call_on_deadline(Deadline *deadline)
{
    Call *call = container_of(deadline, Call, deadline);
    StatusDetails details = {.reason = "DEADLINE"};
    if (call->client_deadline_ns && call->client_deadline_ns <= clock_now_ns())
        call_fail(call, STATUS_DEADLINE_EXCEEDED, &details,
                  "sparkbouncer: the client's deadline has passed%s%s",
                  call->state == CALL_WAITING && call->upstream->last_error[0] ? "; " : "",
                  call->state == CALL_WAITING ? call->upstream->last_error : "");
    else if (call->is_reading_page)
        response_page_timeout(call);
    else
        waited_long_enough(call);
}

void call_set_deadline(Call *call, uint64_t limit_ns)
{
    uint64_t at_ns = call->client_deadline_ns;
    if (limit_ns && (at_ns == 0 || limit_ns < at_ns))
        at_ns = limit_ns;
    if (at_ns)
        deadline_set(&call->relay->deadlines, &call->deadline, at_ns);
    else
        deadline_clear(&call->relay->deadlines, &call->deadline);
}

/* ---- attempts */

void call_end_attempt(Call *call, uint32_t http2_error)
{
    PooledConnection *pooled = call->pooled;
    if (!pooled)
        return;
    call->pooled = NULL;
    if (stream_is_open(&call->to_upstream)) {
        bool may_be_unsent = !call->to_upstream.headers_done; /* the server has answered what it has read */
        stream_detach(&call->to_upstream, http2_error);
        if (may_be_unsent)
            call_pin_to_upstream(call, pooled->connection);
    }
    pooled_call_ended(pooled, call->is_bulk);
}

void call_forget_request(Call *call)
{
    call->request_is_kept = false;
    call->to_upstream.kept = NULL;
    piece_queue_deinit(&call->kept);
}

/* What was sent is put back before what was not; nothing of an earlier answer remains. */
static void rewind_request(Call *call)
{
    stream_rewind(&call->to_upstream, &call->kept);
    call->to_upstream.source = &call->from_client;
    call->to_upstream.kept = call->request_is_kept ? &call->kept : NULL;
    call->to_upstream.output_ends = call->from_client.ended;
}

size_t call_write_reattach(const Call *call, uint8_t *bytes, size_t capacity)
{
    const Envelope *envelope = &call->request.envelope;
    ReattachFields fields = {
        .session_id = mapped_call_session_id(call),
        .user_id = envelope_text(envelope, ENVELOPE_USER_ID),
        .operation_id = envelope_text(envelope, ENVELOPE_OPERATION_ID),
        .client_type = envelope_text(envelope, ENVELOPE_CLIENT_TYPE),
        .last_response_id = call->resume.last_response_id[0] ? call->resume.last_response_id : NULL,
        .client_observed_server_side_session_id =
            call->mapped && call->mapped->server_session_id[0]
                ? call->mapped->server_session_id
                : envelope_text(envelope, ENVELOPE_SERVER_SIDE_SESSION_ID),
    };
    return codec_write_reattach_request(bytes, capacity, &fields);
}

/* Our own request in place of the client's, which call_try_again() has put aside. */
static void queue_reattach(Call *call)
{
    uint8_t bytes[CODEC_REATTACH_SIZE];
    stream_clear(&call->to_upstream);
    size_t length = call_write_reattach(call, bytes, sizeof bytes);
    stream_queue(&call->to_upstream, bytes, length, NULL);
    call->to_upstream.output_ends = true;
}

static void prepare_again(Call *call)
{
    call->may_be_disconnected |= touch_end(call);
    call->is_gone = false;
    if (call->reattaches)
        queue_reattach(call);
    else
        rewind_request(call);
    if (call->mapped)
        mapped_call_again(call);
    message_watch_reset(&call->response);
    resume_again(&call->resume);
    call->knows_server_session = false; /* the server may be another */
}

/* More headers than the server takes could cost everybody's connection, not only this call. */
static bool fits_header_limit(Call *call, const PooledConnection *pooled)
{
    size_t limit = connection_header_limit(pooled->connection);
    if (call->request_headers.size <= limit)
        return true;
    const ProfileSettings *profile = call->upstream->profile;
    call_fail(call, STATUS_RESOURCE_EXHAUSTED, &(StatusDetails){.reason = "HEADERS_TOO_LARGE"},
              "sparkbouncer: the call's headers have %zu bytes with those of profile %s, and %s:%u takes "
              "%zu; send less "
              "metadata",
              call->request_headers.size, profile->name, profile->host, profile->port, limit);
    return false;
}

/* Results that have broken off may take longer to go on than a call may take to begin. */
static uint64_t limit_of_wait(const Call *call, uint64_t timeout_ms)
{
    bool is_broken = call->broken_since_ns && resume_is_possible(&call->resume);
    return is_broken ? call->broken_since_ns + call->upstream->profile->resume_timeout_ms * NS_PER_MS
                     : clock_now_ns() + timeout_ms * NS_PER_MS;
}

static void wait_for_connection(Call *call)
{
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_CONNECTION;
    call_set_deadline(call, limit_of_wait(call, call->upstream->profile->connect_timeout_ms));
    upstream_wait(call->upstream, &call->waiter);
}

/* Connecting goes on meanwhile. */
static void wait_for_credential(Call *call)
{
    const ProfileSettings *profile = call->upstream->profile;
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_CREDENTIAL;
    call_set_deadline(call, limit_of_wait(call, profile->credential_timeout_ms));
    upstream_connect(call->upstream);
    refresher_wait(call->upstream->refresher, &call->credential_waiter);
}

static void call_open(Call *call, PooledConnection *pooled)
{
    Credential *credential = refresher_current(call->upstream->refresher);
    if (!credential) { /* it has ended while the call waited for a connection */
        wait_for_credential(call);
        return;
    }
    if (call->n_attempts > 0)
        prepare_again(call);
    credential_ref(credential);
    credential_unref(call->credential);
    call->credential = credential;
    request_build_headers(call);
    if (!fits_header_limit(call, pooled))
        return;
    bool end = call->to_upstream.output_ends && call->to_upstream.output.n_bytes == 0;
    if (stream_send_request(&call->to_upstream, pooled->connection, &call->request_headers, end) != 0) {
        pooled->connection->peer_goes_away = true; /* no stream ids are left: another connection takes over */
        wait_for_connection(call);
        return;
    }
    fallback_sent(call);
    call->n_attempts++;
    call->retry_after_ms = 0;
    call->pooled = pooled;
    call->sent_ns = call->relay->http2.now_ns;
    call_set_state(call, CALL_RUNNING);
    pooled_call_begun(pooled, call->is_bulk);
    call_set_deadline(call, 0);
}

void call_dispatch(Call *call)
{
    call->is_bulk = !call->method || call->method->request_is_stream || call->method->response_is_stream;
    call->waiter.is_bulk = call->is_bulk;
    if (call->upstream->is_retired)
        call->upstream = relay_follow(call->relay, call->upstream);
    if (fallback_holds(call))
        return;
    if (!refresher_current(call->upstream->refresher)) {
        wait_for_credential(call);
        return;
    }
    PooledConnection *pooled = upstream_pick(call->upstream, call->is_bulk);
    if (pooled)
        call_open(call, pooled);
    else
        wait_for_connection(call);
}

/* From now on the stream's output is our own: the client's request stays in `kept`, or is gone. */
static void put_request_aside(Call *call)
{
    stream_rewind(&call->to_upstream, &call->kept);
    if (call->request_is_kept)
        stream_take_output(&call->to_upstream, &call->kept);
    else
        stream_clear(&call->to_upstream);
}

/* Each attempt may bring a window full of results: those of many would pile up for a client that does not
 * read. */
static bool has_much_unread(const Call *call)
{
    return call->from_client.output.n_bytes + spool_pending(call) >
           UNREAD_WINDOWS * call->relay->http2.limits.stream_window;
}

void call_try_again(Call *call, bool reattaches, uint64_t wait_ms)
{
    if (reattaches && !call->reattaches)
        put_request_aside(call);
    else if (!reattaches && call->reattaches)
        stream_clear(&call->to_upstream);
    call->reattaches = reattaches;
    if (reattaches && has_much_unread(call)) {
        call->broken_since_ns = clock_now_ns(); /* it is the client that is waited for */
        wait_ms = wait_ms > UNREAD_WAIT_MS ? wait_ms : UNREAD_WAIT_MS;
    }
    if (wait_ms == 0) {
        call_dispatch(call);
        return;
    }
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_BACKOFF;
    call_set_deadline(call, clock_now_ns() + wait_ms * NS_PER_MS);
}

void call_stop_waiting(Call *call)
{
    if (call->state != CALL_WAITING)
        return;
    switch (call->wait) {
    case WAIT_CONNECTION: upstream_stop_waiting(call->upstream, &call->waiter); break;
    case WAIT_CREDENTIAL: refresher_stop_waiting(call->upstream->refresher, &call->credential_waiter); break;
    case WAIT_LOCAL: fallback_stop_waiting(call); break;
    case WAIT_CLUSTER: cluster_stop_waiting(call->upstream->cluster, &call->cluster_waiter); break;
    case WAIT_REVIVAL: revival_let_go(call); break;
    case WAIT_ARTIFACTS: artifact_upload_let_go(call); break;
    case WAIT_PARTING: parting_let_go(call); break;
    case WAIT_BACKOFF: break;
    }
}

void call_on_waiter_ready(UpstreamWaiter *waiter, PooledConnection *pooled)
{
    call_open(container_of(waiter, Call, waiter), pooled);
}
