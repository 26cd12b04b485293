#include "spark/codec.h"

#include "proto/envelope.pb-c.h"
#include "rpc/framing.h"

size_t codec_write_release_response(uint8_t *bytes, size_t capacity, const char *session_id,
                                    const char *operation_id, const char *server_side_session_id)
{
    Sparkbouncer__Envelope__ReleaseExecuteResponse response =
        SPARKBOUNCER__ENVELOPE__RELEASE_EXECUTE_RESPONSE__INIT;
    /* protobuf-c does not write through these. */
    response.session_id = (char *)session_id;
    response.operation_id = (char *)operation_id;
    response.server_side_session_id = (char *)server_side_session_id;

    size_t length = protobuf_c_message_get_packed_size(&response.base);
    if (capacity < FRAMING_PREFIX_SIZE || length > capacity - FRAMING_PREFIX_SIZE || length > UINT32_MAX)
        return 0;
    framing_write_prefix(bytes, (uint32_t)length);
    return FRAMING_PREFIX_SIZE + protobuf_c_message_pack(&response.base, bytes + FRAMING_PREFIX_SIZE);
}
