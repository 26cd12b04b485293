#include "relay/named_call.h"

#include <string.h>

#include "conf/values.h"
#include "relay/destination.h"
#include "relay/mapped_call.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define USES_NOTED    16          /* of so many calls one is noted as a use of the session */
#define REQUEST_LIMIT (64 * 1024) /* of a request that is rebuilt; an Interrupt has some hundred bytes */

/* ---- which session */

static const Header *wish_of(const Call *call)
{
    return header_list_find(&call->from_client.received_headers, "x-session");
}

/* The profile that the client means, wherever its calls go; after a reload it may be gone. */
static const ProfileSettings *profile_of(const Call *call)
{
    const Destination *destination = call->session ? call->session->target : NULL;
    if (destination && destination->profile)
        return destination->profile;
    return call->upstream ? call->upstream->profile : NULL;
}

static NamedSessionKey key_of(const Call *call)
{
    const ProfileSettings *profile = profile_of(call);
    return (NamedSessionKey){call->session->user_id, profile ? profile->name : "", call->session->name};
}

void named_call_id(const Call *call, char ret_id[UUID_TEXT_SIZE])
{
    NamedSessionKey key = key_of(call);
    named_sessions_id(&call->relay->named_sessions, &key, ret_id);
}

void named_call_first_id(Call *call, char ret_id[UUID_TEXT_SIZE])
{
    NamedSessionKey key = key_of(call);
    named_sessions_use(&call->relay->named_sessions, &key, call->started_ns);
    named_sessions_first_id(&key, ret_id);
}

void named_call_closed(Call *call)
{
    NamedSessionKey key = key_of(call);
    named_sessions_closed(&call->relay->named_sessions, &key, call->mapped->session_id);
}

static void refuse_name(Call *call)
{
    call_fail(call, STATUS_INVALID_ARGUMENT, &(StatusDetails){.reason = "SESSION_NAME"},
              "sparkbouncer: x-session takes letters, digits, '.', '_' and '-', at most %d of them",
              VALUE_SESSION_NAME_MAX);
}

/* The list of those that are known is looked through, so not at each call. */
static void note_use(const Call *call)
{
    NamedSessionKey key = key_of(call);
    if (call->session->n_calls % USES_NOTED == 1)
        named_sessions_use(&call->relay->named_sessions, &key, call->started_ns);
}

static void name_session(Call *call, const char *name, size_t length)
{
    Session *session = call->session;
    if (session->kind == SESSION_NAMED && strlen(session->name) == length &&
        memcmp(session->name, name, length) == 0) {
        note_use(call); /* it stays where it is, also when the name has moved on for others */
        return;
    }
    memcpy(session->name, name, length);
    session->name[length] = '\0';
    session->kind = SESSION_NAMED;
    named_call_id(call, session->upstream_id);
    note_use(call);
}

bool named_call_choose(Call *call)
{
    const Header *wish = wish_of(call);
    const Session *session = call->session;
    const ProfileSettings *profile = profile_of(call);
    const char *of_profile = profile ? profile->session : NULL;
    if (wish && !value_is_session_name(wish->value, wish->value_length)) {
        refuse_name(call);
        return false;
    }
    if (strlen(session->session_id) != SCANNER_ID_LENGTH)
        return true; /* no UUID: the server says so */
    if (wish)
        name_session(call, wish->value, wish->value_length);
    else if (of_profile && session->kind == SESSION_NEW)
        name_session(call, of_profile, strlen(of_profile));
    return true;
}

bool named_call_unreadable(Call *call)
{
    const ProfileSettings *profile = profile_of(call);
    if (!wish_of(call) && !(profile && profile->session))
        return false;
    call_fail(call, STATUS_INVALID_ARGUMENT, &(StatusDetails){.reason = "SESSION_UNREADABLE"},
              "sparkbouncer: the session of this %s cannot be read, since it is compressed or malformed, so "
              "that it cannot go to a named session; switch gRPC compression off in the client",
              call->method->name);
    return true;
}

/* ---- what is held of the request */

/* All that is held as one stretch; NULL when it is too much. free() */
static uint8_t *copy_held(const Call *call, size_t *ret_length)
{
    const PieceQueue *held = &call->to_upstream.output;
    if (held->n_bytes > REQUEST_LIMIT || held->n_bytes < FRAMING_PREFIX_SIZE)
        return NULL;
    uint8_t *bytes = mem_alloc(held->n_bytes);
    *ret_length = held->n_bytes;
    piece_queue_copy(held, bytes);
    return bytes;
}

/* Puts `bytes` in place of the first `length` bytes that are held. */
static void replace_front(Call *call, size_t length, const uint8_t *bytes, size_t n_bytes)
{
    PieceQueue front = PIECE_QUEUE_INIT, *held = &call->to_upstream.output;
    piece_queue_append(&front, bytes, n_bytes, NULL);
    call->relay->http2.n_queued_bytes += n_bytes;
    call->relay->http2.n_queued_bytes -= length;
    while (length > 0) {
        size_t part = held->head->length < length ? held->head->length : length;
        piece_queue_advance(held, part, NULL);
        length -= part;
    }
    piece_queue_prepend_all(held, &front);
}

/* The plan's message grows by one tag at its front, where a field may stand like anywhere else. */
static void add_tag(Call *call)
{
    char tag[NAMED_SESSION_TAG_SIZE];
    uint8_t front[FRAMING_PREFIX_SIZE + NAMED_SESSION_TAG_SIZE + 8];
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    size_t n_prefix = 0;
    for (const Piece *piece = call->to_upstream.output.head; piece && n_prefix < sizeof prefix;
         piece = piece->next)
        for (size_t i = 0; i < piece->length && n_prefix < sizeof prefix; i++)
            prefix[n_prefix++] = piece->bytes[i];
    if (n_prefix < sizeof prefix || prefix[0] != 0)
        return; /* compressed: it was not looked into either */
    named_session_tag(call->session->session_id, tag);
    Framing framing = {.n_prefix = sizeof prefix};
    memcpy(framing.prefix, prefix, sizeof prefix);
    uint32_t length = framing_message_length(&framing);
    size_t n_tag = codec_write_plan_tag(front + sizeof prefix, sizeof front - sizeof prefix, tag);
    if (n_tag == 0 || length > UINT32_MAX - n_tag)
        return;
    framing_write_prefix(front, length + (uint32_t)n_tag);
    replace_front(call, sizeof prefix, front, sizeof prefix + n_tag);
}

/* interruptAll means what this client has started, not what the others have. False: it cannot be told whether
 * it is one, and the call has been answered. */
static bool narrow_interrupt(Call *call)
{
    char tag[NAMED_SESSION_TAG_SIZE];
    size_t length;
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    _cleanup_(mem_freep) uint8_t *bytes = copy_held(call, &length);
    if (!bytes) {
        call_fail(call, STATUS_INVALID_ARGUMENT, &(StatusDetails){.reason = "INTERRUPT_TOO_LARGE"},
                  "sparkbouncer: an Interrupt in a named session has %d bytes at most", REQUEST_LIMIT);
        return false;
    }
    named_session_tag(call->session->session_id, tag);
    if (codec_narrow_interrupt(bytes, length, tag, &request))
        replace_front(call, length, (const uint8_t *)request.bytes, request.length);
    return true;
}

/* What it still runs would have ended with its session. */
static void interrupt_operations(const Call *call)
{
    char tag[NAMED_SESSION_TAG_SIZE];
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    named_session_tag(call->session->session_id, tag);
    codec_write_interrupt_tag(&request, call->session->user_id, call->session->upstream_id, tag);
    (void)own_call_begin(NULL, call->relay, call->upstream, call->session, METHOD_INTERRUPT,
                         (const uint8_t *)request.bytes, request.length);
}

/* The session stays for the others; this client has done with it. */
static void answer_release(Call *call)
{
    NamedSessionKey key = key_of(call);
    uint8_t response[FRAMING_PREFIX_SIZE + 4 * SESSION_ID_SIZE];
    const Session *session = call->session;
    const char *server_side = session->server_side_session_id[0] ? session->server_side_session_id : NULL;
    size_t length =
        codec_write_release_session_response(response, sizeof response, session->session_id, server_side);
    named_sessions_use(&call->relay->named_sessions, &key, call->started_ns);
    if (call->upstream && !list_is_empty(&session->operations))
        interrupt_operations(call);
    call_answer(call, response, length);
}

bool named_call_adapt(Call *call)
{
    switch (call->method->id) {
    case METHOD_EXECUTE_PLAN: add_tag(call); return false;
    case METHOD_INTERRUPT: return !narrow_interrupt(call);
    case METHOD_RELEASE_SESSION: answer_release(call); return true;
    default: return false;
    }
}
