#pragma once

/*
 * Upstream: where the calls of one profile go: its addresses, TLS context, credential, and the pool of
 * connections that all clients share. Calls that find no connection ready wait here. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "auth/https.h"
#include "auth/refresher.h"
#include "base/backoff.h"
#include "base/deadline.h"
#include "base/list.h"
#include "base/log.h"
#include "conf/settings.h"
#include "http2/connection.h"
#include "http2/tls.h"

typedef struct Upstream Upstream;
typedef struct PooledConnection PooledConnection;
typedef struct UpstreamWaiter UpstreamWaiter;

/* Embedded in a call that waits for a connection. */
struct UpstreamWaiter {
    ListLink link;
    bool is_bulk;
    /* A connection has room: open the stream now. */
    void (*on_ready)(UpstreamWaiter *waiter, PooledConnection *pooled);
    /* There will be none; upstream->last_error says why. */
    void (*on_failed)(UpstreamWaiter *waiter);
};

/* One connection of the pool, being made or ready. */
struct PooledConnection {
    ListLink link; /* in upstream->pool */
    Upstream *upstream;
    Connection *connection; /* NULL while the name is looked up */
    uv_getaddrinfo_t lookup;
    bool lookup_runs;
    struct addrinfo *addresses, *next_address;
    Deadline deadline; /* of the current address; of a probe once it is open */
    Deadline ping;     /* when the next ping is due, or the answer to the last; set only while calls run */
    bool ping_is_out;
    uint64_t received_before_ping;
    unsigned n_bulk;  /* calls that stream */
    unsigned n_calls; /* all of them */
    uint64_t n_calls_ever;
};

struct Upstream {
    uv_loop_t *loop;
    Http2 *http2;
    Deadlines *deadlines;
    const Log *log;
    ListLink link;         /* in relay->upstreams */
    unsigned n_references; /* the destination's, and one of each call and pending release */
    bool is_retired;       /* another takes its place, or none: no new calls */
    /* Retired, nobody refers to it and all connections are gone: free it. NULL: the relay is closing. */
    void (*on_unused)(Upstream *upstream);
    Deadline end;                    /* set when there is nothing left to do but to go */
    struct Destination *destination; /* whose calls come here; stays valid only until it is retired */
    Settings *settings;              /* a reference; has `profile` */
    const ProfileSettings *profile;
    Refresher *refresher;    /* NULL once it is closed */
    struct Cluster *cluster; /* NULL: no Databricks cluster, or once it is closed */
    TlsContext *tls;         /* NULL: in the clear */
    char *authority;         /* for :authority: host, with the port unless it is the scheme's own */
    List pool;
    unsigned n_open; /* connections that are ready */
    List waiters;
    Backoff backoff;
    Deadline retry;           /* set while connecting is held back after a failure */
    char last_error[384];     /* a sentence; empty: none since the last success */
    bool last_error_is_final; /* waiting cannot mend it: a refused certificate */
    bool is_closing;
    bool is_local;    /* the local Spark server, one run of it */
    bool is_given_up; /* a call has waited in vain, and nothing has been reached since */
    uint64_t n_calls;
};

/* The profile must be usable, and of `settings`, which are referenced. One reference, the caller's. NULL,
 * with a sentence in `reason`, when its CA file cannot be read. */
Upstream *upstream_new(uv_loop_t *loop, Http2 *http2, Https *https, Deadlines *deadlines, const Log *log,
                       Settings *settings, const ProfileSettings *profile, char *reason, size_t reason_size);
Upstream *upstream_ref(Upstream *upstream);
/* With the last one it closes its connections, by a later event, and says so by on_unused. Takes NULL;
 * returns NULL. */
Upstream *upstream_unref(Upstream *upstream);
/* No call comes here any more but those that refer to it already. Gives back the caller's reference; takes
 * NULL; returns NULL. */
Upstream *upstream_retire(Upstream *upstream);
/* Closes all connections; nobody may wait any more. Freed by upstream_free() after the loop has run. */
void upstream_close(Upstream *upstream);
Upstream *upstream_free(Upstream *upstream);

/* Somebody wants to know how it stands: whatever is not there yet is got now. */
void upstream_probe(Upstream *upstream);

/*
 * The network is another than before, or the machine has slept: nothing is held back any longer, what has no
 * address any more is given up, and the other connections are probed, each once, however many calls wait for
 * them. True: there was something to do.
 */
bool upstream_network_changed(Upstream *upstream);
/* How long connecting is held back yet, in milliseconds, at least 1; 0: it is not. */
uint64_t upstream_held_back_ms(const Upstream *upstream);
/* Starts making the connections that are wished for, unless a failure holds that back. */
void upstream_connect(Upstream *upstream);
/*
 * A connection with room for one more stream, or NULL: then the caller waits (upstream_wait). Streaming calls
 * (`is_bulk`) and small ones are kept on different connections where there is more than one.
 */
PooledConnection *upstream_pick(Upstream *upstream, bool is_bulk);
/* Queues; connecting starts if it must. on_failed comes at once only by a later event. */
void upstream_wait(Upstream *upstream, UpstreamWaiter *waiter);
/* Harmless when it does not wait. */
void upstream_stop_waiting(Upstream *upstream, UpstreamWaiter *waiter);
/* Accounting of calls on a connection; `ended` makes room for those that wait. */
void pooled_call_begun(PooledConnection *pooled, bool is_bulk);
void pooled_call_ended(PooledConnection *pooled, bool is_bulk);
