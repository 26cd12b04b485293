#include "relay/named_call.h"

#include <string.h>

#include "conf/values.h"
#include "spark/codec.h"

#define REQUEST_LIMIT (64 * 1024) /* of a request that is rebuilt; an Interrupt has some hundred bytes */

/* ---- which session */

/* What the client asks for comes before what the profile says. NULL: none; *ret_length counts without a NUL.
 */
static const char *wished_name(const Call *call, const ProfileSettings *profile, size_t *ret_length)
{
    const Header *header = header_list_find(&call->from_client.received_headers, "x-session");
    const char *name = profile->session;
    *ret_length = header ? header->value_length : name ? strlen(name) : 0;
    return header ? header->value : name;
}

static bool refuse_name(Call *call)
{
    call_fail(call, STATUS_INVALID_ARGUMENT, &(StatusDetails){.reason = "SESSION_NAME"},
              "sparkbouncer: x-session takes letters, digits, '.', '_' and '-', at most %d of them",
              VALUE_SESSION_NAME_MAX);
    return true;
}

static void attach(Call *call, const ProfileSettings *profile, const char *name)
{
    const Envelope *envelope = &call->request.envelope;
    const char *user_id = envelope_text(envelope, ENVELOPE_USER_ID);
    Session *session = call->session;
    NamedCall *named = call->named = mem_new(NamedCall);
    strcpy(session->name, name);
    named_session_id(user_id ? user_id : "", profile->name, name, named->session_id);
    strcpy(session->upstream_id, named->session_id);
    session_patch_init(&named->request, call->method->request, named->session_id);
    session_patch_init(&named->response, call->method->response, session->session_id);
}

/* ---- what is held of the request */

static void patch_held(Call *call)
{
    for (Piece *piece = call->to_upstream.output.head; piece; piece = piece->next)
        session_patch_apply(&call->named->request, (uint8_t *)(uintptr_t)piece->bytes, piece->length);
}

/* All that is held as one stretch; NULL when it is too much. free() */
static uint8_t *copy_held(const Call *call, size_t *ret_length)
{
    const PieceQueue *held = &call->to_upstream.output;
    if (held->n_bytes > REQUEST_LIMIT || held->n_bytes < FRAMING_PREFIX_SIZE)
        return NULL;
    uint8_t *bytes = mem_alloc(held->n_bytes);
    *ret_length = 0;
    for (const Piece *piece = held->head; piece; piece = piece->next) {
        memcpy(bytes + *ret_length, piece->bytes, piece->length);
        *ret_length += piece->length;
    }
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

/* interruptAll means what this client has started, not what the others have. */
static void narrow_interrupt(Call *call)
{
    char tag[NAMED_SESSION_TAG_SIZE];
    size_t length;
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    _cleanup_(mem_freep) uint8_t *bytes = copy_held(call, &length);
    named_session_tag(call->session->session_id, tag);
    if (bytes && codec_narrow_interrupt(bytes, length, tag, &request))
        replace_front(call, length, (const uint8_t *)request.bytes, request.length);
}

/* The session stays for the others; this client has done with it. */
static bool answer_release(Call *call)
{
    uint8_t response[FRAMING_PREFIX_SIZE + 4 * SESSION_ID_SIZE];
    const Session *session = call->session;
    const char *server_side = session->server_side_session_id[0] ? session->server_side_session_id : NULL;
    size_t length =
        codec_write_release_session_response(response, sizeof response, session->session_id, server_side);
    call_answer(call, response, length);
    return true;
}

bool named_call_begin(Call *call, const ProfileSettings *profile)
{
    size_t length;
    const char *wish = wished_name(call, profile, &length);
    if (!wish || !call->session || !call->method)
        return false;
    if (!value_is_session_name(wish, length))
        return refuse_name(call);
    if (call->session->is_clone || strlen(call->session->session_id) != SCANNER_ID_LENGTH)
        return false;
    char name[SESSION_NAME_SIZE] = "";
    memcpy(name, wish, length);
    attach(call, profile, name);
    patch_held(call);
    switch (call->method->id) {
    case METHOD_EXECUTE_PLAN: add_tag(call); return false;
    case METHOD_INTERRUPT: narrow_interrupt(call); return false;
    case METHOD_RELEASE_SESSION: return answer_release(call);
    default: return false;
    }
}

void named_call_cloned(Call *call)
{
    const Session *session = call->session;
    const char *id = envelope_text(&call->response.envelope, ENVELOPE_NEW_SESSION_ID);
    if (!id)
        return;
    Session *clone = registry_use(&call->relay->registry, session->owner, session->user_id, id,
                                  session->target, call->relay->http2.now_ns);
    if (clone)
        clone->is_clone = true;
}
