#pragma once

/*
 * Listener: one address that clients connect to: TCP, unix socket or Linux abstract socket. Loop thread only.
 */

#include <stdbool.h>
#include <uv.h>

#include "conf/settings.h"
#include "relay/relay.h"

typedef struct Listener {
    Relay *relay;
    const ListenSettings *settings; /* borrowed */
    bool is_pipe;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    char url[160];        /* what a client writes: "sc://localhost:15002" */
    char *path_to_remove; /* of a unix socket we made; NULL: none */
} Listener;

/* Binds and listens. 0 and *ret_listener, or a negative errno after the reason has been logged. */
int listener_new(Listener **ret_listener, Relay *relay, const ListenSettings *settings,
                 mode_t socket_mode) _must_check_;
/* Stops listening and removes its socket file; freed when the loop has run. */
void listener_close(Listener *listener);
