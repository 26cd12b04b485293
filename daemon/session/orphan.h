#pragma once

/*
 * Orphan: what becomes of the operations and the session that a client has left behind, once its connection
 * has been gone for a while. In doubt everything stays: a client may only have lost its network. Pure; any
 * thread.
 */

#include <stdbool.h>

#include "base/process.h"

typedef struct OrphanOperationFacts {
    bool is_running;   /* its end has not been seen */
    bool is_connected; /* the connection is open that asked for its results last */
    bool is_streaming; /* a call brings its results now */
    bool session_used; /* somebody has called for the session since */
} OrphanOperationFacts;

/* Whether it runs for nobody. One whose stream was merely cancelled does not: the client that reattaches
 * after each 45 seconds has its connection still. */
bool orphan_operation(const OrphanOperationFacts *facts);

typedef struct OrphanSessionFacts {
    bool session_used; /* somebody has called for it since */
    bool is_connected; /* a connection that has used it is open */
    bool is_shared;    /* several clients have used it */
    bool is_named;     /* it is kept for those who come by its name */
    ProcessState process;
} OrphanSessionFacts;

/* Whether nobody can come back for it. */
bool orphan_session(const OrphanSessionFacts *facts);
