#pragma once

/*
 * Refusal: what an upstream's failed answer is about, told from its status and its words: the token, or the
 * cluster. Databricks says most of it in words only (a cluster id with a typo is UNAVAILABLE, which clients
 * retry for ten minutes). Pure; any thread.
 */

#include <stddef.h>
#include <stdint.h>

typedef enum RefusalKind {
    REFUSAL_NONE,                /* something else, or the query itself failed */
    REFUSAL_TOKEN,               /* the credential is not accepted, perhaps not any more */
    REFUSAL_CLUSTER_MISSING,     /* there is no cluster of that id */
    REFUSAL_CLUSTER_NOT_RUNNING, /* terminated or on its way; a bare HTTP 503 may be that too: ask */
    REFUSAL_CLUSTER_ACCESS,      /* no permission to attach, or an access mode that has no Spark Connect */
} RefusalKind;

/*
 * `grpc_status` is the call's status (STATUS_…, or what status_from_http() made of it); `message` its
 * grpc-message or the body of an HTTP answer, of which the first KiB count; NULL when `length` is 0.
 * `http_status` is 200, or 0 when unknown, for an answer that is gRPC.
 */
RefusalKind refusal_classify(uint32_t grpc_status, const char *message, size_t length, unsigned http_status);
