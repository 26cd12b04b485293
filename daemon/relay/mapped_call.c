#include "relay/mapped_call.h"

#include <string.h>

#include "relay/named_call.h"

#define MAX_MOVES                                                                                            \
    64 /* ids tried for one call: a name that expires after an hour's rest has as many in days */

static void init_request_patch(Call *call)
{
    MappedCall *mapped = call->mapped;
    session_patch_init(&mapped->request, call->method->request, mapped->session_id);
    if (mapped->server_session_id[0])
        session_patch_add(&mapped->request, ENVELOPE_SERVER_SIDE_SESSION_ID, mapped->server_session_id);
}

static void attach(Call *call)
{
    const Session *session = call->session;
    MappedCall *mapped = call->mapped = mem_new(MappedCall);
    strcpy(mapped->session_id, session->upstream_id);
    if (session->kind != SESSION_NAMED) /* it may have been another before it was called by a name */
        strcpy(mapped->server_session_id, session->upstream_server_id);
    init_request_patch(call);
    session_patch_init(&mapped->response, call->method->response, session->session_id);
    if (mapped->server_session_id[0])
        session_patch_add(&mapped->response, ENVELOPE_SERVER_SIDE_SESSION_ID,
                          session->server_side_session_id);
}

void mapped_call_move(Call *call)
{
    free(call->mapped);
    attach(call);
    call->mapped->is_moved = true;
}

static void patch_held(Call *call)
{
    for (Piece *piece = call->to_upstream.output.head; piece; piece = piece->next)
        session_patch_apply(&call->mapped->request, (uint8_t *)(uintptr_t)piece->bytes, piece->length);
}

/* Once for each session of a client, so that a reload does not move it; only what the client itself says
 * later comes before that. False: the call has been answered. */
static bool choose_session(Call *call)
{
    Session *session = call->session;
    if (session->kind == SESSION_CLONE)
        return true;
    if (!named_call_choose(call))
        return false;
    if (session->kind == SESSION_NEW)
        warm_sessions_choose(call);
    if (session->kind == SESSION_NEW)
        session->kind = SESSION_OWN;
    return true;
}

const char *mapped_call_session_id(const Call *call)
{
    return call->mapped ? call->mapped->session_id : call->session->session_id;
}

bool mapped_call_begin(Call *call)
{
    if (!call->method)
        return false;
    if (!call->session)
        return named_call_unreadable(call);
    if (!choose_session(call))
        return true;
    if (call->session->upstream_id[0] == '\0')
        return false;
    attach(call);
    patch_held(call);
    return call->session->kind == SESSION_NAMED && named_call_adapt(call);
}

void mapped_call_again(Call *call)
{
    MappedCall *mapped = call->mapped;
    session_patch_restart(&mapped->response);
    if (!mapped->is_moved || call->reattaches)
        return;
    mapped->is_moved = false;
    init_request_patch(call);
    patch_held(call);
}

/* Whether the client has ever got something of the session, in which case it must be told that it is gone. */
static bool is_new_to_client(const Call *call)
{
    const Session *session = call->session;
    bool has_moved_meanwhile = strcmp(session->upstream_id, call->mapped->session_id) != 0;
    return call->request.is_done &&
           !call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID].is_present &&
           (session->server_side_session_id[0] == '\0' || has_moved_meanwhile);
}

static void choose_another(Call *call)
{
    Session *session = call->session;
    if (session->kind == SESSION_NAMED)
        named_call_id(call, session->upstream_id);
    else
        strcpy(session->upstream_id, session->session_id);
}

static void move(Call *call)
{
    Session *session = call->session;
    if (strcmp(session->upstream_id, call->mapped->session_id) == 0) {
        choose_another(call);
        session->server_side_session_id[0] = '\0';
    }
    strcpy(call->mapped->session_id, session->upstream_id);
    call->mapped->is_moved = true;
    call_end_attempt(call, STREAM_CANCEL);
    call_try_again(call, false, 0);
}

bool mapped_call_refused(Call *call, const char *message, size_t length)
{
    static const char CLOSED[] = "INVALID_HANDLE.SESSION_CLOSED";
    if (!call->mapped || !message || !memmem(message, length, CLOSED, sizeof CLOSED - 1))
        return false;
    if (call->session->kind == SESSION_NAMED)
        named_call_closed(call);
    if (!is_new_to_client(call) || !call->request_is_kept || call->n_attempts >= MAX_MOVES)
        return false;
    move(call);
    return true;
}

void mapped_call_cloned(Call *call)
{
    const Session *session = call->session;
    const char *id = envelope_text(&call->response.envelope, ENVELOPE_NEW_SESSION_ID);
    if (!id || session->is_forgotten) /* then its target may be gone, too */
        return;
    Session *clone = registry_use(&call->relay->registry, session->owner, session->user_id, id,
                                  session->target, call->relay->http2.now_ns);
    if (!clone)
        return;
    clone->kind = SESSION_CLONE;
    registry_pin(&call->relay->registry, clone);
}
