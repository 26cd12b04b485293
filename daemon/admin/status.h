#pragma once

/* The document of GET /status: what the daemon does just now. Loop thread only. */

#include "base/loop_lag.h"
#include "relay/relay.h"

typedef struct json_t json_t; /* jansson */

/* What status tells about the process itself; borrowed. */
typedef struct StatusFacts {
    const char *state; /* "running", "draining" */
    uint64_t started_ns;
    const char *const *addresses; /* as a client writes them: "sc://localhost:15002" */
    size_t n_addresses;
    const char *metadata_url; /* of the metadata service; NULL: it is off */
    const LoopLag *lag;
} StatusFacts;

/* A new reference; never NULL. Holds no secret but `metadata_url`, for the owner's eyes. */
json_t *status_document(const Relay *relay, const StatusFacts *facts);
