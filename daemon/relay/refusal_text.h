#pragma once

/*
 * RefusalText: what a client is told of a refusal: a sentence with the next command, and a code by which it
 * retries only when that can help. Pure; any thread.
 */

#include <stdbool.h>

#include "auth/cluster.h"
#include "base/text.h"
#include "conf/settings.h"
#include "relay/refusal.h"
#include "rpc/status.h"

/* How the call ends. */
typedef struct RefusalEnd {
    StatusCode code;
    const char *reason;      /* ErrorInfo.reason; a literal */
    uint64_t retry_after_ms; /* 0: trying again does not help */
} RefusalEnd;

/*
 * Appends the sentence. `kind` must not be REFUSAL_NONE. `facts` is what the workspace says by now, which
 * counts for more than the kind; NULL when it was not asked. `words` is what the server said, NULL or empty:
 * nothing. `now_ns` is of the clock of `facts`.
 */
RefusalEnd refusal_explain(Text *text, RefusalKind kind, const ClusterFacts *facts,
                           const ProfileSettings *profile, const char *words, uint64_t now_ns);
