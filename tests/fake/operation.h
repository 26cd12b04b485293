#pragma once

/*
 * Operation: what a Spark Connect server keeps of an ExecutePlan, so that it can be reattached: which of its
 * responses are still there, who is attached, and how often it was executed. Operations are never freed: that
 * one ran twice can be seen for ever. Pure; one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "script.h"
#include "spark.h"

typedef struct Operation {
    struct Operation *next; /* of its bucket */
    char user[SPARK_ID_SIZE], session[SPARK_ID_SIZE], id[SPARK_ID_SIZE];
    Script script; /* of the ExecutePlan */
    bool reattachable;
    bool is_gone;        /* released, forgotten, or its only stream ended */
    bool is_forgotten;   /* as if the server had been restarted */
    bool is_complete;    /* the last response was sent at least once */
    uint64_t n_sent;     /* responses sent at least once */
    uint64_t n_released; /* responses that the client has let go */
    uint64_t n_segments; /* streams that ended by `segment` */
    uint64_t n_executions, n_attaches, n_releases;
    struct FakeCall *attached; /* NULL: nobody */
    int64_t detached_us;       /* since when nobody is; 0: nobody has ever been */
} Operation;

/* A session exists from its first ExecutePlan on. */
typedef struct OperationSession {
    struct OperationSession *next;
    char user[SPARK_ID_SIZE], id[SPARK_ID_SIZE];
} OperationSession;

#define OPERATION_BUCKETS 16384

typedef struct Operations {
    Operation *buckets[OPERATION_BUCKETS];
    OperationSession *sessions;
    uint64_t retained; /* bytes of sent responses that stay */
    uint64_t n_operations, n_executions, n_attaches, n_releases, n_again;
    uint64_t n_disconnected, n_not_found, n_not_available, n_refused, n_ended; /* n_ended: by sender_ms */
} Operations;

/* The operation of that user, session and id, also one that is gone; NULL when there never was one. */
Operation *operations_find(const Operations *operations, const SparkRequest *request);
bool operations_know_session(const Operations *operations, const SparkRequest *request);
/* Counts an execution. Starts the operation anew when there was one. */
Operation *operations_execute(Operations *operations, const SparkRequest *request, const Script *script);
/* Whether it has been without a stream for too long; it is then gone for good. */
bool operation_abandoned(const Operation *operation, int64_t now_us);
/* Where a reattach with that last response begins. NULL: *ret_index is set; else the error to answer. */
const char *operation_position(Operations *operations, const Operation *operation,
                               const SparkRequest *request, uint64_t *ret_index);
/* A ReleaseExecute. */
void operations_release(Operations *operations, const SparkRequest *request);
/* Counts as JSON, over all of them or of those with that id. */
void operations_describe(const Operations *operations, const char *id, int64_t now_us, Bytes *out);
