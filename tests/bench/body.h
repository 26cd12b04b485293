#pragma once

/*
 * Body: gRPC messages that one stream sends, one after the other; each is a head, so many filler bytes and a
 * tail. Filler is referenced, never copied. A DATA frame never spans two messages, as with gRPC itself.
 */

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../fake/bytes.h"
#include "output.h"

#define BODY_ENDS 512 /* of a head or a tail */

typedef struct Body Body;
struct Body {
    void (*make)(Body *body); /* sets the next message, and is_last with the last one */
    bool with_trailers;       /* the stream ends with trailers, not with its last DATA frame */
    bool is_last;             /* nothing follows the current message */
    bool waits;               /* after the last message the stream stays open */
    uint64_t index;           /* how many messages have been made */
    uint64_t *n_sent;         /* counts bytes, prefixes included; NULL: nobody asks */
    uint8_t head[BODY_ENDS], tail[BODY_ENDS];
    size_t n_head, n_filler, n_tail;
    size_t at; /* within the current message */
};

/* The current message: prefix and head, `n_filler` bytes of filler, tail. */
void body_set(Body *body, const Bytes *head, size_t n_filler, const Bytes *tail);

/* Makes the first message. */
void body_begin(Body *body);

/* For nghttp2_data_provider: source.ptr is the Body. */
ssize_t body_read(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length,
                  uint32_t *data_flags, nghttp2_data_source *source, void *user_data);
/* Puts the next `length` bytes, which body_read() promised, into the output. */
void body_push(Body *body, Output *output, size_t length);
