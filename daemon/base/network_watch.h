#pragma once

/*
 * NetworkWatch: tells when what was true of the network may no longer be: addresses or default routes have
 * come or gone (netlink), or the machine has slept. Nothing runs for it while nothing happens: sleep is
 * noticed by the first event after it, of whatever kind, by comparing the clock that counts sleep with the
 * one that does not. Where there is no netlink only sleep is noticed, and where there is no such clock
 * nothing. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/deadline.h"

typedef struct NetworkWatch NetworkWatch;
/* `what` is part of a sentence: "the network has changed". A burst of changes comes as one, when it settles.
 */
typedef void (*NetworkWatchFunction)(void *context, const char *what);

/* Never NULL. */
NetworkWatch *network_watch_new(uv_loop_t *loop, Deadlines *deadlines, NetworkWatchFunction on_change,
                                void *context);
/* Freed when the loop has run. Takes NULL; returns NULL. */
NetworkWatch *network_watch_close(NetworkWatch *watch);

/* ---- the pure parts, for tests */

/* How far the clock that counts sleep was ahead of the other one. */
typedef struct SleepWatch {
    uint64_t ahead_ns;
    bool has_looked;
} SleepWatch;

/* Whether the machine has slept since the last time; *ret_slept_ns: for how long. */
bool sleep_watch_look(SleepWatch *watch, uint64_t monotonic_ns, uint64_t boot_ns, uint64_t *ret_slept_ns);
/* Whether one of these netlink messages is about something that matters. */
bool network_change_matters(const void *messages, size_t length);
