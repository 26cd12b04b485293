/* The response side of a call: what comes back from an attempt, and what its end means. */

#include <stdio.h>
#include <string.h>

#include "relay/call.h"
#include "relay/replay.h"

static const char GRPC_CONTENT_TYPE[] = "application/grpc";

/* ---- headers */

static unsigned http_status_of(const HeaderList *headers)
{
    const Header *header = header_list_find(headers, ":status");
    unsigned status = 0;
    for (uint32_t i = 0; header && i < header->value_length && i < 3; i++)
        status = status * 10 + (unsigned)(header->value[i] - '0');
    return status;
}

static bool is_grpc(const HeaderList *headers)
{
    const Header *type = header_list_find(headers, "content-type");
    return type && type->value_length >= sizeof GRPC_CONTENT_TYPE - 1 &&
           memcmp(type->value, GRPC_CONTENT_TYPE, sizeof GRPC_CONTENT_TYPE - 1) == 0;
}

static bool read_status(Call *call, const HeaderList *headers)
{
    const Header *header = header_list_find(headers, "grpc-status");
    return header && status_parse(header->value, header->value_length, &call->status);
}

static void fail_not_grpc(Call *call, unsigned http_status)
{
    const ProfileSettings *profile = call->upstream->profile;
    char type[80];
    if (!header_list_copy_value(&call->to_upstream.received_headers, "content-type", type, sizeof type))
        (void)snprintf(type, sizeof type, "no content type");
    const char *metadata[] = {"profile", profile->name, "host", profile->host, NULL};
    StatusDetails details = {.reason = "UPSTREAM_NOT_GRPC", .metadata = metadata};
    call_fail(call, status_from_http(http_status), &details,
              "sparkbouncer: %s:%u (profile %s) answered HTTP %u (%s), not gRPC; something between here and "
              "the Spark "
              "server, or the wrong port, answers in its place",
              profile->host, profile->port, profile->name, http_status, type);
}

void response_headers_received(Call *call, bool end)
{
    const HeaderList *headers = &call->to_upstream.received_headers;
    unsigned http_status = http_status_of(headers);
    if (call->state != CALL_RUNNING)
        return;
    call->to_upstream.kept = NULL; /* it is being answered: never sent again */
    piece_queue_deinit(&call->kept);
    if (call->to_upstream.headers_too_large) {
        call_fail(
            call, STATUS_RESOURCE_EXHAUSTED, &(StatusDetails){.reason = "HEADERS_TOO_LARGE"},
            "sparkbouncer: the answer's headers have more than %zu bytes; raise header_limit if they must",
            call->relay->settings->header_limit);
        return;
    }
    bool has_status = end && read_status(call, headers);
    if (http_status != 200 || !(is_grpc(headers) || has_status)) {
        fail_not_grpc(call, http_status);
        return;
    }
    if (end && !has_status)
        return; /* response_ended says what is missing */
    call->response_started = true;
    stream_send_response(&call->from_client, headers, end);
}

/* ---- messages */

/* The server's own id of the session, by which ReleaseExecute can be answered here. The first message of a
 * result tells it afresh, since the server may have been restarted; other answers are looked into only until
 * it is known. */
static void learn_from_response(Call *call, const uint8_t *bytes, size_t length)
{
    Session *session = call->session;
    bool is_wanted =
        session && (call->method->response_is_stream || session->server_side_session_id[0] == '\0');
    if (!is_wanted) {
        call->response.is_done = true;
        return;
    }
    if (!message_watch_feed(&call->response, call->method->response, bytes, length))
        return;
    const char *id = envelope_text(&call->response.envelope, ENVELOPE_SERVER_SIDE_SESSION_ID);
    call->response.is_done = true;
    if (id && strlen(id) < SESSION_ID_SIZE)
        strcpy(session->server_side_session_id, id);
}

void response_bytes_received(Call *call, const uint8_t *bytes, size_t length, Block *block)
{
    if (!stream_is_open(&call->from_client) || call->state != CALL_RUNNING) {
        stream_consume(&call->to_upstream, length); /* nobody reads it */
        return;
    }
    call->bytes_to_client += length;
    if (!call->response.is_done)
        learn_from_response(call, bytes, length);
    stream_queue(&call->from_client, bytes, length, block);
}

/* ---- the end */

/* The client gets the server's own words; that it is the profile's token, not its own, only we can tell. */
static void explain_refusal(const Call *call)
{
    const ProfileSettings *profile = call->upstream->profile;
    if (call->status == STATUS_UNAUTHENTICATED)
        relay_log_failure(call->relay,
                          "%s:%u refuses the token of profile %s (UNAUTHENTICATED); put a valid one into the "
                          "profile and restart",
                          profile->host, profile->port, profile->name);
}

void response_ended(Call *call)
{
    if (call->state != CALL_RUNNING)
        return;
    const HeaderList *trailers = &call->to_upstream.received_trailers;
    bool is_trailers_only = trailers->n_entries == 0 && call->from_client.end_sent;
    call->upstream_ended_ns = call->relay->http2.now_ns;
    if (!is_trailers_only && (call->to_upstream.headers_too_large || !read_status(call, trailers))) {
        const ProfileSettings *profile = call->upstream->profile;
        call_fail(call, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "UPSTREAM_NO_STATUS"},
                  "sparkbouncer: the answer of %s:%u (profile %s) ended without a status; the server, or "
                  "something in "
                  "between, gave up in the middle",
                  profile->host, profile->port, profile->name);
        return;
    }
    explain_refusal(call);
    call_set_state(call, CALL_ANSWERED);
    deadline_clear(&call->relay->deadlines, &call->deadline);
    if (!is_trailers_only)
        stream_queue_end(&call->from_client, trailers);
}

/*
 * What goes wrong below gRPC reaches the client as UNAVAILABLE, which Spark clients retry or reattach after.
 * Only a server that cancels a call that no client can resume means just that.
 */
static StatusCode status_of_reset(const Call *call, uint32_t http2_error)
{
    bool is_resumable = call->method && call->method->response_is_stream;
    return http2_error == STREAM_CANCEL && !is_resumable ? STATUS_CANCELLED : STATUS_UNAVAILABLE;
}

void response_broken(Call *call, uint32_t http2_error)
{
    const ProfileSettings *profile = call->upstream->profile;
    const Connection *connection = call->pooled->connection;
    bool connection_lost = connection->state >= CONNECTION_CLOSING;
    ReplayFacts facts = {
        .was_unprocessed = http2_error == STREAM_REFUSED,
        .response_started = call->response_started,
        .request_is_kept = call->to_upstream.kept != NULL || call->to_upstream.n_sent == 0,
        .n_attempts = call->n_attempts,
    };
    char reason[256];
    if (connection_lost)
        (void)snprintf(reason, sizeof reason, "%s", connection->end->reason);
    else
        (void)snprintf(reason, sizeof reason, "the server reset the stream (HTTP/2 error %u)", http2_error);
    call->upstream_ended_ns = call->relay->http2.now_ns;
    call_end_attempt(call, STREAM_CANCEL);
    if (replay_decide(&facts) == REPLAY_AGAIN) {
        call->relay->counts.n_replayed++;
        call_dispatch(call);
        return;
    }
    const char *metadata[] = {"profile", profile->name, "host", profile->host, NULL};
    StatusDetails details = {.reason = "UPSTREAM_LOST", .metadata = metadata};
    call_fail(call, connection_lost ? STATUS_UNAVAILABLE : status_of_reset(call, http2_error), &details,
              "sparkbouncer: lost %s:%u (profile %s) while it worked on this call: %s", profile->host,
              profile->port, profile->name, reason);
}
