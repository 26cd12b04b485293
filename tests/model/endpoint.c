#include "endpoint.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUTPUT_LIMIT (256 * 1024) /* that is produced ahead */

void endpoint_open(Endpoint *endpoint, int fd, bool is_server, const nghttp2_session_callbacks *callbacks,
                   void *owner)
{
    nghttp2_option *option = NULL;
    *endpoint = (Endpoint){.fd = fd};
    nghttp2_option_new(&option);
    if (is_server) {
        nghttp2_session_server_new2(&endpoint->session, callbacks, owner, option);
    } else {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_session_client_new2(&endpoint->session, callbacks, owner, option);
    }
    nghttp2_option_del(option);
    nghttp2_submit_settings(endpoint->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void produce(Endpoint *endpoint)
{
    const uint8_t *bytes;
    ssize_t n;
    while (endpoint->output.length < OUTPUT_LIMIT &&
           (n = nghttp2_session_mem_send(endpoint->session, &bytes)) > 0)
        text_append_bytes(&endpoint->output, (const char *)bytes, (size_t)n);
}

/* Returns how much was written. */
static size_t write_out(Endpoint *endpoint, size_t length)
{
    size_t written = 0;
    while (written < length) {
        ssize_t n = send(endpoint->fd, endpoint->output.bytes + written, length - written,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            break;
        written += (size_t)n;
    }
    _cleanup_(text_deinit) Text rest = TEXT_NULL;
    if (written < endpoint->output.length)
        text_append_bytes(&rest, endpoint->output.bytes + written, endpoint->output.length - written);
    text_clear(&endpoint->output);
    if (rest.length > 0)
        text_append_bytes(&endpoint->output, rest.bytes, rest.length);
    return written;
}

static EndpointPump read_in(Endpoint *endpoint)
{
    uint8_t bytes[65536];
    bool moved = false;
    for (;;) {
        ssize_t n = recv(endpoint->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return ENDPOINT_GONE;
        if (n < 0)
            return moved ? ENDPOINT_MOVED : ENDPOINT_QUIET;
        if (n == 0 || nghttp2_session_mem_recv(endpoint->session, bytes, (size_t)n) < 0)
            return ENDPOINT_GONE;
        moved = true;
    }
}

EndpointPump endpoint_pump(Endpoint *endpoint, bool reads)
{
    EndpointPump pump = reads ? read_in(endpoint) : ENDPOINT_QUIET;
    if (pump == ENDPOINT_GONE || endpoint->is_closing)
        return pump;
    produce(endpoint);
    return write_out(endpoint, endpoint->output.length) > 0 ? ENDPOINT_MOVED : pump;
}

void endpoint_write_part(Endpoint *endpoint, unsigned share)
{
    if (endpoint->is_closing)
        return;
    produce(endpoint);
    (void)write_out(endpoint, endpoint->output.length * share / 256);
}

void endpoint_shut(Endpoint *endpoint)
{
    endpoint->is_closing = true;
    (void)shutdown(endpoint->fd, SHUT_WR);
}

void endpoint_close(Endpoint *endpoint)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0}; /* no port is left in TIME_WAIT */
    if (!endpoint_is_open(endpoint))
        return;
    (void)setsockopt(endpoint->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)close(endpoint->fd);
    endpoint->fd = -1;
    nghttp2_session_del(endpoint->session);
    endpoint->session = NULL;
    text_deinit(&endpoint->output);
}
