#pragma once

/* The two halves of a connection, receive.c and send.c, for connection.c and each other alone. Loop thread
 * only. */

#include "http2/connection.h"

/* libuv's callbacks. */
void connection_on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer);
void connection_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer);
/* TLS: makes the next step of the handshake with what has come. */
void connection_continue_handshake(Connection *connection);
/* Closes it, and says what the peer speaks instead; `error` is nghttp2's. */
void connection_protocol_broken(Connection *connection, int error);

/* nghttp2 refers to no strings of the layers above any more. */
void connection_release_pins(Connection *connection);
/* Writes until there is nothing left or the socket is full. */
void connection_write_all(Connection *connection);
bool connection_has_output(const Connection *connection);
