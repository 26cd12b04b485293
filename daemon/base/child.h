#pragma once

/*
 * Child: one run of a helper program (the databricks CLI, az, a company's own command): standard input is
 * /dev/null, so that it cannot ask; it is a session and process group of its own, so that it has no terminal
 * and what it starts dies with it; time and output are bounded. What it prints may be a token: it is wiped
 * afterwards. Asynchronous. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef struct Child Child;

/* What is run. Everything is borrowed until child_start() returns. */
typedef struct ChildOptions {
    const char *const *argv; /* NULL-terminated; no shell; [0] is looked for in PATH unless it has a slash */
    /* It gets the environment of the daemon without the variables named here ("NAME", or "PREFIX_*"), except
     * those in `kept`. NULL-terminated; may be NULL. */
    const char *const *dropped, *const *kept;
    uint64_t timeout_ms; /* then the whole group is killed */
    size_t output_limit; /* bytes of standard output, and of standard error; more kills it too */
} ChildOptions;

/* How it went. Valid only during the callback. */
typedef struct ChildResult {
    int error;      /* negative: it could not be started (as uv_spawn says); the rest is empty then */
    bool timed_out; /* killed for its time */
    bool is_too_long;
    int64_t exit_status;
    int signal;         /* that ended it; 0: none */
    const char *output; /* NUL-terminated, never NULL */
    size_t output_length;
    const char *errors;
    size_t errors_length;
} ChildResult;

typedef void (*ChildDone)(void *context, const ChildResult *result);

/* `done` is called once, never before this returns. Never NULL. */
Child *child_start(uv_loop_t *loop, const ChildOptions *options, ChildDone done, void *context);
/* Kills it; `done` will not be called. Its memory goes when the loop has seen its end. */
void child_cancel(Child *child);

/* The environment that a program gets, as above, with `added` ("NAME=value", NULL-terminated; may be NULL)
 * behind. free() it; the strings are borrowed from environ and `added`. */
char **child_environment(const char *const *dropped, const char *const *kept, const char *const *added);

static inline bool child_succeeded(const ChildResult *result)
{
    return !result->error && !result->timed_out && !result->is_too_long && !result->signal &&
           result->exit_status == 0;
}
