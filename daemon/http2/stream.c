#include "http2/stream.h"

#include <assert.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "http2/connection.h"
#include "http2/frames.h"
#include "http2/window.h"

#define QUEUED_SHARE           4             /* one part of so many of buffer_limit */
#define INITIAL_WINDOW         (1024 * 1024) /* bytes: 20 MB/s over 50 ms before it has grown */
#define COPY_INTO_OUTPUT_BELOW 2048 /* bytes; a stretch of its own costs the kernel more than the copy */

void stream_init(Stream *stream, Http2 *http2, const StreamEvents *events)
{
    *stream = (Stream){.http2 = http2, .events = events};
    list_link_init(&stream->link);
}

void stream_clear(Stream *stream)
{
    assert(!stream->connection);
    HeaderList headers = stream->received_headers, trailers = stream->received_trailers;
    stream->http2->n_queued_bytes -= stream->output.n_bytes;
    piece_queue_deinit(&stream->output);
    header_list_clear(&headers);
    header_list_clear(&trailers);
    stream_init(stream, stream->http2, stream->events);
    stream->received_headers = headers;
    stream->received_trailers = trailers;
}

void stream_rewind(Stream *stream, PieceQueue *kept)
{
    PieceQueue unsent = stream->output;
    stream->output = (PieceQueue)PIECE_QUEUE_INIT;
    stream_clear(stream);
    stream->output = unsent;
    stream->http2->n_queued_bytes += kept->n_bytes;
    piece_queue_prepend_all(&stream->output, kept);
}

void stream_take_output(Stream *stream, PieceQueue *ret_output)
{
    *ret_output = stream->output;
    stream->http2->n_queued_bytes -= stream->output.n_bytes;
    stream->output = (PieceQueue)PIECE_QUEUE_INIT;
    stream_clear(stream);
}

void stream_deinit(Stream *stream)
{
    stream_clear(stream);
    header_list_deinit(&stream->received_headers);
    header_list_deinit(&stream->received_trailers);
}

static size_t to_nghttp2(const HeaderList *headers, nghttp2_nv *pairs, size_t max_pairs)
{
    size_t n = headers->n_entries < max_pairs ? headers->n_entries : max_pairs;
    for (size_t i = 0; i < n; i++) {
        const Header *header = &headers->entries[i];
        pairs[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)header->name, (uint8_t *)(uintptr_t)header->value,
                                header->name_length, header->value_length,
                                NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    }
    return n;
}

uint32_t frames_initial_window(const Http2Limits *limits)
{
    return limits->stream_window < INITIAL_WINDOW ? (uint32_t)limits->stream_window : INITIAL_WINDOW;
}

void frames_link_stream(Connection *connection, Stream *stream, int32_t id)
{
    stream->connection = connection;
    stream->id = id;
    stream->opened_at = connection->bytes_sent;
    stream->window = frames_initial_window(&connection->http2->limits);
    list_append(&connection->streams, &stream->link);
}

int stream_send_request(Stream *stream, Connection *connection, const HeaderList *headers, bool end)
{
    nghttp2_nv pairs[FRAMES_MAX_HEADERS];
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = frames_read_output};
    size_t n = to_nghttp2(headers, pairs, FRAMES_MAX_HEADERS);
    int32_t id = nghttp2_submit_request(connection->session, NULL, pairs, n, end ? NULL : &provider, stream);
    if (id < 0)
        return -EPROTO; /* no ids left on this connection, or it is going down */
    frames_link_stream(connection, stream, id);
    stream->end_sent = end;
    connection_mark_dirty(connection);
    return 0;
}

void stream_send_response(Stream *stream, const HeaderList *headers, bool end)
{
    nghttp2_nv pairs[FRAMES_MAX_HEADERS];
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = frames_read_output};
    size_t n = to_nghttp2(headers, pairs, FRAMES_MAX_HEADERS);
    stream->end_sent = end; /* also of a stream that nobody reads */
    if (!stream->connection)
        return;
    if (nghttp2_submit_response(stream->connection->session, stream->id, pairs, n, end ? NULL : &provider) !=
        0)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    connection_mark_dirty(stream->connection);
}

int frames_submit_trailers(Stream *stream)
{
    nghttp2_nv pairs[FRAMES_MAX_HEADERS];
    size_t n = to_nghttp2(stream->trailers, pairs, FRAMES_MAX_HEADERS);
    return nghttp2_submit_trailer(stream->connection->session, stream->id, pairs, n);
}

/* Lets the connection look for output again. */
static void stream_wake(Stream *stream)
{
    if (!stream->connection)
        return;
    if (stream->is_deferred) {
        stream->is_deferred = false;
        (void)nghttp2_session_resume_data(stream->connection->session, stream->id);
    }
    connection_mark_dirty(stream->connection);
}

void stream_queue(Stream *stream, const uint8_t *bytes, size_t length, Block *block)
{
    piece_queue_append(&stream->output, bytes, length, block);
    stream->http2->n_queued_bytes += length;
    stream_wake(stream);
}

void stream_queue_end(Stream *stream, const HeaderList *trailers)
{
    stream->output_ends = true;
    stream->trailers = trailers && trailers->n_entries ? trailers : NULL;
    stream_wake(stream);
}

/* SETTINGS takes from every stream what it takes from the initial window; those that have grown give back the
 * rest. */
void frames_shrink_grown_windows(Connection *connection)
{
    size_t initial = frames_initial_window(&connection->http2->limits);
    list_for_each(link, &connection->streams)
    {
        Stream *stream = container_of(link, Stream, link);
        if (stream->window > initial)
            (void)nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                                        (int32_t)initial);
        stream->window = initial;
        stream->n_read_of_window = 0;
    }
}

/* What others have left unread leaves no room for larger windows than usual. */
static size_t largest_window(const Connection *connection)
{
    const Http2 *http2 = connection->http2;
    bool has_room = http2->n_queued_bytes < http2->limits.buffer_limit / QUEUED_SHARE;
    return window_for_round_trip(&http2->limits, has_room ? connection->round_trip_ns : 0);
}

/* A stream that is read as fast as it comes gets more room: twice its window for each window read. */
static void grow_window(Stream *stream, size_t length)
{
    Connection *connection = stream->connection;
    stream->n_read_of_window += length;
    if (stream->n_read_of_window < stream->window || connection->http2->windows_are_small)
        return;
    size_t largest = largest_window(connection);
    stream->n_read_of_window = 0;
    if (stream->window >= largest)
        return;
    stream->window *= 2;
    if (stream->window > largest)
        stream->window = largest;
    (void)nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                                (int32_t)stream->window);
}

void stream_consume(Stream *stream, size_t length)
{
    if (length > stream->n_unconsumed)
        length = stream->n_unconsumed;
    stream->n_unconsumed -= length;
    Connection *connection = stream->connection;
    if (!connection || length == 0 || connection->state == CONNECTION_CLOSING)
        return;
    (void)nghttp2_session_consume_stream(connection->session, stream->id, length);
    grow_window(stream, length);
    if (nghttp2_session_want_write(connection->session))
        connection_mark_dirty(connection);
}

void stream_reset(Stream *stream, uint32_t error_code)
{
    if (!stream->connection)
        return;
    (void)nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, error_code);
    connection_mark_dirty(stream->connection);
}

void frames_unlink_stream(Stream *stream)
{
    Connection *connection = stream->connection;
    list_remove(&connection->streams, &stream->link);
    if (connection->receiving == stream)
        connection->receiving = NULL;
    stream->connection = NULL;
}

void stream_detach(Stream *stream, uint32_t error_code)
{
    Connection *connection = stream->connection;
    if (!connection)
        return;
    (void)nghttp2_session_set_stream_user_data(connection->session, stream->id, NULL);
    if (!(stream->ended && stream->end_sent))
        (void)nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream->id, error_code);
    frames_unlink_stream(stream);
    connection_mark_dirty(connection);
}

/* Hands `length` bytes of output over to the connection's writes; the window of the source is given back. */
void frames_take_output(Stream *stream, Output *output, OutputPool *pool, size_t length)
{
    PieceQueue *queue = &stream->output;
    stream->n_sent += length;
    stream->http2->n_queued_bytes -= length;
    for (size_t left = length; left > 0;) {
        Piece *piece = queue->head;
        size_t part = piece->length < left ? piece->length : left;
        if (piece->block && part >= COPY_INTO_OUTPUT_BELOW)
            output_reference(output, piece->bytes, part, piece->block);
        else
            output_copy(output, pool, piece->bytes, part);
        piece_queue_advance(queue, part, stream->kept);
        left -= part;
    }
    if (stream->source)
        stream_consume(stream->source, length);
    if (queue->n_bytes < stream->wake_below)
        stream->events->on_drained(stream);
}
