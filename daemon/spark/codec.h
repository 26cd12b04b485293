#pragma once

/*
 * Building and decoding whole envelopes with protobuf-c, from the trimmed proto/envelope.proto. Off the hot
 * path but for the answer to ReleaseExecute, which is small. Pure; any thread.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Writes a gRPC-framed ReleaseExecuteResponse {session_id, operation_id, server_side_session_id} (prefix
 * included). Returns its length, or 0 when it would not fit.
 */
size_t codec_write_release_response(uint8_t *bytes, size_t capacity, const char *session_id,
                                    const char *operation_id, const char *server_side_session_id);
