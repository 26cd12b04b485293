#include <stdlib.h>
#include <string.h>

#include "fault_relay.h"

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, GOAWAY = 7, WINDOW_UPDATE = 8, CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32 };

#define FRAME_HEADER 9u
#define PREFACE      24u

typedef struct Frame {
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload;
    size_t length;
} Frame;

static uint32_t read_number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The frame at the start of `in`; 0 when it has not all come, else its whole length. */
static size_t next_frame(const Bytes *in, size_t at, Frame *ret_frame)
{
    const uint8_t *bytes = in->data + at;
    if (in->length - at < FRAME_HEADER)
        return 0;
    size_t length = read_number(bytes) >> 8;
    if (in->length - at < FRAME_HEADER + length)
        return 0;
    *ret_frame = (Frame){.type = bytes[3],
                         .flags = bytes[4],
                         .stream = read_number(bytes + 5) & 0x7fffffff,
                         .payload = bytes + FRAME_HEADER,
                         .length = length};
    return FRAME_HEADER + length;
}

static void drop_front(Bytes *bytes, size_t length)
{
    memmove(bytes->data, bytes->data + length, bytes->length - length);
    bytes->length -= length;
}

void link_send_frame(Link *link, Side *side, uint8_t type, uint8_t flags, uint32_t stream,
                     const void *payload, size_t length)
{
    uint8_t header[FRAME_HEADER] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8),  (uint8_t)length,        type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    link_send(link, side, header, sizeof(header));
    link_send(link, side, payload, length);
}

static void pass(Link *link, Side *side, const Frame *frame)
{
    link_send_frame(link, side, frame->type, frame->flags, frame->stream, frame->payload, frame->length);
}

RelayStream *link_find_stream(const Link *link, uint32_t id)
{
    RelayStream *stream = link->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

static void remove_stream(Link *link, const RelayStream *stream)
{
    for (RelayStream **at = &link->streams; *at; at = &(*at)->next)
        if (*at == stream) {
            RelayStream *gone = *at;
            *at = gone->next;
            free(gone);
            return;
        }
}

/* The payload less padding and priority. */
static bool strip(Frame *frame)
{
    size_t padding = 0;
    if (frame->flags & PADDED) {
        if (frame->length < 1)
            return false;
        padding = frame->payload[0];
        frame->payload++;
        frame->length--;
    }
    size_t priority = frame->type == HEADERS && (frame->flags & PRIORITY) ? 5 : 0;
    if (frame->length < padding + priority)
        return false;
    frame->payload += priority;
    frame->length -= padding + priority;
    return true;
}

static void read_block(Link *link, RelayStream *stream)
{
    const uint8_t *at = link->block.data;
    size_t left = link->block.length;
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(link->inflater, &field, &flags, at, left, 1);
        if (n < 0)
            break;
        at += n;
        left -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && field.namelen == 5 && memcmp(field.name, ":path", 5) == 0 &&
            field.valuelen < sizeof(stream->path))
            memcpy(stream->path, field.value, field.valuelen);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) || (left == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT)))
            break;
    }
    nghttp2_hd_inflate_end_headers(link->inflater);
    link->block.length = 0;
}

static RelayStream *open_stream(Link *link, uint32_t id)
{
    RelayStream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        abort();
    stream->id = id;
    stream->opened_at = link->n_down;
    stream->next = link->streams;
    link->streams = stream;
    link->highest_stream = id;
    return stream;
}

/* Request headers: when they are whole the path is known. */
static void take_headers(Link *link, const Frame *frame)
{
    Frame bare = *frame;
    if (!strip(&bare))
        return;
    RelayStream *stream = link_find_stream(link, frame->stream);
    if (!stream)
        stream = open_stream(link, frame->stream);
    bytes_append(&link->block, bare.payload, bare.length);
    if (frame->flags & END_HEADERS)
        read_block(link, stream);
}

static void page_answer(Link *link, uint32_t stream)
{
    static const char page[] = "<html><body><h1>Bad gateway</h1></body></html>\n";
    uint32_t status = link->page_status;
    uint8_t block[64] = {0x08, 3, (uint8_t)('0' + status / 100 % 10), (uint8_t)('0' + status / 10 % 10),
                         (uint8_t)('0' + status % 10)};
    size_t length = 5;
    block[length++] = 0x0f; /* content-type: static name 31, not indexed */
    block[length++] = 31 - 15;
    block[length++] = 9;
    memcpy(block + length, "text/html", 9);
    length += 9;
    size_t n_after = strlen(link->relay->retry_after);
    if (n_after > 0) { /* static name 53 */
        block[length++] = 0x0f;
        block[length++] = 53 - 15;
        block[length++] = (uint8_t)n_after;
        memcpy(block + length, link->relay->retry_after, n_after);
        length += n_after;
    }
    link_send_frame(link, &link->down, HEADERS, END_HEADERS, stream, block, length);
    link_send_frame(link, &link->down, DATA, END_STREAM, stream, page, sizeof(page) - 1);
}

static bool ends_request(const Frame *frame)
{
    return (frame->type == DATA || frame->type == HEADERS) && (frame->flags & END_STREAM);
}

static void page_frame(Link *link, const Frame *frame)
{
    enum { SETTINGS = 4, PING = 6, ACK = 1 };
    if (frame->type == SETTINGS && !(frame->flags & ACK))
        link_send_frame(link, &link->down, SETTINGS, ACK, 0, NULL, 0);
    if (frame->type == PING && !(frame->flags & ACK))
        link_send_frame(link, &link->down, PING, ACK, 0, frame->payload, frame->length);
    if (!ends_request(frame))
        return;
    page_answer(link, frame->stream);
    RelayStream *stream = link_find_stream(link, frame->stream);
    if (stream && fault_check(link, stream, MOMENT_REQUEST))
        link->is_closing = true;
}

static void up_frame(Link *link, const Frame *frame)
{
    if (frame->type == HEADERS || frame->type == CONTINUATION)
        take_headers(link, frame);
    if (link->is_page) {
        page_frame(link, frame);
        return;
    }
    RelayStream *stream = link_find_stream(link, frame->stream);
    if (stream && stream->was_reset)
        return;
    if (frame->type == HEADERS && (frame->flags & END_HEADERS) && stream &&
        fault_check(link, stream, MOMENT_ARRIVAL))
        return;
    pass(link, &link->up, frame);
    if (stream && frame->type == RST_STREAM)
        remove_stream(link, stream);
    else if (stream && ends_request(frame))
        fault_check(link, stream, MOMENT_REQUEST);
}

static bool forwards(const Link *link)
{
    return !link->is_hole && !link->is_closing && !link->is_dead;
}

void link_forward_up(Link *link)
{
    Bytes *in = &link->down.in;
    if (!link->had_preface && in->length >= PREFACE) {
        link->had_preface = true;
        if (!link->is_page)
            link_send(link, &link->up, in->data, PREFACE);
        drop_front(in, PREFACE);
    }
    size_t at = 0, length;
    Frame frame;
    while (link->had_preface && forwards(link) && (length = next_frame(in, at, &frame)) > 0) {
        up_frame(link, &frame);
        at += length;
    }
    if (at > 0)
        drop_front(in, at);
}

/* Takes message bytes up to the end of a message; true when one ended. */
static bool take_message_bytes(RelayStream *stream, const uint8_t *bytes, size_t length, size_t *ret_taken)
{
    size_t at = 0;
    while (at < length) {
        if (stream->n_prefix < 5) {
            stream->prefix[stream->n_prefix++] = bytes[at++];
            if (stream->n_prefix < 5)
                continue;
            stream->left = read_number(stream->prefix + 1);
        }
        size_t part = length - at < stream->left ? length - at : (size_t)stream->left;
        at += part;
        stream->left -= part;
        if (stream->left == 0) {
            stream->n_prefix = 0;
            stream->messages++;
            *ret_taken = at;
            return true;
        }
    }
    *ret_taken = at;
    return false;
}

/* The server's window must not shrink by what we keep. */
static void return_window(Link *link, size_t length)
{
    uint8_t increment[4] = {0, (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    if (length > 0)
        link_send_frame(link, &link->up, WINDOW_UPDATE, 0, 0, increment, sizeof(increment));
}

/* DATA goes on in frames that end where messages end. */
static void down_data(Link *link, RelayStream *stream, const Frame *frame)
{
    Frame bare = *frame;
    if (!strip(&bare))
        return;
    size_t at = 0;
    do {
        size_t taken = 0;
        bool ended = take_message_bytes(stream, bare.payload + at, bare.length - at, &taken);
        bool is_last = at + taken == bare.length;
        uint8_t flags = is_last ? bare.flags & END_STREAM : 0;
        link_send_frame(link, &link->down, DATA, flags, stream->id, bare.payload + at, taken);
        at += taken;
        if (ended && forwards(link) && fault_check(link, stream, MOMENT_MESSAGE) && stream->was_reset) {
            return_window(link, frame->length - at);
            return;
        }
    } while (at < bare.length && forwards(link));
}

static void down_frame(Link *link, const Frame *frame)
{
    RelayStream *stream = frame->stream ? link_find_stream(link, frame->stream) : NULL;
    bool answers = frame->type == DATA || frame->type == HEADERS;
    if (stream && stream->was_reset) {
        if (frame->type == DATA)
            return_window(link, frame->length);
        if (frame->type == HEADERS) /* which would have to be told to the decompressor: too late for that */
            fault_do(link, NULL, FAULT_CLOSE, 0);
        return;
    }
    if (stream && answers && !stream->answered) {
        stream->answered = true;
        if (fault_check(link, stream, MOMENT_FIRST))
            return;
    }
    if (stream && frame->type == DATA)
        down_data(link, stream, frame);
    else
        pass(link, &link->down, frame);
    if (stream && (frame->type == RST_STREAM || (answers && (frame->flags & END_STREAM))))
        remove_stream(link, stream);
}

void link_forward_down(Link *link)
{
    size_t at = 0, length;
    Frame frame;
    while (forwards(link) && (length = next_frame(&link->up.in, at, &frame)) > 0) {
        down_frame(link, &frame);
        at += length;
    }
    if (at > 0)
        drop_front(&link->up.in, at);
}
