#pragma once

/*
 * Endpoint: the far end of one of the daemon's connections, a real HTTP/2 endpoint on a socket. What it has
 * to say is kept until it is pumped, so that a connection can break in the middle of it.
 */

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "base/text.h"

typedef struct Endpoint {
    int fd; /* -1: closed */
    nghttp2_session *session;
    Text output;     /* produced, not written yet */
    bool is_closing; /* its side is shut; it closes when the daemon has seen that */
} Endpoint;

typedef enum EndpointPump {
    ENDPOINT_QUIET,
    ENDPOINT_MOVED,
    ENDPOINT_GONE, /* the daemon has closed it, or HTTP/2 is broken: to be closed */
} EndpointPump;

/* Takes the socket over. */
void endpoint_open(Endpoint *endpoint, int fd, bool is_server, const nghttp2_session_callbacks *callbacks,
                   void *owner);
/* Writes what there is to be said; `reads`: there may be something to read, which is read first. */
EndpointPump endpoint_pump(Endpoint *endpoint, bool reads);
/* Collects what it has to say, and writes `share` of 256 parts of it. */
void endpoint_write_part(Endpoint *endpoint, unsigned share);
/* No more is written; the daemon reads the end. */
void endpoint_shut(Endpoint *endpoint);
/* At once, with a reset. Harmless when it is closed. */
void endpoint_close(Endpoint *endpoint);

static inline bool endpoint_is_open(const Endpoint *endpoint)
{
    return endpoint->fd >= 0;
}
