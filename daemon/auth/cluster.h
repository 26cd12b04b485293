#pragma once

/*
 * Cluster: what the workspace says of a profile's cluster over REST (/api/2.1/clusters), looked up when a
 * call has failed because of it or somebody asks: cached for some seconds, one request at a time. Starting it
 * and waiting until it runs is here too. It is never asked while nobody waits, so that nothing keeps it
 * awake. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "auth/cluster_rules.h"
#include "auth/https.h"
#include "auth/refresher.h"
#include "base/deadline.h"
#include "base/list.h"

/* How the latest start went. */
typedef enum ClusterStart {
    CLUSTER_START_NONE,      /* nobody has asked for one, or what came of it is history */
    CLUSTER_START_WANTED,    /* asked for; it is not on its way yet */
    CLUSTER_START_UNDER_WAY, /* on its way, by us or somebody else */
    CLUSTER_START_DONE,      /* it runs */
    CLUSTER_START_DENIED,    /* the credential may not start it */
    CLUSTER_START_FAILED,    /* it came to nothing; state and message say more */
    CLUSTER_START_TIMED_OUT, /* it still was not running after the profile's cluster_start_timeout */
} ClusterStart;

typedef struct ClusterFacts {
    ClusterState state;
    ClusterStart start;
    const char *name;     /* for people; "" when not known */
    const char *message;  /* the workspace's own words, or why it could not be asked; "" when none */
    uint64_t since_ns;    /* monotonic: when this state was first seen; 0: never asked */
    uint64_t expected_ms; /* while starting: how long it took before, less what has passed; 0: not known */
    unsigned n_waiting;
} ClusterFacts;

typedef struct Cluster Cluster;
typedef struct ClusterWaiter ClusterWaiter;

/* Embedded in whoever wants to know. */
struct ClusterWaiter {
    ListLink link;
    bool wants_running;                      /* set by cluster_start(); false: any answer will do */
    uint64_t due;                            /* private: the round in which it is told; 0: it still waits */
    void (*on_known)(ClusterWaiter *waiter); /* cluster_facts() say; it runs, or it will not for now */
};

typedef struct ClusterContext {
    uv_loop_t *loop;
    Https *https;
    Deadlines *deadlines;
    const Log *log;
    const ProfileSettings *profile;
    Refresher *refresher;
    uint64_t (*now_ns)(void); /* the clock; NULL: clock_now_ns() */
} ClusterContext;

/* `context` is copied; the profile must have a cluster_id. Never NULL. */
Cluster *cluster_new(const ClusterContext *context);
/* Nobody may wait any more. Takes NULL; returns NULL. */
Cluster *cluster_free(Cluster *cluster);

/* Asks, unless an answer of the last seconds is there; on_known comes by a later event. */
void cluster_ask(Cluster *cluster, ClusterWaiter *waiter);
/*
 * Starts it if it is terminated (once for all who wait), polls until it runs; on_known when it does, when it
 * cannot, or after the profile's cluster_start_timeout. Whether it may be started at all is the caller's to
 * decide (profile->autostart). One that has just failed is not tried again for some seconds.
 */
void cluster_start(Cluster *cluster, ClusterWaiter *waiter);
/* Harmless when it does not wait. When nobody does any more, nothing is asked any more. */
void cluster_stop_waiting(Cluster *cluster, ClusterWaiter *waiter);
/* Starts it like a waiter of its own, which stays until it is known how that ended. */
void cluster_start_unattended(Cluster *cluster);
/* Asks for the sake of cluster_facts() alone. */
void cluster_ask_unattended(Cluster *cluster);
/* The latest answer; strings are borrowed until the next event. */
void cluster_facts(const Cluster *cluster, ClusterFacts *ret_facts);
/* "under way"; for status. */
const char *cluster_start_name(ClusterStart start);
