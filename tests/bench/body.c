#include "body.h"

#include <stdlib.h>
#include <string.h>

#define FILLER_SIZE (1024 * 1024)

static uint8_t filler[FILLER_SIZE];

/* Not compressible and not all the same: some TCP stacks and TLS engines would notice. */
static void fill_filler(void)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < FILLER_SIZE; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(filler + i, &x, sizeof(x));
    }
}

static size_t body_length(const Body *body)
{
    return body->n_head + body->n_filler + body->n_tail;
}

void body_set(Body *body, const Bytes *head, size_t n_filler, const Bytes *tail)
{
    size_t length = head->length + n_filler + tail->length;
    if (head->length + 5 > BODY_ENDS || tail->length > BODY_ENDS)
        abort();
    uint8_t prefix[5] = {0, (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                         (uint8_t)length};
    if (filler[0] == 0)
        fill_filler();
    memcpy(body->head, prefix, sizeof(prefix));
    if (head->length > 0)
        memcpy(body->head + sizeof(prefix), head->data, head->length);
    body->n_head = sizeof(prefix) + head->length;
    body->n_filler = n_filler;
    if (tail->length > 0)
        memcpy(body->tail, tail->data, tail->length);
    body->n_tail = tail->length;
    body->at = 0;
}

static void make_next(Body *body)
{
    body->make(body);
    body->index++;
}

void body_begin(Body *body)
{
    body->index = 0;
    body->is_last = false;
    make_next(body);
}

static void end_with_trailers(nghttp2_session *session, int32_t stream_id, uint32_t *data_flags)
{
    static const nghttp2_nv ok = {(uint8_t *)(uintptr_t) "grpc-status", (uint8_t *)(uintptr_t) "0", 11, 1,
                                  NGHTTP2_NV_FLAG_NONE};
    *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream_id, &ok, 1);
}

ssize_t body_read(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length,
                  uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    Body *body = source->ptr;
    (void)buffer;
    (void)user_data;
    if (body->at == body_length(body)) {
        if (body->is_last)
            return NGHTTP2_ERR_DEFERRED;
        make_next(body);
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    size_t left = body_length(body) - body->at;
    if (left > length)
        return (ssize_t)length;
    if (body->is_last && !body->waits) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (body->with_trailers)
            end_with_trailers(session, stream_id, data_flags);
    }
    return (ssize_t)left;
}

/* The part of [from, from + size) of the message that [at, at + length) covers. */
static size_t overlap(size_t at, size_t length, size_t from, size_t size, size_t *ret_offset)
{
    if (at >= from + size || at + length <= from)
        return 0;
    size_t begin = at > from ? at : from;
    size_t end = at + length < from + size ? at + length : from + size;
    *ret_offset = begin - from;
    return end - begin;
}

void body_push(Body *body, Output *output, size_t length)
{
    size_t offset = 0, part = overlap(body->at, length, 0, body->n_head, &offset);
    if (part > 0)
        output_copy(output, body->head + offset, part);
    part = overlap(body->at, length, body->n_head, body->n_filler, &offset);
    while (part > 0) {
        size_t within = offset % FILLER_SIZE;
        size_t piece = part < FILLER_SIZE - within ? part : FILLER_SIZE - within;
        output_reference(output, filler + within, piece);
        offset += piece;
        part -= piece;
    }
    part = overlap(body->at, length, body->n_head + body->n_filler, body->n_tail, &offset);
    if (part > 0)
        output_copy(output, body->tail + offset, part);
    body->at += length;
    if (body->n_sent)
        *body->n_sent += length;
}
