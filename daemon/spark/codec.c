#include "spark/codec.h"

#include "proto/envelope.pb-c.h"
#include "rpc/framing.h"

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
