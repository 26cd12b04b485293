#include "spark/codec.h"

#include "proto/envelope.pb-c.h"
#include "rpc/framing.h"

#define INTERRUPT_ALL       1 /* InterruptType */
#define INTERRUPT_TAG       2
#define INTERRUPT_OPERATION 3

static size_t write_framed(const ProtobufCMessage *message, uint8_t *bytes, size_t capacity)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    if (capacity < FRAMING_PREFIX_SIZE || length > capacity - FRAMING_PREFIX_SIZE || length > UINT32_MAX)
        return 0;
    framing_write_prefix(bytes, (uint32_t)length);
    return FRAMING_PREFIX_SIZE + protobuf_c_message_pack(message, bytes + FRAMING_PREFIX_SIZE);
}

size_t codec_write_release_response(uint8_t *bytes, size_t capacity, const char *session_id,
                                    const char *operation_id, const char *server_side_session_id)
{
    Sparkbouncer__Envelope__ReleaseExecuteResponse response =
        SPARKBOUNCER__ENVELOPE__RELEASE_EXECUTE_RESPONSE__INIT;
    /* protobuf-c does not write through these. */
    response.session_id = (char *)session_id;
    response.operation_id = (char *)operation_id;
    response.server_side_session_id = (char *)server_side_session_id;

    return write_framed(&response.base, bytes, capacity);
}

size_t codec_write_reattach_request(uint8_t *bytes, size_t capacity, const ReattachFields *fields)
{
    Sparkbouncer__Envelope__UserContext user = SPARKBOUNCER__ENVELOPE__USER_CONTEXT__INIT;
    Sparkbouncer__Envelope__ReattachExecuteRequest request =
        SPARKBOUNCER__ENVELOPE__REATTACH_EXECUTE_REQUEST__INIT;
    user.user_id = (char *)fields->user_id;
    request.user_context = fields->user_id ? &user : NULL;
    request.session_id = (char *)fields->session_id;
    request.operation_id = (char *)fields->operation_id;
    request.client_type = (char *)fields->client_type;
    request.last_response_id = (char *)fields->last_response_id;
    request.client_observed_server_side_session_id = (char *)fields->client_observed_server_side_session_id;
    return write_framed(&request.base, bytes, capacity);
}

size_t codec_write_release_session_response(uint8_t *bytes, size_t capacity, const char *session_id,
                                            const char *server_side_session_id)
{
    Sparkbouncer__Envelope__ReleaseSessionResponse response =
        SPARKBOUNCER__ENVELOPE__RELEASE_SESSION_RESPONSE__INIT;
    response.session_id = (char *)session_id;
    response.server_side_session_id = (char *)server_side_session_id;
    return write_framed(&response.base, bytes, capacity);
}

static char OWN_CLIENT_TYPE[] = "sparkbouncer";

size_t codec_write_interrupt_request(uint8_t *bytes, size_t capacity, const SessionFields *fields,
                                     const char *operation_id)
{
    Sparkbouncer__Envelope__UserContext user = SPARKBOUNCER__ENVELOPE__USER_CONTEXT__INIT;
    Sparkbouncer__Envelope__InterruptRequest request = SPARKBOUNCER__ENVELOPE__INTERRUPT_REQUEST__INIT;
    user.user_id = (char *)fields->user_id;
    request.user_context = fields->user_id ? &user : NULL;
    request.session_id = (char *)fields->session_id;
    request.client_type = OWN_CLIENT_TYPE;
    request.has_interrupt_type = true;
    request.interrupt_type = INTERRUPT_OPERATION;
    request.interrupt_case = SPARKBOUNCER__ENVELOPE__INTERRUPT_REQUEST__INTERRUPT_OPERATION_ID;
    request.operation_id = (char *)operation_id;
    return write_framed(&request.base, bytes, capacity);
}

size_t codec_write_release_session_request(uint8_t *bytes, size_t capacity, const SessionFields *fields)
{
    Sparkbouncer__Envelope__UserContext user = SPARKBOUNCER__ENVELOPE__USER_CONTEXT__INIT;
    Sparkbouncer__Envelope__ReleaseSessionRequest request =
        SPARKBOUNCER__ENVELOPE__RELEASE_SESSION_REQUEST__INIT;
    user.user_id = (char *)fields->user_id;
    request.user_context = fields->user_id ? &user : NULL;
    request.session_id = (char *)fields->session_id;
    request.client_type = OWN_CLIENT_TYPE;
    return write_framed(&request.base, bytes, capacity);
}

size_t codec_write_plan_tag(uint8_t *bytes, size_t capacity, const char *tag)
{
    Sparkbouncer__Envelope__ExecutePlanRequest request = SPARKBOUNCER__ENVELOPE__EXECUTE_PLAN_REQUEST__INIT;
    char *tags[] = {(char *)tag};
    request.n_tags = 1;
    request.tags = tags;
    size_t length = protobuf_c_message_get_packed_size(&request.base);
    return length <= capacity ? protobuf_c_message_pack(&request.base, bytes) : 0;
}

bool codec_narrow_interrupt(const uint8_t *bytes, size_t length, const char *tag, Text *request)
{
    typedef Sparkbouncer__Envelope__InterruptRequest Request;
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    Request *decoded = length < sizeof prefix || bytes[0] != 0
                           ? NULL
                           : sparkbouncer__envelope__interrupt_request__unpack(NULL, length - sizeof prefix,
                                                                               bytes + sizeof prefix);
    bool is_for_all =
        decoded && decoded->interrupt_type == INTERRUPT_ALL; /* then the server looks at nothing else */
    if (is_for_all) {
        Request narrowed = *decoded;
        narrowed.interrupt_type = INTERRUPT_TAG;
        narrowed.interrupt_case = SPARKBOUNCER__ENVELOPE__INTERRUPT_REQUEST__INTERRUPT_OPERATION_TAG;
        narrowed.operation_tag = (char *)tag;
        size_t size = protobuf_c_message_get_packed_size(&narrowed.base);
        _cleanup_(mem_freep) uint8_t *packed = mem_alloc(size);
        (void)protobuf_c_message_pack(&narrowed.base, packed);
        framing_write_prefix(prefix, (uint32_t)size);
        text_append_bytes(request, (const char *)prefix, sizeof prefix);
        text_append_bytes(request, (const char *)packed, size);
    }
    if (decoded)
        sparkbouncer__envelope__interrupt_request__free_unpacked(decoded, NULL);
    return is_for_all;
}

/* ---- whole requests */

#define CLIENT_TYPE "sparkbouncer"

static void append_framed(Text *request, const ProtobufCMessage *message)
{
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    size_t size = protobuf_c_message_get_packed_size(message);
    _cleanup_(mem_freep) uint8_t *packed = mem_alloc(size);
    (void)protobuf_c_message_pack(message, packed);
    framing_write_prefix(prefix, (uint32_t)size);
    text_append_bytes(request, (const char *)prefix, sizeof prefix);
    text_append_bytes(request, (const char *)packed, size);
}

typedef Sparkbouncer__Envelope__UserContext User;

static User user_of(const char *user_id)
{
    User user = SPARKBOUNCER__ENVELOPE__USER_CONTEXT__INIT;
    user.user_id = (char *)user_id;
    return user;
}

void codec_write_interrupt_tag(Text *request, const char *user_id, const char *session_id, const char *tag)
{
    Sparkbouncer__Envelope__InterruptRequest message = SPARKBOUNCER__ENVELOPE__INTERRUPT_REQUEST__INIT;
    User user = user_of(user_id);
    message.session_id = (char *)session_id;
    message.user_context = &user;
    message.client_type = CLIENT_TYPE;
    message.has_interrupt_type = true;
    message.interrupt_type = INTERRUPT_TAG;
    message.interrupt_case = SPARKBOUNCER__ENVELOPE__INTERRUPT_REQUEST__INTERRUPT_OPERATION_TAG;
    message.operation_tag = (char *)tag;
    append_framed(request, &message.base);
}

void codec_write_release_session(Text *request, const char *user_id, const char *session_id)
{
    Sparkbouncer__Envelope__ReleaseSessionRequest message =
        SPARKBOUNCER__ENVELOPE__RELEASE_SESSION_REQUEST__INIT;
    User user = user_of(user_id);
    message.session_id = (char *)session_id;
    message.user_context = &user;
    message.client_type = CLIENT_TYPE;
    message.has_allow_reconnect = true;
    message.allow_reconnect = true;
    append_framed(request, &message.base);
}

void codec_write_config_get(Text *request, const char *user_id, const char *session_id)
{
    Sparkbouncer__Envelope__OwnConfigRequest message = SPARKBOUNCER__ENVELOPE__OWN_CONFIG_REQUEST__INIT;
    Sparkbouncer__Envelope__OwnConfigOperation operation = SPARKBOUNCER__ENVELOPE__OWN_CONFIG_OPERATION__INIT;
    Sparkbouncer__Envelope__OwnConfigGet get = SPARKBOUNCER__ENVELOPE__OWN_CONFIG_GET__INIT;
    char *keys[] = {"spark.sql.session.timeZone"};
    User user = user_of(user_id);
    get.n_keys = 1;
    get.keys = keys;
    operation.get = &get;
    message.session_id = (char *)session_id;
    message.user_context = &user;
    message.operation = &operation;
    message.client_type = CLIENT_TYPE;
    append_framed(request, &message.base);
}

void codec_write_clone_session(Text *request, const char *user_id, const char *session_id,
                               const char *new_session_id)
{
    Sparkbouncer__Envelope__OwnCloneSessionRequest message =
        SPARKBOUNCER__ENVELOPE__OWN_CLONE_SESSION_REQUEST__INIT;
    User user = user_of(user_id);
    message.session_id = (char *)session_id;
    message.user_context = &user;
    message.client_type = CLIENT_TYPE;
    message.new_session_id = (char *)new_session_id;
    append_framed(request, &message.base);
}
