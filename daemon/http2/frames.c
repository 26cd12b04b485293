#include "http2/frames.h"

#include <string.h>

#include "base/clock.h"

#define FRAME_HEADER_SIZE 9

static Stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    Connection *connection = user_data;
    int32_t id = frame->hd.stream_id;
    connection->receiving = stream_of(session, id);
    if (connection->receiving || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    Stream *stream =
        connection->state == CONNECTION_CLOSING ? NULL : connection->events->on_stream(connection);
    if (!stream)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    (void)nghttp2_session_set_stream_user_data(session, id, stream);
    frames_link_stream(connection, stream, id);
    connection->receiving = stream;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)session, (void)frame, (void)flags;
    Connection *connection = user_data;
    Stream *stream = connection->receiving;
    if (!stream || stream->headers_too_large)
        return 0;
    HeaderList *list = stream->headers_done ? &stream->received_trailers : &stream->received_headers;
    header_list_add_received(list, name, value);
    if (list->size > connection->http2->limits.header_limit ||
        list->n_entries >= FRAMES_MAX_HEADERS - FRAMES_OWN_HEADERS)
        stream->headers_too_large = true;
    return 0;
}

static bool is_informational(const Stream *stream)
{
    const Header *first = stream->received_headers.n_entries ? &stream->received_headers.entries[0] : NULL;
    return first && header_name_is(first, ":status") && first->value_length == 3 && first->value[0] == '1';
}

static void headers_received(Connection *connection, Stream *stream, bool end)
{
    if (stream->headers_done)
        return; /* trailers: on_end tells of them */
    if (!connection->is_server && is_informational(stream)) {
        header_list_clear(&stream->received_headers);
        stream->headers_too_large = false;
        return;
    }
    stream->headers_done = true;
    stream->events->on_headers(stream, end);
}

static void settings_received(Connection *connection)
{
    if (connection->state == CONNECTION_GREETING) {
        connection->state = CONNECTION_OPEN;
        if (connection->events->on_open)
            connection->events->on_open(connection);
    }
    if (connection->events->on_settings)
        connection->events->on_settings(connection);
}

/* The peer has seen our first SETTINGS, which it answers at once (RFC 9113, 6.5.3): that took one round trip.
 */
static void settings_acknowledged(Connection *connection)
{
    if (connection->greeted_ns && !connection->round_trip_ns)
        connection->round_trip_ns = clock_now_ns() - connection->greeted_ns;
}

static int on_frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    Connection *connection = user_data;
    int32_t id = frame->hd.stream_id;
    Stream *stream;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            settings_received(connection);
        else
            settings_acknowledged(connection);
        return 0;
    case NGHTTP2_GOAWAY:
        connection->peer_goes_away = true;
        if (connection->events->on_goaway)
            connection->events->on_goaway(connection);
        return 0;
    case NGHTTP2_HEADERS:
        stream = stream_of(session, id);
        if (stream)
            headers_received(connection, stream, frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
        connection->receiving = NULL;
        break;
    case NGHTTP2_DATA: break;
    default: return 0;
    }
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    stream = stream_of(session, id); /* again: its owner may have let go of it in on_headers */
    if (stream && !stream->ended) {
        stream->ended = true;
        stream->events->on_end(stream);
    }
    return 0;
}

/* The connection's window is given back at once, so that one slow reader cannot stop its neighbours; the
 * stream's is not, until the bytes have gone out on the other side. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t length,
                   void *user_data)
{
    (void)flags;
    Connection *connection = user_data;
    Stream *stream = stream_of(session, id);
    (void)nghttp2_session_consume_connection(session, length);
    if (!stream) {
        (void)nghttp2_session_consume_stream(session, id, length);
        return 0;
    }
    stream->n_unconsumed += length;
    stream->events->on_data(stream, bytes, length, connection->http2->receive_block);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user_data)
{
    (void)user_data;
    Stream *stream = stream_of(session, id);
    if (!stream)
        return 0;
    frames_unlink_stream(stream);
    stream->events->on_closed(stream, error_code);
    return 0;
}

/* A server that answers before the request has ended asks the client to stop sending (RFC 9113, 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    Connection *connection = user_data;
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK) &&
        !connection->is_server && connection->greeted_ns == 0)
        connection->greeted_ns = clock_now_ns();
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || frame->hd.type > NGHTTP2_HEADERS ||
        !connection->is_server)
        return 0;
    Stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream && !stream->ended)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

ssize_t frames_read_output(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t length,
                           uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)buffer, (void)user_data;
    Stream *stream = source->ptr;
    if (stream != stream_of(session, id))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* detached: its RST_STREAM is on the way */
    size_t part = stream->output.n_bytes < length ? stream->output.n_bytes : length;
    if (part == 0 && !stream->output_ends) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (part == stream->output.n_bytes && stream->output_ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        stream->end_sent = true;
        if (stream->trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (frames_submit_trailers(stream) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)part;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t length,
                        nghttp2_data_source *source, void *user_data)
{
    (void)session, (void)frame; /* no padding: we never ask for it */
    Connection *connection = user_data;
    OutputPool *pool = &connection->http2->outputs;
    if (!connection->output)
        connection->output = output_pool_get(pool);
    output_copy(connection->output, pool, header, FRAME_HEADER_SIZE);
    if (length > 0)
        frames_take_output(source->ptr, connection->output, pool, length);
    return 0;
}

/* nghttp2 sizes a buffer by this, so never more is asked for than there is. */
static ssize_t on_read_length(nghttp2_session *session, uint8_t frame_type, int32_t id,
                              int32_t connection_window, int32_t stream_window, uint32_t max_frame_size,
                              void *user_data)
{
    (void)frame_type, (void)connection_window, (void)stream_window, (void)user_data;
    Stream *stream = stream_of(session, id);
    size_t length = stream ? stream->output.n_bytes : 0;
    if (length < 16384)
        length = 16384;
    if (length > FRAMES_MAX_SIZE)
        length = FRAMES_MAX_SIZE;
    return length < max_frame_size ? (ssize_t)length : (ssize_t)max_frame_size;
}

nghttp2_session_callbacks *frames_callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort(); /* out of memory */
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_read_length);
    return callbacks;
}
