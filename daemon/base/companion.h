#pragma once

/*
 * Companion: a server program that runs beside the daemon for as long as it is wanted, and never longer: it
 * is a process group of its own that ends with the daemon, whichever way that ends. Standard input is
 * /dev/null; it works in a folder of its own, only its user's to read, which goes with it. Of what it prints
 * only one line at a time is kept. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#define COMPANION_LINE_SIZE 512 /* longer lines are cut */

typedef struct Companion Companion;

/* Everything is borrowed until companion_start() returns. */
typedef struct CompanionOptions {
    const char *const *argv;    /* NULL-terminated; [0] is looked for in PATH unless it has a slash */
    const char *const *dropped; /* of the daemon's variables, as in ChildOptions */
    const char *const *added;   /* "NAME=value", NULL-terminated */
} CompanionOptions;

typedef struct CompanionEvents {
    /* A line that it has printed, without its end; valid during the call. */
    void (*on_line)(void *context, char *line);
    /* It has ended; companion_free() is due, and may be called from here. */
    void (*on_ended)(void *context, int64_t exit_status, int signal);
} CompanionEvents;

/* NULL and a negative error of libuv when it cannot be started. A program that is not there ends with 127,
 * after a line that says so. */
Companion *companion_start(uv_loop_t *loop, const CompanionOptions *options, const CompanionEvents *events,
                           void *context, int *ret_error);
pid_t companion_pid(const Companion *companion);
/* Asks it to end (SIGTERM, to all of the group). on_ended comes later. */
void companion_ask_to_end(Companion *companion);
/* Nothing is told any more; what still runs of it is killed. Takes NULL; returns NULL. The memory goes when
 * the loop has seen its end. */
Companion *companion_free(Companion *companion);
