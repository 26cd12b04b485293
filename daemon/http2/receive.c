/* The receiving half of a connection: socket bytes, through TLS where there is one, to nghttp2. */

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/clock.h"
#include "http2/connection_io.h"
#include "http2/tls.h"

#define CIPHER_INPUT_SIZE (256 * 1024)

void connection_on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    Connection *connection = container_of(handle, Connection, socket.handle);
    Http2 *http2 = connection->http2;
    size_t size;
    if (connection->tls) {
        if (!http2->cipher_input)
            http2->cipher_input = mem_alloc(CIPHER_INPUT_SIZE);
        *buffer = uv_buf_init((char *)http2->cipher_input, CIPHER_INPUT_SIZE);
    } else {
        uint8_t *room = http2_receive_room(http2, &size);
        *buffer = uv_buf_init((char *)room, (unsigned)size);
    }
}

void connection_protocol_broken(Connection *connection, int error)
{
    static const char *const KINDS[] = {[PREFACE_HTTP2] = "HTTP/2 with an error",
                                        [PREFACE_TLS] = "TLS",
                                        [PREFACE_HTTP1] = "HTTP/1",
                                        [PREFACE_UNKNOWN] = "no protocol known here"};
    PrefaceKind kind = preface_classify(connection->first_bytes, connection->n_first_bytes);
    if (connection->is_server ? kind == PREFACE_HTTP2 : connection->state == CONNECTION_OPEN)
        connection_close(connection, CONNECTION_END_PROTOCOL, "HTTP/2 error: %s", nghttp2_strerror(error));
    else
        connection_close(connection, CONNECTION_END_PROTOCOL, "the peer speaks %s",
                         kind == PREFACE_HTTP2 ? "no HTTP/2" : KINDS[kind]);
}

static void feed(Connection *connection, const uint8_t *bytes, size_t length)
{
    if (connection->n_first_bytes < PREFACE_BYTES_KEPT) {
        size_t room = PREFACE_BYTES_KEPT - connection->n_first_bytes;
        size_t part = length < room ? length : room;
        memcpy(connection->first_bytes + connection->n_first_bytes, bytes, part);
        connection->n_first_bytes = (uint8_t)(connection->n_first_bytes + part);
    }
    ssize_t n = nghttp2_session_mem_recv(connection->session, bytes, length);
    if (n < 0)
        connection_protocol_broken(connection, (int)n);
    else if (nghttp2_session_want_write(connection->session) ||
             !nghttp2_session_want_read(connection->session))
        connection_mark_dirty(connection);
}

void connection_continue_handshake(Connection *connection)
{
    switch (tls_handshake(connection->tls)) {
    case TLS_DONE:
        if (tls_speaks_http2(connection->tls))
            connection->state = CONNECTION_GREETING;
        else
            connection_close(connection, CONNECTION_END_TLS, "the server does not offer HTTP/2 (ALPN h2)");
        break;
    case TLS_WANT_MORE: break;
    case TLS_ENDED:
    case TLS_FAILED:
        connection_close(connection, CONNECTION_END_TLS, "%s", tls_error(connection->tls));
        break;
    }
    connection_mark_dirty(connection);
}

/* Decrypts until OpenSSL holds nothing back: no event would come for what it keeps. */
static void decrypt(Connection *connection)
{
    Http2 *http2 = connection->http2;
    while (connection->state < CONNECTION_CLOSING) {
        size_t size, length;
        uint8_t *room = http2_receive_room(http2, &size);
        TlsResult result = tls_read(connection->tls, room, size, &length);
        if (result == TLS_DONE) {
            feed(connection, room, length);
            http2_received(http2, length);
            continue;
        }
        if (result == TLS_ENDED)
            connection_close(connection, CONNECTION_END_PEER, "the server closed the connection");
        else if (result == TLS_FAILED)
            connection_close(connection, CONNECTION_END_PEER, "%s", tls_error(connection->tls));
        break;
    }
    if (tls_has_unread_input(connection->tls))
        connection_close(connection, CONNECTION_END_PEER,
                         "the server asks for more TLS answers than can be sent");
    if (connection_has_output(connection))
        connection_mark_dirty(
            connection); /* an answer to a key update, or what could not be encrypted before */
}

static void receive_tls(Connection *connection, const uint8_t *bytes, size_t length)
{
    tls_give(connection->tls, bytes, length);
    if (connection->state == CONNECTION_HANDSHAKE)
        connection_continue_handshake(connection);
    if (connection->state == CONNECTION_GREETING || connection->state == CONNECTION_OPEN)
        decrypt(connection);
}

static void socket_ended(Connection *connection, int error)
{
    const char *who = connection->is_server ? "the client" : "the server";
    if (connection->state == CONNECTION_HANDSHAKE)
        connection_close(connection, CONNECTION_END_CONNECT,
                         "the server closed the connection during the TLS handshake");
    else if (connection->state == CONNECTION_GREETING && !connection->is_server)
        connection_close(connection, CONNECTION_END_PROTOCOL,
                         "the server closed the connection before it said anything in HTTP/2");
    else if (error == UV_EOF)
        connection_close(connection, CONNECTION_END_PEER, "%s closed the connection", who);
    else
        connection_close(connection, CONNECTION_END_PEER, "connection lost: %s", uv_strerror(error));
}

void connection_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    Connection *connection = container_of(stream, Connection, socket.stream);
    if (connection->state >= CONNECTION_CLOSING || n == 0)
        return;
    connection->http2->now_ns = clock_now_ns();
    if (n < 0) {
        socket_ended(connection, (int)n);
        return;
    }
    connection->bytes_received += (uint64_t)n;
    if (connection->tls) {
        receive_tls(connection, (const uint8_t *)buffer->base, (size_t)n);
    } else {
        feed(connection, (const uint8_t *)buffer->base, (size_t)n);
        http2_received(connection->http2, (size_t)n);
    }
}
