#include "relay/own_call.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* What request_build_headers() makes the upstream's headers of, as if a client had sent it. */
static void add_headers(HeaderList *headers, const Method *method)
{
    const Header all[] = {
        HEADER_LITERAL(":method", "POST"),
        HEADER_LITERAL(":scheme", "http"),
        {":path", method->path, strlen(":path"), (uint32_t)strlen(method->path), NULL, NULL},
        HEADER_LITERAL(":authority", "localhost"),
        HEADER_LITERAL("te", "trailers"),
        HEADER_LITERAL("content-type", "application/grpc"),
        HEADER_LITERAL("user-agent", "sparkbouncer/" SPARKBOUNCER_VERSION),
        HEADER_LITERAL("grpc-timeout", "15S"), /* the time that is left replaces it */
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        header_list_add(headers, all[i]);
}

bool own_call_begin(OwnCall *own, Relay *relay, Upstream *upstream, Session *session, MethodId method,
                    const uint8_t *bytes, size_t length)
{
    HeaderList headers = HEADER_LIST_INIT;
    if (own && own->headers.n_entries > 0) {
        headers = own->headers;
        own->headers = (HeaderList)HEADER_LIST_INIT;
    } else {
        add_headers(&headers, method_get(method));
    }
    Call *call = call_new_own(relay, upstream, session, method_get(method), &headers, bytes, length);
    header_list_deinit(&headers);
    if (!own) {
        call_dispatch(call);
        return true;
    }
    call->own = own;
    own->call = call;
    own->problem[0] = own->server_side_session_id[0] = '\0';
    if (own->timeout_ms > 0)
        call->client_deadline_ns = call->started_ns + own->timeout_ms * NS_PER_MS;
    bool has_ended = false;
    own->has_ended = &has_ended;
    call_dispatch(call);
    if (has_ended)
        return false;
    own->has_ended = NULL;
    return true;
}

void own_call_leave(OwnCall *own)
{
    Call *call = own->call;
    if (!call)
        return;
    own->call = NULL;
    call->own = NULL;
    call->status = STATUS_CANCELLED;
    call_end_attempt(call, STREAM_CANCEL);
    call_finish(call);
}

bool own_call_is_taken_up(Call *call)
{
    if (!call->own || !call->own->ends_at_headers)
        return false;
    call->status = STATUS_OK;
    call_end_attempt(call, STREAM_CANCEL);
    call_finish(call);
    return true;
}

void own_call_ended(Call *call)
{
    OwnCall *own = call->own;
    call->own = NULL;
    if (!own)
        return;
    own->call = NULL;
    own->status = call->status;
    if (own->has_ended)
        *own->has_ended = true;
    else
        own->on_ended(own, call->status);
}

void own_call_heard(Call *call, const uint8_t *bytes, size_t length)
{
    if (!call->own || call->response.is_done || !call->method ||
        !message_watch_feed(&call->response, call->method->response, bytes, length))
        return;
    const char *id = envelope_text(&call->response.envelope, ENVELOPE_SERVER_SIDE_SESSION_ID);
    if (id && strlen(id) < sizeof call->own->server_side_session_id)
        strcpy(call->own->server_side_session_id, id);
}

void own_call_note(Call *call, const char *problem)
{
    if (call->own)
        (void)snprintf(call->own->problem, sizeof call->own->problem, "%s", problem);
}
