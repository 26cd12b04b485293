#pragma once

/*
 * Reloader: loads the settings anew, on the loop's thread pool, when a signal, the control socket or a change
 * of a file asks for it, one load at a time. Whoever asks while one is under way gets the next. Loop thread
 * only.
 */

#include <stdbool.h>
#include <uv.h>

#include "admin/control.h"
#include "base/log.h"
#include "conf/settings.h"

typedef struct Reloader Reloader;

typedef struct ReloaderHost {
    /* A load begins. */
    void (*begin)(void *context);
    /* Puts them into force, takes them over, and gives a document that says what has changed; NULL, and an
     * error in `problems`, when that cannot be: then nothing has changed. */
    json_t *(*apply)(void *context, Settings *settings, Problems *problems);
    /* A load has ended, with new settings in force or not. */
    void (*end)(void *context, bool is_changed);
    void *context;
} ReloaderHost;

/* `source` and `log` are borrowed, `host` is copied. Never NULL. */
Reloader *reloader_new(uv_loop_t *loop, const Log *log, const SettingsSource *source,
                       const ReloaderHost *host);
/* Begins by a later event at the earliest. `why` is a literal, for the log: "SIGHUP". `question`, which may
 * be NULL, gets the answer. */
void reloader_request(Reloader *reloader, const char *why, ControlQuestion *question);
/* Questions are answered that it stops; freed when the loop has run. Takes NULL; returns NULL. */
Reloader *reloader_close(Reloader *reloader);
