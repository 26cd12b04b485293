#include "relay/call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "relay/artifact_upload.h"
#include "relay/mapped_call.h"
#include "relay/own_call.h"
#include "relay/release.h"
#include "relay/revival.h"
#include "relay/touch.h"

#define MAX_SPARE_CALLS     64
#define OWN_CALL_TIMEOUT_MS 15000 /* others may wait for a call of our own */

/* ---- states */

static const char *const STATE_NAMES[] = {
    [CALL_RECEIVING] = "RECEIVING", [CALL_HOLDING] = "HOLDING",   [CALL_WAITING] = "WAITING",
    [CALL_RUNNING] = "RUNNING",     [CALL_ANSWERED] = "ANSWERED", [CALL_ENDED] = "ENDED"};

#define TO(state) (1u << (state))
static const unsigned TRANSITIONS[] = {
    [CALL_RECEIVING] = TO(CALL_HOLDING) | TO(CALL_ANSWERED) | TO(CALL_ENDED),
    [CALL_HOLDING] = TO(CALL_WAITING) | TO(CALL_RUNNING) | TO(CALL_ANSWERED) | TO(CALL_ENDED),
    [CALL_WAITING] = TO(CALL_WAITING) | TO(CALL_RUNNING) | TO(CALL_ANSWERED) | TO(CALL_ENDED),
    [CALL_RUNNING] = TO(CALL_WAITING) | TO(CALL_RUNNING) | TO(CALL_ANSWERED) | TO(CALL_ENDED),
    [CALL_ANSWERED] = TO(CALL_ENDED),
    [CALL_ENDED] = 0,
};

void call_set_state(Call *call, CallState state)
{
    if (!(TRANSITIONS[call->state] & TO(state))) {
        log_write(call->relay->log, LOG_LEVEL_ERROR, "a call cannot go from %s to %s; please report this",
                  STATE_NAMES[call->state], STATE_NAMES[state]);
        abort();
    }
    call->state = state;
}

/* ---- events of the two streams */

static void on_client_headers(Stream *stream, bool end)
{
    (void)end;
    request_headers_received(container_of(stream, Call, from_client));
}

static void on_client_data(Stream *stream, const uint8_t *bytes, size_t length, Block *block)
{
    Call *call = container_of(stream, Call, from_client);
    call->bytes_from_client += length;
    if (call->state >= CALL_ANSWERED) {
        stream_consume(stream, length); /* nobody wants it any more */
        return;
    }
    ArtifactUpload *upload = NULL;
    if (call->mapped) {
        session_patch_apply(&call->mapped->request, (uint8_t *)(uintptr_t)bytes, length);
        upload = call->upload;
        if (upload && artifact_upload_is_held(upload))
            block = NULL; /* a copy, since it may stay for long */
    }
    if (!call->reattaches)
        stream_queue(&call->to_upstream, bytes, length, block);
    else if (call->request_is_kept) /* what is under way is a request of ours */
        piece_queue_append(&call->kept, bytes, length, block);
    else
        stream_consume(stream, length);
    request_bytes_received(call, bytes, length);
    if (upload)
        artifact_upload_received(call, bytes, length);
}

static void on_client_end(Stream *stream)
{
    Call *call = container_of(stream, Call, from_client);
    if (call->state >= CALL_ANSWERED)
        return;
    if (!call->reattaches)
        stream_queue_end(&call->to_upstream, NULL);
    request_ended(call);
    if (call->request_is_kept)
        revival_note_request(call, true);
}

static void on_client_closed(Stream *stream, uint32_t error_code)
{
    (void)error_code; /* whatever the client's reason, to the server it is a cancelled call */
    Call *call = container_of(stream, Call, from_client);
    if (call->state < CALL_ANSWERED)
        call->status = STATUS_CANCELLED;
    call_end_attempt(call, STREAM_CANCEL);
    call_finish(call);
}

static const StreamEvents CLIENT_EVENTS = {.on_headers = on_client_headers,
                                           .on_data = on_client_data,
                                           .on_end = on_client_end,
                                           .on_drained = spool_on_drained,
                                           .on_closed = on_client_closed};

static void on_upstream_headers(Stream *stream, bool end)
{
    response_headers_received(container_of(stream, Call, to_upstream), end);
}

static void on_upstream_data(Stream *stream, const uint8_t *bytes, size_t length, Block *block)
{
    response_bytes_received(container_of(stream, Call, to_upstream), bytes, length, block);
}

static void on_upstream_end(Stream *stream)
{
    response_ended(container_of(stream, Call, to_upstream));
}

static void on_upstream_closed(Stream *stream, uint32_t error_code)
{
    Call *call = container_of(stream, Call, to_upstream);
    if (call->state == CALL_RUNNING) {
        response_broken(call, error_code);
        return;
    }
    call_end_attempt(call, error_code);
    if (!stream_is_open(&call->from_client))
        call_finish(call); /* a call of our own: its answer was all there was to wait for */
}

static const StreamEvents UPSTREAM_EVENTS = {.on_headers = on_upstream_headers,
                                             .on_data = on_upstream_data,
                                             .on_end = on_upstream_end,
                                             .on_closed = on_upstream_closed};

/* ---- life */

static Call *call_take(Relay *relay)
{
    ListLink *link = list_first(&relay->spare_calls);
    Call *call;
    if (link) {
        list_remove(&relay->spare_calls, link);
        call = container_of(link, Call, link);
    } else {
        call = mem_new(Call);
        stream_init(&call->from_client, &relay->http2, &CLIENT_EVENTS);
        stream_init(&call->to_upstream, &relay->http2, &UPSTREAM_EVENTS);
        list_link_init(&call->link);
        list_link_init(&call->waiter.link);
        list_link_init(&call->credential_waiter.link);
        list_link_init(&call->cluster_waiter.link);
        call->relay = relay;
        call->deadline = (Deadline)DEADLINE_INIT(call_on_deadline);
        call->waiter.on_ready = call_on_waiter_ready;
        call->waiter.on_failed = call_on_waiter_failed;
        call->credential_waiter.on_ready = call_on_credential_ready;
        call->credential_waiter.on_failed = call_on_credential_failed;
        call->cluster_waiter.on_known = call_on_cluster_known;
    }
    list_append(&relay->calls, &call->link);
    call->state = CALL_RECEIVING;
    call->status = STATUS_UNKNOWN;
    call->started_ns = relay->http2.now_ns;
    message_watch_reset(&call->request);
    message_watch_reset(&call->response);
    resume_reset(&call->resume);
    spool_init(&call->spool);
    call->request_is_kept = true;
    call->to_upstream.source = &call->from_client;
    call->from_client.source = &call->to_upstream;
    call->to_upstream.kept = &call->kept;
    return call;
}

Call *call_new(Client *client)
{
    Call *call = call_take(client->relay);
    call->client = client;
    client->n_calls++;
    return call;
}

Call *call_new_own(Relay *relay, Upstream *upstream, Session *session, const Method *method,
                   HeaderList *headers, const uint8_t *bytes, size_t length)
{
    Call *call = call_take(relay);
    HeaderList empty = call->from_client.received_headers;
    call->from_client.received_headers = *headers;
    *headers = empty;
    call->method = method;
    call->upstream = upstream_ref(upstream);
    call->session = session ? session_ref(session) : NULL;
    call->from_client.ended = true;
    call->to_upstream.output_ends = true;
    stream_queue(&call->to_upstream, bytes, length, NULL);
    call->started_ns = clock_now_ns();
    call->client_deadline_ns = call->started_ns + OWN_CALL_TIMEOUT_MS * NS_PER_MS;
    call_set_state(call, CALL_HOLDING);
    return call;
}

static void call_destroy(Call *call)
{
    stream_deinit(&call->from_client);
    stream_deinit(&call->to_upstream);
    header_list_deinit(&call->request_headers);
    header_list_deinit(&call->response_headers);
    header_list_deinit(&call->answer);
    free(call);
}

void call_free_spare(Relay *relay)
{
    for (ListLink *link; (link = list_first(&relay->spare_calls));) {
        list_remove(&relay->spare_calls, link);
        call_destroy(container_of(link, Call, link));
    }
}

/* Nothing refers to it any more: it is made ready for the next one. */
static void call_recycle(Call *call)
{
    Relay *relay = call->relay;
    stream_clear(&call->from_client);
    stream_clear(&call->to_upstream);
    piece_queue_deinit(&call->kept);
    header_list_clear(&call->request_headers);
    header_list_clear(&call->response_headers);
    header_list_clear(&call->answer);
    free(call->answer_text);
    call->answer_text = NULL;
    call->credential = credential_unref(call->credential);
    text_deinit(&call->page);
    free(call->refusal_words);
    call->refusal_words = NULL;
    free(call->mapped);
    call->mapped = NULL;
    call->method = NULL;
    call->release = NULL;
    call->path = NULL;
    call->upstream = upstream_unref(call->upstream);
    call->client_deadline_ns = call->sent_ns = call->upstream_ended_ns = 0;
    call->bytes_from_client = call->bytes_to_client = 0;
    call->n_attempts = 0;
    call->broken_since_ns = call->retry_after_ms = call->touched_ns = call->bytes_at_sweep = 0;
    call->may_be_disconnected = call->is_let_go = call->is_gone = false;
    call->response_started = call->is_reading_page = call->is_bulk = false;
    call->reattaches = call->knows_server_session = call->token_was_refused = false;
    if (relay->spare_calls.n_entries < MAX_SPARE_CALLS)
        list_append(&relay->spare_calls, &call->link);
    else
        call_destroy(call);
}

static void unpin(Call *call)
{
    if (--call->n_pins == 0 &&
        call->state == CALL_ENDED) /* a pin may be gone before the client's stream is */
        call_recycle(call);
}

static void on_client_pin_released(Pin *pin)
{
    unpin(container_of(pin, Call, client_pin));
}

static void on_upstream_pin_released(Pin *pin)
{
    unpin(container_of(pin, Call, upstream_pin));
}

/* Keeps the call while nghttp2 may still refer to its strings. */
static void pin_to(Call *call, Connection *connection, Pin *pin, void (*release)(Pin *))
{
    pin->release = release;
    if (connection && connection->session && connection_pin(connection, pin))
        call->n_pins++;
}

void call_finish(Call *call)
{
    Relay *relay = call->relay;
    if (call->state == CALL_ENDED)
        return;
    call_stop_waiting(call);
    spool_close(call);
    call_set_state(call, CALL_ENDED);
    deadline_clear(&relay->deadlines, &call->deadline);
    relay->counts.n_calls++;
    relay->counts.n_failed += call->status != STATUS_OK;
    relay->counts.bytes_to_clients += call->bytes_to_client;
    relay->counts.bytes_to_servers += call->bytes_from_client;
    call_log(call);
    (void)touch_end(call);
    own_call_ended(call);
    artifact_upload_ended(call);
    release_call_ended(call);
    revival_call_ended(call);
    if (call->operation) {
        call->operation->streaming = NULL;
        call->operation->is_running &= call->resume.state != RESUME_COMPLETE;
    }
    call->operation = NULL;
    bool is_released =
        call->method && call->method->id == METHOD_RELEASE_SESSION && call->status == STATUS_OK;
    if (is_released && call->session && !call->session->parting) /* else the server is still being told */
        registry_forget(&relay->registry, call->session);
    call->session = session_unref(call->session);
    if (call->client)
        pin_to(call, call->client->connection, &call->client_pin, on_client_pin_released);
    call->client = NULL;
    list_remove(&relay->calls, &call->link);
    if (call->n_pins == 0)
        call_recycle(call);
    relay_check_idle(relay);
}

void call_pin_to_upstream(Call *call, Connection *connection)
{
    pin_to(call, connection, &call->upstream_pin, on_upstream_pin_released);
}
