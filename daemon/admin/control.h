#pragma once

/*
 * Control: the daemon's control socket: HTTP/1.1 with JSON on a unix socket of mode 0600, for the daemon's
 * own user and root alone (checked by the peer's uid as well). libmicrohttpd serves it from the loop. Loop
 * thread only.
 */

#include <stdbool.h>
#include <uv.h>

#include "base/log.h"

typedef struct Control Control;
typedef struct json_t json_t; /* jansson */

/* What the control server asks of the daemon. */
typedef struct ControlHost {
    /* The document of GET /status; a new reference. */
    json_t *(*status)(void *context);
    /* True when calls are taken (GET /ready). */
    bool (*is_ready)(void *context);
    /* POST /stop: begin to drain, or at the second time stop at once. */
    void (*stop)(void *context);
    void *context;
} ControlHost;

/* Listens on `path` (its folder is made when missing, mode 0700, and must be ours; a stale socket is
 * removed). NULL after the reason has been logged. `host` is copied. */
Control *control_new(uv_loop_t *loop, const Log *log, const char *path, const ControlHost *host);
/* Stops serving and closes its handles; freed when the loop has run. */
void control_close(Control *control);
