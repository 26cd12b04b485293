#pragma once

/* HTTP/2 frames and gRPC messages, written by hand, for the fuzz targets. */

#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "spark/method.h"

#define FRAME_DATA          0
#define FRAME_HEADERS       1
#define FRAME_RESET         3
#define FRAME_SETTINGS      4
#define FRAME_GOAWAY        7
#define FRAME_WINDOW_UPDATE 8

#define FLAG_END_STREAM  1
#define FLAG_END_HEADERS 4

#define CLIENT_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static inline void bytes_add(Text *out, const void *bytes, size_t length)
{
    if (length > 0)
        text_append_bytes(out, bytes, length);
}

static inline void bytes_add_u32(Text *out, uint32_t value)
{
    uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    bytes_add(out, bytes, sizeof bytes);
}

static inline void frame_add(Text *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                             size_t length)
{
    uint8_t head[] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, type, flags};
    bytes_add(out, head, sizeof head);
    bytes_add_u32(out, stream);
    bytes_add(out, payload, length);
}

/* A header in HPACK's plainest form: literal, not indexed. Less than 127 bytes each. */
static inline void hpack_add(Text *out, const char *name, const char *value)
{
    uint8_t lengths[] = {0, (uint8_t)strlen(name), (uint8_t)strlen(value)};
    bytes_add(out, lengths, 2);
    text_append(out, name);
    bytes_add(out, lengths + 2, 1);
    text_append(out, value);
}

static inline void frame_add_headers(Text *out, uint32_t stream, const Text *block, bool end)
{
    frame_add(out, FRAME_HEADERS, (uint8_t)(FLAG_END_HEADERS | (end ? FLAG_END_STREAM : 0)), stream,
              text_string(block), block->length);
}

static inline void request_add(Text *out, uint32_t stream, const char *path, const char *name,
                               const char *value, bool end)
{
    _cleanup_(text_deinit) Text block = TEXT_NULL;
    hpack_add(&block, ":method", "POST");
    hpack_add(&block, ":scheme", "http");
    hpack_add(&block, ":path", path);
    hpack_add(&block, ":authority", "localhost");
    hpack_add(&block, "te", "trailers");
    hpack_add(&block, "content-type", "application/grpc");
    if (name)
        hpack_add(&block, name, value);
    frame_add_headers(out, stream, &block, end);
}

static inline void field_add(Text *out, unsigned number, const char *value)
{
    uint8_t head[] = {(uint8_t)(number << 3 | 2), (uint8_t)strlen(value)};
    bytes_add(out, head, sizeof head);
    text_append(out, value);
}

/* One gRPC message in one DATA frame. */
static inline void message_add(Text *out, uint32_t stream, const Text *message, bool end)
{
    _cleanup_(text_deinit) Text payload = TEXT_NULL;
    text_append_bytes(&payload, "", 1);
    bytes_add_u32(&payload, (uint32_t)message->length);
    bytes_add(&payload, text_string(message), message->length);
    frame_add(out, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream, payload.bytes, payload.length);
}

/* An envelope with the session and the operation where `id` has them; `is_special`: an ExecutePlan is
 * reattachable, a ReleaseExecute release_all. */
static inline void envelope_add(Text *out, MethodId id, const char *session, const char *operation,
                                bool is_special)
{
    field_add(out, 1, session);
    field_add(out, 2, "\n\1u");
    if (id == METHOD_EXECUTE_PLAN && is_special)
        field_add(out, 5, "\n\2\10\1");
    if (id == METHOD_EXECUTE_PLAN)
        field_add(out, 6, operation);
    if (id == METHOD_REATTACH_EXECUTE || id == METHOD_RELEASE_EXECUTE)
        field_add(out, 3, operation);
    if (id == METHOD_RELEASE_EXECUTE)
        field_add(out, is_special ? 5 : 6, is_special ? "" : "\n\1r");
}

/* The answer's headers, a message that names the server's own session, and trailers. */
static inline void answer_headers_add(Text *out, uint32_t stream, const char *status, bool end)
{
    _cleanup_(text_deinit) Text block = TEXT_NULL;
    hpack_add(&block, ":status", status);
    hpack_add(&block, "content-type", "application/grpc");
    if (end)
        hpack_add(&block, "grpc-status", "0");
    frame_add_headers(out, stream, &block, end);
}

/* `response_id`: of a result that can be taken up after it; NULL: none. `is_complete`: the last of them. */
static inline void answer_message_add(Text *out, uint32_t stream, const char *session,
                                      const char *response_id, bool is_complete)
{
    static const unsigned NUMBERS[] = {2, 9, 15, 16}; /* server_side_session_id, in most responses */
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    field_add(&message, 1, session);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        uint8_t key[] = {(uint8_t)((NUMBERS[i] << 3 | 2) & 0x7f), 1};
        bool is_long = NUMBERS[i] > 15;
        key[0] = (uint8_t)(key[0] | (is_long ? 0x80 : 0));
        bytes_add(&message, key, is_long ? 2 : 1);
        bytes_add(&message, "\3srv", 4);
    }
    if (response_id)
        field_add(&message, 13, response_id);
    if (is_complete)
        field_add(&message, 14, "");
    message_add(out, stream, &message, false);
}

static inline void answer_trailers_add(Text *out, uint32_t stream, const char *grpc_status)
{
    _cleanup_(text_deinit) Text block = TEXT_NULL;
    hpack_add(&block, "grpc-status", grpc_status);
    frame_add_headers(out, stream, &block, true);
}
