#pragma once

/* What the relay does with a request header, by its name. Pure; any thread. */

#include <stddef.h>
#include <string.h>

typedef enum HeaderKind {
    HEADER_KIND_OTHER,           /* passed on as it is */
    HEADER_KIND_AUTHORITY,       /* :authority; the upstream's replaces it */
    HEADER_KIND_SCHEME,          /* :scheme; likewise */
    HEADER_KIND_PATH,            /* :path; another one's when we reattach */
    HEADER_KIND_TIMEOUT,         /* grpc-timeout; sent on less what has passed */
    HEADER_KIND_PROFILE,         /* x-profile, profile: for the daemon */
    HEADER_KIND_SESSION,         /* x-session: likewise */
    HEADER_KIND_ACCEPT_ENCODING, /* grpc-accept-encoding: not of a call whose answer is written to */
    HEADER_KIND_CLUSTER_ID,      /* x-databricks-cluster-id: the profile says who chooses */
    HEADER_KIND_CONSUMED,        /* credentials and addressing of a client: never beside ours */
} HeaderKind;

HeaderKind header_kind(const char *name, size_t length);
