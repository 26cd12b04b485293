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
    const ListenSettings *settings; /* borrowed; those in force */
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

/* Binds and listens. 0 and *ret_listener, or a negative errno and one error in `problems`. */
int listener_new(Listener **ret_listener, Relay *relay, const ListenSettings *settings, mode_t socket_mode,
                 Problems *problems) _must_check_;
/* Other settings of the same address, for the clients that come from now on. */
void listener_set_settings(Listener *listener, const ListenSettings *settings, mode_t socket_mode);
/* Stops listening (clients that are connected stay) and removes its socket file; freed when the loop has run.
 */
void listener_close(Listener *listener);
