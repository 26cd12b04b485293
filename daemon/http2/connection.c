#include "http2/connection.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "http2/connection_io.h"
#include "http2/frames.h"
#include "http2/keepalive.h"
#include "http2/tls.h"

#define CONNECTION_WINDOW   (64 * 1024 * 1024) /* bytes; never the brake, see frames.c */
#define SMALL_STREAM_WINDOW (64 * 1024)        /* bytes; while too much waits in the daemon */
#define KEEPALIVE_S         60

/* ---- sockets and states */

int connection_fd(const Connection *connection)
{
    int fd = -1;
    (void)uv_fileno(&connection->socket.handle, &fd);
    return fd;
}

void connection_mark_dirty(Connection *connection)
{
    if (!list_link_is_linked(&connection->dirty_link) && connection->state != CONNECTION_CLOSED)
        list_append(&connection->http2->dirty, &connection->dirty_link);
}

void connection_close(Connection *connection, ConnectionEndKind kind, const char *reason, ...)
{
    if (connection->state >= CONNECTION_CLOSING)
        return;
    va_list arguments;
    connection->end = mem_new(ConnectionEnd);
    va_start(arguments, reason);
    (void)vsnprintf(connection->end->reason, sizeof connection->end->reason, reason, arguments);
    va_end(arguments);
    connection->end->kind = kind;
    connection->state = CONNECTION_CLOSING;
    connection_mark_dirty(connection);
}

void connection_release_pins(Connection *connection)
{
    for (ListLink *link; (link = list_first(&connection->pins));) {
        list_remove(&connection->pins, link);
        Pin *pin = container_of(link, Pin, link);
        pin->release(pin);
    }
}

bool connection_pin(Connection *connection, Pin *pin)
{
    if (nghttp2_session_get_outbound_queue_size(connection->session) == 0)
        return false;
    list_append(&connection->pins, &pin->link);
    return true;
}

static void on_handle_closed(uv_handle_t *handle)
{
    Connection *connection = container_of(handle, Connection, socket.handle);
    output_pool_put(&connection->http2->outputs, connection->output);
    tls_free(connection->tls);
    free(connection->connect_request);
    free(connection->end);
    free(connection);
}

/*
 * What the owner of a stream is told when its connection dies. REFUSED_STREAM, the promise that the server
 * has not seen it, only when the kernel has not taken a single byte since it was opened.
 */
static uint32_t error_at_end(const Connection *connection, const Stream *stream)
{
    if (connection->is_server)
        return NGHTTP2_CANCEL;
    bool nothing_left = !connection->write_request && connection->bytes_sent == stream->opened_at;
    return nothing_left ? NGHTTP2_REFUSED_STREAM : NGHTTP2_INTERNAL_ERROR;
}

static void tear_down(Connection *connection)
{
    Http2 *http2 = connection->http2;
    connection->state = CONNECTION_CLOSED;
    connection->receiving = NULL;
    for (ListLink *link; (link = list_first(&connection->streams));) {
        Stream *stream = container_of(link, Stream, link);
        uint32_t error = error_at_end(connection, stream);
        frames_unlink_stream(stream);
        stream->events->on_closed(stream, error);
    }
    nghttp2_session_del(connection->session);
    connection->session = NULL;
    http2->n_warm_connections -= frame_buffer_is_warm(connection->frame_buffer);
    connection->frame_buffer = frame_buffer_release(connection->frame_buffer);
    connection_release_pins(connection);
    list_remove(&http2->dirty, &connection->dirty_link);
    list_remove(&http2->connections, &connection->link);
    connection->events->on_closed(connection, connection->end);
    uv_close(&connection->socket.handle, on_handle_closed);
}

/* ---- ends and flushes */

/* Nothing more is to be read or written: one side has said goodbye, or nghttp2 has because the peer broke a
 * rule. */
static void http2_ended(Connection *connection)
{
    if (connection->says_goodbye)
        connection_close(connection, CONNECTION_END_LOCAL, "the daemon ended it (GOAWAY)");
    else if (connection->peer_goes_away)
        connection_close(connection, CONNECTION_END_PEER, "%s ended it (GOAWAY)",
                         connection->is_server ? "the client" : "the server");
    else
        connection_protocol_broken(connection, NGHTTP2_ERR_PROTO);
}

void connection_give_back(Connection *connection)
{
    bool has_sent = connection->bytes_sent != connection->bytes_sent_before;
    connection->bytes_sent_before = connection->bytes_sent;
    if (!frame_buffer_is_warm(connection->frame_buffer) || has_sent || connection->output ||
        connection->write_request || connection->state >= CONNECTION_CLOSING ||
        nghttp2_session_want_write(connection->session))
        return;
    frame_buffer_cool(connection->frame_buffer);
    connection->http2->n_warm_connections--;
}

void connection_flush(Connection *connection)
{
    if (connection->state > CONNECTION_CONNECTING)
        connection_write_all(connection);
    if (connection->state < CONNECTION_CLOSING && connection->state >= CONNECTION_GREETING &&
        !nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session) &&
        !connection->write_request)
        http2_ended(connection);
    if (connection->state == CONNECTION_CLOSING)
        tear_down(connection);
}

/* ---- making connections */

static void submit_settings(Connection *connection)
{
    const Http2Limits *limits = &connection->http2->limits;
    uint32_t window =
        connection->http2->windows_are_small ? SMALL_STREAM_WINDOW : frames_initial_window(limits);
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAMES_MAX_SIZE},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->header_limit},
        connection->is_server ? (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                         limits->max_concurrent_streams}
                              : (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    connection->windows_are_small = connection->http2->windows_are_small;
    (void)nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, entries, 4);
    (void)nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}

void connection_set_small_windows(Connection *connection, bool are_small)
{
    if (connection->windows_are_small == are_small || connection->state >= CONNECTION_CLOSING)
        return;
    uint32_t window = are_small ? SMALL_STREAM_WINDOW : frames_initial_window(&connection->http2->limits);
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    connection->windows_are_small = are_small;
    (void)nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, &entry, 1);
    if (are_small)
        frames_shrink_grown_windows(connection);
    connection_mark_dirty(connection);
}

static Connection *connection_new(Http2 *http2, bool is_server, const ConnectionEvents *events, void *owner)
{
    Connection *connection = mem_new(Connection);
    connection->http2 = http2;
    connection->is_server = is_server;
    connection->events = events;
    connection->owner = owner;
    list_init(&connection->streams);
    list_init(&connection->pins);
    list_link_init(&connection->dirty_link);
    list_append(&http2->connections, &connection->link);
    nghttp2_mem allocator;
    connection->frame_buffer = frame_buffer_new(&allocator);
    int error = is_server ? nghttp2_session_server_new3(&connection->session, http2->callbacks, connection,
                                                        http2->server_option, &allocator)
                          : nghttp2_session_client_new3(&connection->session, http2->callbacks, connection,
                                                        http2->client_option, &allocator);
    frame_buffer_settle(connection->frame_buffer);
    if (error != 0)
        abort(); /* out of memory */
    submit_settings(connection);
    return connection;
}

Connection *connection_new_accepted(Http2 *http2, uv_stream_t *listener, bool is_pipe,
                                    const ConnectionEvents *events, void *owner)
{
    Connection *connection = connection_new(http2, true, events, owner);
    int error = is_pipe ? uv_pipe_init(http2->loop, &connection->socket.pipe, 0)
                        : uv_tcp_init(http2->loop, &connection->socket.tcp);
    connection->socket.handle.data = connection;
    if (error == 0)
        error = uv_accept(listener, &connection->socket.stream);
    if (error == 0 && !is_pipe)
        (void)uv_tcp_nodelay(&connection->socket.tcp, 1);
    if (error == 0)
        error = uv_read_start(&connection->socket.stream, connection_on_allocate, connection_on_read);
    if (error != 0) {
        list_remove(&http2->connections, &connection->link);
        nghttp2_session_del(connection->session);
        connection->frame_buffer = frame_buffer_release(connection->frame_buffer);
        connection->state = CONNECTION_CLOSED;
        uv_close(&connection->socket.handle, on_handle_closed);
        return NULL;
    }
    connection->state =
        CONNECTION_GREETING; /* our SETTINGS wait for its first bytes: it may not speak HTTP/2 */
    return connection;
}

static void set_upstream_options(Connection *connection)
{
    (void)uv_tcp_nodelay(&connection->socket.tcp, 1);
    keepalive_set(connection_fd(connection), connection->keepalive_s);
}

static void on_connected(uv_connect_t *request, int status)
{
    Connection *connection = request->handle->data;
    if (connection->state != CONNECTION_CONNECTING)
        return;
    if (status == 0)
        status = uv_read_start(&connection->socket.stream, connection_on_allocate, connection_on_read);
    if (status < 0) {
        connection_close(connection, CONNECTION_END_CONNECT, "%s", uv_strerror(status));
        return;
    }
    set_upstream_options(connection);
    connection->state = connection->tls ? CONNECTION_HANDSHAKE : CONNECTION_GREETING;
    if (connection->tls)
        connection_continue_handshake(connection);
    connection_mark_dirty(connection);
}

Connection *connection_new_connecting(Http2 *http2, const struct sockaddr *address, TlsContext *tls,
                                      const char *server_name, const ConnectionEvents *events, void *owner)
{
    Connection *connection = connection_new(http2, false, events, owner);
    if (tls)
        connection->tls = tls_new(tls, server_name, &http2->cipher_blocks);
    connection->keepalive_s = KEEPALIVE_S;
    connection->connect_request = mem_new(uv_connect_t);
    int error = uv_tcp_init(http2->loop, &connection->socket.tcp);
    connection->socket.handle.data = connection;
    if (error == 0)
        error = uv_tcp_connect(connection->connect_request, &connection->socket.tcp, address, on_connected);
    if (error != 0)
        connection_close(connection, CONNECTION_END_CONNECT, "%s", uv_strerror(error));
    return connection;
}

void connection_set_keepalive(Connection *connection, unsigned seconds)
{
    connection->keepalive_s = seconds;
}

void connection_ping(Connection *connection)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    (void)nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
    connection_mark_dirty(connection);
}

void connection_announce_shutdown(Connection *connection)
{
    if (connection->state >= CONNECTION_CLOSING)
        return;
    connection->says_goodbye = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(connection->session);
    (void)nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    connection_mark_dirty(connection);
}

uint32_t connection_streams_left(const Connection *connection)
{
    if (connection->state != CONNECTION_OPEN || connection->peer_goes_away ||
        !nghttp2_session_check_request_allowed(connection->session))
        return 0;
    uint32_t limit =
        nghttp2_session_get_remote_settings(connection->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    size_t used = connection->streams.n_entries;
    return used < limit ? limit - (uint32_t)used : 0;
}

size_t connection_header_limit(const Connection *connection)
{
    return nghttp2_session_get_remote_settings(connection->session, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
}
