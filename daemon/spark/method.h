#pragma once

/*
 * The RPCs of spark.connect.SparkConnectService that the daemon knows something about, a row each. A method
 * that is not here is relayed by its path like any other; it only has no row. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "spark/scanner.h"

typedef enum MethodId {
    METHOD_EXECUTE_PLAN,
    METHOD_ANALYZE_PLAN,
    METHOD_CONFIG,
    METHOD_ADD_ARTIFACTS,
    METHOD_ARTIFACT_STATUS,
    METHOD_INTERRUPT,
    METHOD_REATTACH_EXECUTE,
    METHOD_RELEASE_EXECUTE,
    METHOD_RELEASE_SESSION,
    METHOD_FETCH_ERROR_DETAILS,
    METHOD_CLONE_SESSION,
    METHOD_GET_STATUS,
    N_METHODS
} MethodId;

/* What may be done with a call whose first try failed after the server may have seen it. */
typedef enum MethodReplay {
    METHOD_REPLAY_NEVER, /* a second execution could be seen: FetchErrorDetails, CloneSession, AddArtifacts */
    METHOD_REPLAY_SAFE,  /* idempotent */
    METHOD_REPLAY_REATTACH, /* only by way of ReattachExecute */
} MethodReplay;

typedef struct Method {
    MethodId id;
    const char *name; /* "ExecutePlan" */
    const char *path; /* "/spark.connect.SparkConnectService/ExecutePlan" */
    bool request_is_stream, response_is_stream;
    MethodReplay replay;
    const MessageShape *request, *response; /* what the scanner looks for */
} Method;

/* The row of a :path, or NULL. */
const Method *method_find(const char *path, size_t length);
const Method *method_get(MethodId id);
