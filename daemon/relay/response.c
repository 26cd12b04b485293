/* The response side of a call: what comes back from an attempt, and what its end means. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "relay/artifact_upload.h"
#include "relay/call.h"
#include "relay/mapped_call.h"
#include "relay/own_call.h"
#include "relay/revival.h"
#include "relay/session_loss.h"
#include "rpc/status_retry.h"

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

static bool is_of_the_moment(unsigned http_status)
{
    return http_status == 408 || http_status == 429 || http_status >= 500;
}

/* The pause that an answer asks for: a status in its details, a page in its headers. */
static uint64_t retry_of_status(const HeaderList *trailers)
{
    const Header *details = header_list_find(trailers, "grpc-status-details-bin");
    return details ? status_retry_of_details(details->value, details->value_length) : 0;
}

static uint64_t retry_of_page(const HeaderList *headers)
{
    const Header *header = header_list_find(headers, "retry-after");
    return header ? status_retry_of_header(header->value, header->value_length, time(NULL)) : 0;
}

#define PAGE_LIMIT      1024 /* bytes that are read of a page for what it says */
#define PAGE_TIMEOUT_MS 2000

static void not_grpc(Call *call)
{
    unsigned http_status = http_status_of(&call->to_upstream.received_headers);
    const ProfileSettings *profile = call->upstream->profile;
    AttemptEnd end = is_of_the_moment(http_status) ? ATTEMPT_NOT_GRPC_NOW : ATTEMPT_NOT_GRPC;
    char type[80], reason[96];
    call->is_reading_page = false;
    call->retry_after_ms =
        end == ATTEMPT_NOT_GRPC_NOW ? retry_of_page(&call->to_upstream.received_headers) : 0;
    if (call_refused(call, http_status, call->page.bytes, call->page.length))
        return;
    (void)snprintf(reason, sizeof reason, "HTTP %u in place of an answer", http_status);
    if (call_recover(call, end, reason) || fallback_take(call, reason))
        return;
    if (!header_list_copy_value(&call->to_upstream.received_headers, "content-type", type, sizeof type))
        (void)snprintf(type, sizeof type, "no content type");
    const char *metadata[] = {"profile", profile->name, "host", profile->host, NULL};
    StatusDetails details = {.reason = "UPSTREAM_NOT_GRPC", .metadata = metadata};
    StatusCode code = call->response_started ? STATUS_UNAVAILABLE : status_from_http(http_status);
    if (code ==
        STATUS_UNAVAILABLE) /* clients take any other code that comes with a pause as one to retry, too */
        details.retry_after_ms = call->retry_after_ms;
    call_fail(call, code, &details,
              "sparkbouncer: %s:%u (profile %s) answered HTTP %u (%s), not gRPC; something between here and "
              "the Spark server, or the wrong port, answers in its place",
              profile->host, profile->port, profile->name, http_status, type);
}

/* Whether it speaks of the token or of the cluster only the page says. */
static void read_page(Call *call, bool end)
{
    text_clear(&call->page);
    if (end) {
        not_grpc(call);
        return;
    }
    call->is_reading_page = true;
    call_set_deadline(call, clock_now_ns() + PAGE_TIMEOUT_MS * NS_PER_MS);
}

static void page_received(Call *call, const uint8_t *bytes, size_t length)
{
    size_t room = PAGE_LIMIT - call->page.length;
    text_append_bytes(&call->page, (const char *)bytes, length < room ? length : room);
    stream_consume(&call->to_upstream, length);
    if (call->page.length >= PAGE_LIMIT)
        not_grpc(call);
}

void response_page_timeout(Call *call)
{
    not_grpc(call);
}

static void credential_accepted(const Call *call)
{
    if (call->credential)
        call->credential->was_accepted = true;
}

/* The headers stay with the call: an attempt's go when the next one is made. */
static const HeaderList *keep_headers(Call *call)
{
    HeaderList older = call->response_headers;
    call->response_headers = call->to_upstream.received_headers;
    call->to_upstream.received_headers = older;
    return &call->response_headers;
}

void response_headers_received(Call *call, bool end)
{
    const HeaderList *headers = &call->to_upstream.received_headers;
    unsigned http_status = http_status_of(headers);
    if (call->state != CALL_RUNNING)
        return;
    if (call->to_upstream.headers_too_large) {
        call_fail(
            call, STATUS_RESOURCE_EXHAUSTED, &(StatusDetails){.reason = "HEADERS_TOO_LARGE"},
            "sparkbouncer: the answer's headers have more than %zu bytes; raise header_limit if they must",
            call->relay->settings->header_limit);
        return;
    }
    bool has_status = end && read_status(call, headers);
    if (http_status != 200 || !(is_grpc(headers) || has_status)) {
        read_page(call, end);
        return;
    }
    if (end)
        return; /* a status alone, or nothing: response_ended() sees to it */
    if (!resume_is_possible(&call->resume))
        call_forget_request(call); /* it is being answered: never sent again */
    fallback_answered(call);
    if (own_call_is_taken_up(call) || call->response_started)
        return; /* the client's stream goes on */
    call->response_started = true;
    credential_accepted(call);
    spool_allow(call);
    stream_send_response(&call->from_client, keep_headers(call), false);
}

/* ---- messages */

/* The server's own id of the session, by which ReleaseExecute can be answered here. The first message of a
 * result tells it afresh, since the server may have been restarted. */
static void learn_server_session(Call *call)
{
    const char *id = envelope_text(&call->response.envelope, ENVELOPE_SERVER_SIDE_SESSION_ID);
    call->knows_server_session = true;
    if (call->session && id && strlen(id) < SESSION_ID_SIZE)
        strcpy(call->session->server_side_session_id, id);
}

/* Answers that cannot be resumed are looked into only until the session is known. */
static void learn_from_response(Call *call, const uint8_t *bytes, size_t length)
{
    Session *session = call->session;
    bool is_clone = call->method && call->method->id == METHOD_CLONE_SESSION;
    bool is_wanted = session && (call->method->response_is_stream || is_clone ||
                                 session->server_side_session_id[0] == '\0');
    if (!is_wanted)
        call->response.is_done = true;
    else if (message_watch_feed(&call->response, call->method->response, bytes, length)) {
        learn_server_session(call);
        if (is_clone)
            mapped_call_cloned(call);
    }
}

/* Follows a result stream. Returns how many of the bytes the client has already; SIZE_MAX: the stream has
 * been ended, because what was sent again is not what it has. */
static size_t follow_results(Call *call, const uint8_t *bytes, size_t length)
{
    const ProfileSettings *profile = call->upstream->profile;
    size_t known;
    bool message;
    switch (resume_pass(&call->resume, &call->response, call->method->response, bytes, length, &known,
                        &message)) {
    case RESUME_GO_ON: break;
    case RESUME_DIFFERS:
        call_fail(
            call, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "RESULTS_DIFFER"},
            "sparkbouncer: %s:%u (profile %s) sends another response after a cut than before it, in the "
            "middle of which the stream broke; it cannot go on here",
            profile->host, profile->port, profile->name);
        return SIZE_MAX;
    }
    if (message && !call->knows_server_session)
        learn_server_session(call);
    if (call->resume.runs_on && call->session)
        call->session->runs_on = true;
    if (known < length)
        call_progressed(call);
    if (call->request_is_kept && known < length)
        call_forget_request(call); /* of what has been answered nothing is sent again */
    return known;
}

void response_bytes_received(Call *call, const uint8_t *bytes, size_t length, Block *block)
{
    size_t known = 0;
    if (!stream_is_open(&call->from_client) || call->state != CALL_RUNNING) {
        own_call_heard(call, bytes, length);
        stream_consume(&call->to_upstream, length); /* nobody reads it */
        return;
    }
    if (call->is_reading_page) {
        page_received(call, bytes, length);
        return;
    }
    if (call->mapped) {
        session_patch_apply(&call->mapped->response, (uint8_t *)(uintptr_t)bytes, length);
        if (call->upload)
            artifact_upload_answered(call, bytes, length);
    }
    if (resume_is_possible(&call->resume))
        known = follow_results(call, bytes, length);
    else if (!call->response.is_done)
        learn_from_response(call, bytes, length);
    if (known > 0)
        stream_consume(&call->to_upstream, known < length ? known : length);
    if (known >= length)
        return;
    call->bytes_to_client += length - known;
    if (call->from_client.output.n_bytes < call->spool.above ||
        !spool_take(call, bytes + known, length - known, block))
        stream_queue(&call->from_client, bytes + known, length - known, block);
}

/* ---- the end */

/* A session that the server has never told its own id of, and does not know, is one that it has not seen: the
 * lost call was its first. */
static bool is_unknown_operation(const Call *call, const Header *message)
{
    bool is_new_session = !call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID].is_present;
    return header_says(message, "INVALID_HANDLE.OPERATION_NOT_FOUND") ||
           (is_new_session && header_says(message, "INVALID_HANDLE.SESSION_NOT_FOUND"));
}

/*
 * The server has taken up another request for the same results after this call's, and no newer call of the
 * client is known: it may be a touch, or one of an older call that has come late by another connection. That
 * is made up for once; who attaches elsewhere gets the operation. A call that has everything does not mind.
 */
static bool is_disconnected_by_us(Call *call, const Header *message)
{
    if (call->resume.state == RESUME_OFF || !header_says(message, "INVALID_CURSOR.DISCONNECTED"))
        return false;
    bool may_be = call->resume.state == RESUME_COMPLETE || call->may_be_disconnected;
    call->may_be_disconnected = false;
    return may_be;
}

/* A status in place of further results may be one after which they can go on. */
static bool recover_from_status(Call *call, const HeaderList *trailers)
{
    const Header *message = header_list_find(trailers, "grpc-message");
    if (is_disconnected_by_us(call, message))
        return call_recover(call, ATTEMPT_CUT_SHORT, "the daemon itself has reattached the operation");
    if (call->status == STATUS_OK)
        return resume_is_possible(&call->resume) &&
               call_recover(call, ATTEMPT_CUT_SHORT, "the server ended the stream for now");
    call->retry_after_ms = retry_of_status(trailers);
    if (revival_take(call, message ? message->value : NULL, message ? message->value_length : 0))
        return true;
    if (mapped_call_refused(call, message ? message->value : NULL, message ? message->value_length : 0))
        return true;
    if (call_refused(call, 200, message ? message->value : NULL, message ? message->value_length : 0))
        return true;
    if (call->status == STATUS_UNAVAILABLE)
        return call_recover(call, ATTEMPT_UNAVAILABLE, "the server says UNAVAILABLE");
    if (call->reattaches && is_unknown_operation(call, message))
        return call_recover(call, ATTEMPT_NO_OPERATION, "the server does not know the operation");
    return false;
}

/* What the server's last word means for what is known of the operation. */
static void learn_from_end(Call *call, const HeaderList *trailers)
{
    const Header *message = header_list_find(trailers, "grpc-message");
    bool is_whole = call->status == STATUS_OK && !resume_is_possible(&call->resume);
    bool is_spark_error = call->status == STATUS_INTERNAL && !header_says(message, "INVALID_CURSOR.");
    if (call->operation && (is_whole || is_spark_error))
        call->operation->is_running = false;
}

/* Passes on the answer of an attempt that consists of a status alone. */
static void pass_status_on(Call *call)
{
    const HeaderList *headers = &call->to_upstream.received_headers;
    if (!call->response_started) {
        call->response_started = true;
        stream_send_response(&call->from_client, keep_headers(call), true);
        return;
    }
    for (size_t i = 0; i < headers->n_entries; i++) { /* the headers have gone out: these are trailers now */
        Header header = headers->entries[i];
        header.name_buffer = header.value_buffer = NULL; /* the stream keeps them, up to the call's end */
        if (header.name[0] != ':' && !header_name_is(&header, "content-type"))
            header_list_add(&call->answer, header);
    }
    spool_queue_end(call, &call->answer);
}

static void ended_without_status(Call *call)
{
    const ProfileSettings *profile = call->upstream->profile;
    if (!call_recover(call, ATTEMPT_BROKEN, "the stream ended without a status"))
        call_fail(call, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "UPSTREAM_NO_STATUS"},
                  "sparkbouncer: the answer of %s:%u (profile %s) ended without a status; the server, or "
                  "something in between, gave up in the middle",
                  profile->host, profile->port, profile->name);
}

/* What a call of our own has come to, for who waits for it. */
static void note_problem(Call *call, const HeaderList *trailers)
{
    const Header *message = header_list_find(trailers, "grpc-message");
    if (!call->own || call->status == STATUS_OK)
        return;
    _cleanup_(mem_freep) char *problem =
        status_decode_message(message ? message->value : "", message ? message->value_length : 0);
    own_call_note(call, *problem ? problem : status_name(call->status));
}

void response_ended(Call *call)
{
    if (call->state != CALL_RUNNING)
        return;
    if (call->is_reading_page) {
        not_grpc(call);
        return;
    }
    HeaderList *headers = &call->to_upstream.received_headers;
    HeaderList *trailers = &call->to_upstream.received_trailers;
    bool is_status_alone = trailers->n_entries == 0 && header_list_find(headers, "grpc-status");
    HeaderList *last = is_status_alone ? headers : trailers;
    call->upstream_ended_ns = call->relay->http2.now_ns;
    if (call->to_upstream.headers_too_large || !read_status(call, last)) {
        ended_without_status(call);
        return;
    }
    if (recover_from_status(call, last))
        return;
    credential_accepted(call);
    note_problem(call, last);
    learn_from_end(call, last);
    if (call->status != STATUS_UNAVAILABLE)
        fallback_answered(call);
    session_loss_tell(call, last);
    call_set_state(call, CALL_ANSWERED);
    deadline_clear(&call->relay->deadlines, &call->deadline);
    if (is_status_alone)
        pass_status_on(call);
    else
        spool_queue_end(call, trailers);
    if (stream_is_open(&call->from_client))
        return;
    /* One of our own: the server may not have read all of it, and need not. */
    call_end_attempt(call, STREAM_CANCEL);
    call_finish(call);
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
    char reason[256];
    if (call->is_reading_page) {
        not_grpc(call);
        return;
    }
    if (connection_lost)
        (void)snprintf(reason, sizeof reason, "%s", connection->end->reason);
    else
        (void)snprintf(reason, sizeof reason, "the server reset the stream (HTTP/2 error %u)", http2_error);
    if (call_recover(call, http2_error == STREAM_REFUSED ? ATTEMPT_UNPROCESSED : ATTEMPT_BROKEN, reason))
        return;
    const char *metadata[] = {"profile", profile->name, "host", profile->host, NULL};
    StatusDetails details = {.reason = "UPSTREAM_LOST", .metadata = metadata};
    StatusCode code = connection_lost ? STATUS_UNAVAILABLE : status_of_reset(call, http2_error);
    if (code == STATUS_UNAVAILABLE) /* as above */
        details.retry_after_ms = upstream_held_back_ms(call->upstream);
    if (call->broken_since_ns)
        call_fail(call, code, &details,
                  "sparkbouncer: lost %s:%u (profile %s) and could not go on within %llu s: %s",
                  profile->host, profile->port, profile->name,
                  (unsigned long long)((clock_now_ns() - call->broken_since_ns) / NS_PER_S), reason);
    else
        call_fail(call, code, &details,
                  "sparkbouncer: lost %s:%u (profile %s) while it worked on this call: %s", profile->host,
                  profile->port, profile->name, reason);
}
