#pragma once

/*
 * Relay: all that calls share: the settings in force, the upstreams of the profiles, the session registry,
 * the clients that are connected and the calls that run. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/deadline.h"
#include "base/list.h"
#include "base/log.h"
#include "conf/settings.h"
#include "http2/http2.h"
#include "relay/upstream.h"
#include "session/registry.h"

#define RELAY_MAX_CALLS                                                                                      \
    20000 /* at a time, of all clients: each may hold some KiB, and 64 KiB of what it sends */

typedef struct Call Call;

/* Counted since the start; for status and metrics. */
typedef struct RelayCounts {
    uint64_t n_calls, n_failed; /* ended; of those with a status other than OK */
    uint64_t n_answered_here;   /* without asking the server */
    uint64_t n_replayed;        /* attempts made again as they were */
    uint64_t n_resumed;         /* result streams continued by ReattachExecute */
    uint64_t n_clients;
    uint64_t bytes_to_clients, bytes_to_servers; /* of messages */
} RelayCounts;

typedef struct Relay {
    uv_loop_t *loop;
    const Log *log;
    const Settings *settings;
    Http2 http2;
    Deadlines deadlines;
    Registry registry;
    Upstream **upstreams; /* beside settings->profiles; NULL: not used yet, or not usable */
    char **problems;      /* beside them: why not; NULL: no problem */
    List clients;
    List calls;
    List spare_calls;
    bool is_draining;
    void (*on_idle)(
        struct Relay *relay); /* while draining: the last call has ended, the last client has gone */
    RelayCounts counts;
    uint64_t failures_logged_since_ns; /* this second's share of the log */
    unsigned n_failures_logged, n_failures_not_logged;
} Relay;

/* `settings` and `log` are borrowed. 0 or a negative errno. */
int relay_init(Relay *relay, uv_loop_t *loop, const Settings *settings, const Log *log);
/* Connects the upstreams that are to be warm. */
void relay_start(Relay *relay);
/* Lets no new calls in, says so to all clients; on_idle is called, perhaps at once, when none is left. */
void relay_drain(Relay *relay);
/* One line about a call that the daemon itself has ended; so many a second at the most, since clients cause
 * them. */
void relay_log_failure(Relay *relay, const char *format, ...) _printf_(2, 3);
/* Calls on_idle when that is due. */
void relay_check_idle(Relay *relay);
/* Ends what still runs with UNAVAILABLE and closes every connection, at the next flush. */
void relay_close(Relay *relay);
/* After relay_close(), when the loop has run until nothing was left to do. */
void relay_deinit(Relay *relay);

/* The upstream of a profile, made at its first use. NULL with a sentence in *ret_problem (borrowed) when
 * there is no such profile or it cannot be used; *ret_is_unknown tells these apart. */
Upstream *relay_upstream(Relay *relay, const char *profile, const char **ret_problem, bool *ret_is_unknown);
