#pragma once

/*
 * Control: the daemon's control socket: HTTP/1.1 with JSON on a unix socket of mode 0600, for the daemon's
 * own user and root alone (checked by the peer's uid as well). libmicrohttpd serves it from the loop. Loop
 * thread only.
 */

#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "conf/settings.h"

typedef struct Control Control;
typedef struct json_t json_t; /* jansson */

/* A request whose answer comes later. Who has been asked owns it until control_question_answer(). */
typedef struct ControlQuestion {
    ListLink link; /* for who has been asked */
    void (*deliver)(void *asker, unsigned status, json_t *document);
    void *asker; /* NULL: gone meanwhile */
} ControlQuestion;

/* Once, and not from within the function that was asked. `status` is HTTP's; takes the document over and
 * frees the question. */
void control_question_answer(ControlQuestion *question, unsigned status, json_t *document);

/* A named session that is to end. Borrowed. */
typedef struct SessionRelease {
    const char *name, *profile, *user; /* profile NULL: the default one; user NULL: the only one there is */
} SessionRelease;

/* What the control server asks of the daemon. */
typedef struct ControlHost {
    /* The document of GET /status; a new reference. */
    json_t *(*status)(void *context);
    /* True when calls are taken (GET /ready). */
    bool (*is_ready)(void *context);
    /* POST /stop: begin to drain, or at the second time stop at once. */
    void (*stop)(void *context);
    /* POST /reload: takes the question over; false: the daemon stops, and the question is still the caller's.
     */
    bool (*reload)(void *context, ControlQuestion *question);
    /* POST /profiles: the name, borrowed until the next event, under which calls reach the guest, whose
     * label is yet to be chosen. NULL, with the status of HTTP and a sentence in `problem`. */
    const char *(*add_guest)(void *context, const GuestProfile *guest, unsigned *ret_status, Text *problem);
    /* POST /probe: gets what the profile has not got yet. False with status and sentence, as above. */
    bool (*probe)(void *context, const char *profile, unsigned *ret_status, Text *problem);
    /* POST /start: begins to start the profile's cluster; status tells how that goes. False as above. */
    bool (*start)(void *context, const char *profile, unsigned *ret_status, Text *problem);
    /* GET /sessions: a new reference. */
    json_t *(*sessions)(void *context);
    /* POST /sessions/release: takes the question over. False, as above, and the question is still the
     * caller's. */
    bool (*release_session)(void *context, const SessionRelease *release, ControlQuestion *question,
                            unsigned *ret_status, Text *problem);
    void *context;
} ControlHost;

/* Listens on `path` (its folder is made when missing, mode 0700, and must be ours; a stale socket is
 * removed). NULL after the reason has been logged. `host` is copied. */
Control *control_new(uv_loop_t *loop, const Log *log, const char *path, const ControlHost *host);
/* Stops serving and closes its handles; freed when the loop has run. */
void control_close(Control *control);
