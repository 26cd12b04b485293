#pragma once

/*
 * Launcher: starts the daemon in the background when none runs: this same binary, in a session of its own,
 * with its output in a log file, so that it outlives the terminal and the program that needed it. Starts by
 * several processes at once are made one by a lock. Blocking; main thread.
 */

#include "cli/options.h"

/* 0 when a daemon takes calls on `control_socket`, that was there or has just been started; `*ret_started`
 * says which. -1 with one sentence in `reason`, that says what to do. */
int launcher_ensure_daemon(const Options *options, const char *control_socket, bool *ret_started,
                           Text *reason) _must_check_;
