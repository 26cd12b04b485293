#pragma once

/*
 * Fallback: the local Spark server in the relay: which calls go to it, those that wait until it is ready, and
 * its end when nobody uses it any more. It leads there by an ordinary upstream. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/list.h"
#include "relay/local_spark.h"

struct Call;
struct Destination;
struct Relay;
struct Upstream;

typedef struct Fallback {
    LocalSpark *spark;
    struct Upstream *upstream; /* a reference, to the present run; NULL: there is none */
    List waiting;              /* calls, by waiter.link */
    Deadline idle;             /* set while it is ready */
    uint64_t used_ns;
    uint64_t n_sessions; /* that were sent there in place of their upstream, ever */
} Fallback;

void fallback_init(struct Relay *relay);
/* Ends the server; no call may wait any more. */
void fallback_close(struct Relay *relay);

/* For a call whose session and profile are known; its upstream is NULL if the profile has none that is
 * usable. False: it has been answered with an error. */
bool fallback_route(struct Call *call, const struct Destination *destination);
/* For a call that would be failed, since its upstream cannot be had; `why` is a sentence. True: it goes to
 * the local server, or has been answered. */
bool fallback_take(struct Call *call, const char *why);
/* For a call that is to be sent now. True: it is of the local server, and waits for that or has been
 * answered. */
bool fallback_holds(struct Call *call);
void fallback_stop_waiting(struct Call *call);
/* It is being sent; or an answer has come, which is not that there is none. */
void fallback_sent(struct Call *call);
void fallback_answered(struct Call *call);
