#pragma once

/*
 * Cluster: what the workspace says of a profile's cluster over REST (/api/2.1/clusters), looked up when a
 * call has failed because of it or somebody asks: cached for some seconds, one request at a time. Starting it
 * and waiting until it runs is here too. It is never asked while nobody waits, so that nothing keeps it
 * awake. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "auth/https.h"
#include "auth/refresher.h"
#include "base/deadline.h"
#include "base/list.h"

typedef enum ClusterState {
    CLUSTER_UNKNOWN, /* not asked yet, or the answer says so */
    CLUSTER_PENDING,
    CLUSTER_RUNNING,
    CLUSTER_RESTARTING,
    CLUSTER_RESIZING,
    CLUSTER_TERMINATING,
    CLUSTER_TERMINATED,
    CLUSTER_ERROR,
    CLUSTER_MISSING,   /* there is none of that id (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE) */
    CLUSTER_FORBIDDEN, /* the credential may not see it */
    CLUSTER_UNASKABLE, /* the workspace could not be asked; `message` says why */
} ClusterState;

typedef struct ClusterFacts {
    ClusterState state;
    const char *name;     /* for people; "" when not known */
    const char *message;  /* the workspace's state_message, or why it could not be asked; "" when none */
    uint64_t since_ns;    /* monotonic: when this state was first seen */
    uint64_t expected_ms; /* while starting: how long it took before, less what has passed; 0: not known */
    unsigned n_waiting;
} ClusterFacts;

typedef struct Cluster Cluster;
typedef struct ClusterWaiter ClusterWaiter;

/* Embedded in whoever wants to know. */
struct ClusterWaiter {
    ListLink link;
    bool wants_running;                      /* false: any answer will do */
    void (*on_known)(ClusterWaiter *waiter); /* cluster_facts() say; it runs, or it will not for now */
};

typedef struct ClusterContext {
    uv_loop_t *loop;
    Https *https;
    Deadlines *deadlines;
    const Log *log;
    const ProfileSettings *profile;
    Refresher *refresher;
} ClusterContext;

/* `context` is copied. Never NULL. */
Cluster *cluster_new(const ClusterContext *context);
/* Nobody may wait any more. Takes NULL; returns NULL. */
Cluster *cluster_free(Cluster *cluster);

/* Asks, unless an answer of the last seconds is there; on_known comes by a later event. */
void cluster_ask(Cluster *cluster, ClusterWaiter *waiter);
/* Starts it if it is terminated (once for all who wait), polls until it runs; on_known when it does, when it
 * cannot, or after the profile's cluster_start_timeout. */
void cluster_start(Cluster *cluster, ClusterWaiter *waiter);
/* Harmless when it does not wait. */
void cluster_stop_waiting(Cluster *cluster, ClusterWaiter *waiter);
/* The latest answer; strings are borrowed until the next event. */
void cluster_facts(const Cluster *cluster, ClusterFacts *ret_facts);
/* "TERMINATED", as the workspace spells it. */
const char *cluster_state_name(ClusterState state);
