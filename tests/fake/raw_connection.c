#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"

#define READ_SIZE (256 * 1024)

static RawStream *stream_new(RawConnection *connection, int32_t id)
{
    RawStream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        abort();
    RawServer *server = connection->server;
    stream->connection = connection;
    stream->id = id;
    stream->call = ++server->n_calls;
    if (stream->call > server->skip && stream->call - server->skip <= server->times)
        stream->fault = server->fault;
    stream->next = connection->streams;
    connection->streams = stream;
    nghttp2_session_set_stream_user_data(connection->session, id, stream);
    return stream;
}

static void stream_free(RawStream *stream)
{
    for (RawStream **link = &stream->connection->streams; *link; link = &(*link)->next)
        if (*link == stream) {
            *link = stream->next;
            break;
        }
    bytes_deinit(&stream->headers);
    bytes_deinit(&stream->request);
    bytes_deinit(&stream->answer);
    free(stream);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    RawConnection *connection = user_data;
    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        stream_new(connection, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user_data)
{
    RawStream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user_data;
    if (!stream)
        return 0;
    bytes_printf(&stream->headers, stream->headers.length > 0 ? ",[" : "[");
    bytes_json_string(&stream->headers, name, name_length);
    bytes_printf(&stream->headers, ",");
    bytes_json_string(&stream->headers, value, value_length);
    bytes_printf(&stream->headers, "]");
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    RawConnection *connection = user_data;
    RawStream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        raw_report_connection(connection, "goaway");
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        raw_report_call(stream);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        stream->request_ended = true;
    bool now = stream->request_ended || connection->server->at_headers || stream->fault == RAW_ECHO_OPEN;
    if (now && !stream->answered)
        stream->due = true;
    else if (stream->fault == RAW_ECHO_OPEN)
        nghttp2_session_resume_data(session, stream->id);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t length, void *user_data)
{
    RawStream *stream = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)flags;
    (void)user_data;
    if (!stream)
        return 0;
    bytes_append(&stream->request, data, length);
    if (stream->fault == RAW_ECHO_OPEN)
        bytes_append(&stream->answer, data, length);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user_data)
{
    RawConnection *connection = user_data;
    RawStream *stream = nghttp2_session_get_stream_user_data(session, stream_id);
    if (stream) {
        raw_report_end(stream, error_code);
        stream_free(stream);
    }
    if (stream_id == connection->drain_stream)
        connection->close_when_written = true;
    return 0;
}

static ssize_t on_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t max_length,
                          void *user_data)
{
    RawConnection *connection = user_data;
    (void)session;
    size_t padded = frame->hd.length + 200;
    if (!connection->server->padded)
        return (ssize_t)frame->hd.length;
    return (ssize_t)(padded < max_length ? padded : max_length);
}

static void session_start(RawConnection *connection)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    RawServer *server = connection->server;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
        abort();
    nghttp2_option_set_no_http_messaging(option, 1); /* misbehaving is the point */
    nghttp2_option_set_max_send_header_block_length(option, 1024 * 1024);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, on_padding);
    if (nghttp2_session_server_new2(&connection->session, callbacks, connection, option) != 0)
        abort();
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_settings_entry settings[2] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server->max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, server->window},
    };
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, 1 << 24);
    raw_connection_pump(connection);
}

static void speak_first(RawConnection *connection)
{
    static const uint8_t bad_settings[] = {0, 0, 6, 4, 0, 0, 0, 0,
                                           0, 0, 5, 0, 0, 0, 1}; /* MAX_FRAME_SIZE 1 */
    static const char garbage[] = "SSH-2.0-OpenSSH_9.2p1 Debian\r\n";
    switch (connection->server->fault) {
    case RAW_CLOSE_ACCEPT: connection->close_when_written = true; break;
    case RAW_GARBAGE: bytes_append(&connection->out, garbage, strlen(garbage)); break;
    case RAW_BAD_SETTINGS: bytes_append(&connection->out, bad_settings, sizeof(bad_settings)); break;
    case RAW_SILENT:
    case RAW_HTML1: break;
    default: session_start(connection);
    }
}

RawConnection *raw_connection_new(RawServer *server, int fd)
{
    RawConnection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        abort();
    connection->server = server;
    connection->fd = fd;
    connection->id = ++server->n_connections;
    connection->next = server->connections;
    server->connections = connection;
    raw_report_connection(connection, "connect");
    speak_first(connection);
    return connection;
}

void raw_connection_free(RawConnection *connection)
{
    for (RawConnection **link = &connection->server->connections; *link; link = &(*link)->next)
        if (*link == connection) {
            *link = connection->next;
            break;
        }
    struct linger linger = {.l_onoff = 1};
    if (connection->close_with_reset)
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(connection->fd);
    raw_report_connection(connection, "disconnect");
    while (connection->streams) {
        raw_report_end(connection->streams, NGHTTP2_INTERNAL_ERROR);
        stream_free(connection->streams);
    }
    nghttp2_session_del(connection->session);
    bytes_deinit(&connection->out);
    free(connection);
}

void raw_connection_pump(RawConnection *connection)
{
    const uint8_t *data;
    ssize_t length;
    while (connection->session && (length = nghttp2_session_mem_send(connection->session, &data)) != 0) {
        if (length < 0) {
            connection->dead = true;
            return;
        }
        bytes_append(&connection->out, data, (size_t)length);
    }
}

static void answer_due(RawConnection *connection)
{
    RawStream *oldest;
    do {
        oldest = NULL;
        for (RawStream *stream = connection->streams; stream; stream = stream->next)
            if (stream->due && !stream->answered && (!oldest || stream->call < oldest->call))
                oldest = stream;
        if (oldest)
            raw_answer(oldest);
    } while (oldest);
}

static void answer_html1(RawConnection *connection)
{
    static const char page[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n"
                               "Content-Length: 25\r\nConnection: close\r\n\r\n<html>maintenance</html>\n";
    bytes_append(&connection->out, page, strlen(page));
    connection->close_when_written = true;
}

void raw_connection_read(RawConnection *connection)
{
    static uint8_t buffer[READ_SIZE];
    ssize_t n = recv(connection->fd, buffer, sizeof(buffer), 0);
    if (n <= 0) {
        connection->dead = n == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    connection->n_received += (uint64_t)n;
    if (connection->server->fault == RAW_CLOSE_AFTER && connection->n_received >= connection->server->value) {
        connection->close_when_written = true;
    } else if (connection->server->fault == RAW_HTML1) {
        answer_html1(connection);
    } else if (connection->session) {
        if (nghttp2_session_mem_recv(connection->session, buffer, (size_t)n) < 0)
            connection->close_when_written = true;
        answer_due(connection);
        raw_connection_pump(connection);
    }
}

void raw_connection_write(RawConnection *connection)
{
    while (connection->n_written < connection->out.length) {
        ssize_t n = send(connection->fd, connection->out.data + connection->n_written,
                         connection->out.length - connection->n_written, MSG_NOSIGNAL);
        if (n < 0) {
            connection->dead = errno != EAGAIN && errno != EINTR;
            return;
        }
        connection->n_written += (size_t)n;
    }
    connection->out.length = connection->n_written = 0;
    if (connection->close_when_written)
        connection->dead = true;
}
