/* The sending half of a connection: from nghttp2, through TLS where there is one, into the socket, in few
 * writes. */

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "http2/connection_io.h"
#include "http2/tls.h"

#define OUTPUT_HIGH_WATER (512 * 1024) /* bytes gathered before a write */
#define MAX_STRETCHES     1024         /* of one writev(): IOV_MAX */

bool connection_has_output(const Connection *connection)
{
    size_t pending = 0;
    if (connection->tls)
        (void)tls_pending(connection->tls, &pending);
    return pending > 0 || (connection->output && connection->output->n_bytes > 0);
}

static bool gather_output(Connection *connection)
{
    OutputPool *pool = &connection->http2->outputs;
    while (!connection->output || connection->output->n_bytes < OUTPUT_HIGH_WATER) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(connection->session, &bytes);
        if (n < 0) {
            connection_close(connection, CONNECTION_END_PROTOCOL, "HTTP/2 error: %s",
                             nghttp2_strerror((int)n));
            return false;
        }
        if (n == 0)
            break;
        if (!connection->output)
            connection->output = output_pool_get(pool);
        connection->http2->n_warm_connections += frame_buffer_warm(connection->frame_buffer);
        output_copy(connection->output, pool, bytes, (size_t)n);
    }
    if (!list_is_empty(&connection->pins) &&
        nghttp2_session_get_outbound_queue_size(connection->session) == 0)
        connection_release_pins(connection);
    return true;
}

/* What is to be written now: ciphertext, or the output itself. `buffers` has room for MAX_STRETCHES. */
static unsigned next_buffers(Connection *connection, uv_buf_t *buffers, size_t *ret_length)
{
    *ret_length = 0;
    if (connection->tls) {
        const uint8_t *bytes = tls_pending(connection->tls, ret_length);
        buffers[0] = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)*ret_length);
        return *ret_length ? 1 : 0;
    }
    const Output *output = connection->output;
    unsigned n = output ? output->n_stretches - output->head : 0;
    if (n > MAX_STRETCHES)
        n = MAX_STRETCHES;
    for (unsigned i = 0; i < n; i++) {
        const struct iovec *stretch = &output->stretches[output->head + i];
        buffers[i] = uv_buf_init(stretch->iov_base, (unsigned)stretch->iov_len);
        *ret_length += stretch->iov_len;
    }
    return n;
}

static void bytes_written(Connection *connection, size_t length)
{
    connection->bytes_sent += length;
    if (connection->tls)
        tls_sent(connection->tls, length);
    else
        output_advance(connection->output, length);
}

/* The peer may have said something before it went, GOAWAY above all: that is read first, then the socket
 * ends. */
static void write_failed(Connection *connection)
{
    connection->cannot_write = true;
    connection->peer_goes_away = true;
    connection->output = output_pool_put(&connection->http2->outputs, connection->output);
}

static void on_written(uv_write_t *request, int status)
{
    Connection *connection = request->handle->data;
    size_t length = (size_t)(uintptr_t)request->data;
    connection->write_request = NULL;
    free(request);
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (status < 0) {
        connection->bytes_sent += length; /* part of it may have left */
        write_failed(connection);
        return;
    }
    bytes_written(connection, length);
    connection_mark_dirty(connection);
}

/* Writes what it can. False when the socket is full, a write goes on by itself, or the connection failed. */
static bool write_some(Connection *connection)
{
    uv_buf_t buffers[MAX_STRETCHES];
    size_t length;
    unsigned n = next_buffers(connection, buffers, &length);
    if (n == 0)
        return true;
    int written = uv_try_write(&connection->socket.stream, buffers, n);
    if (written == UV_EAGAIN)
        written = 0;
    if (written < 0) {
        write_failed(connection);
        return false;
    }
    bytes_written(connection, (size_t)written);
    if ((size_t)written == length)
        return true;
    n = next_buffers(connection, buffers, &length);
    uv_write_t *request = connection->write_request = mem_new(uv_write_t);
    request->data = (void *)(uintptr_t)length; /* bytes that on_written accounts for */
    if (uv_write(request, &connection->socket.stream, buffers, n, on_written) != 0) {
        connection->write_request = NULL;
        free(request);
        write_failed(connection);
    }
    return false;
}

/* TLS cannot encrypt until it has heard more from the server. */
static bool is_stuck(const Connection *connection)
{
    size_t pending = 1;
    if (connection->tls)
        (void)tls_pending(connection->tls, &pending);
    return pending == 0;
}

void connection_write_all(Connection *connection)
{
    while (connection->state < CONNECTION_CLOSING && !connection->write_request &&
           !connection->cannot_write) {
        if (connection->state >= CONNECTION_GREETING && !gather_output(connection))
            return;
        if (connection->tls && connection->output && !tls_write(connection->tls, connection->output)) {
            connection_close(connection, CONNECTION_END_PEER, "%s", tls_error(connection->tls));
            return;
        }
        if (!connection_has_output(connection) || is_stuck(connection))
            break;
        if (!write_some(connection))
            return;
    }
    if (connection->output && connection->output->n_bytes == 0)
        connection->output = output_pool_put(&connection->http2->outputs, connection->output);
}
