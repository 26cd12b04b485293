#pragma once

/*
 * What to do when an attempt at a call has failed: decided from the call's recorded facts alone, so that "at
 * most once" can be read, and tested, in one place. Pure; any thread.
 */

#include <stdbool.h>

typedef struct ReplayFacts {
    bool was_unprocessed;  /* the server says that it did not look at it: REFUSED_STREAM, or beyond GOAWAY's
                              last id */
    bool response_started; /* something of the answer has gone to the client */
    bool request_is_kept;  /* every byte that was sent can be sent again */
    unsigned n_attempts;   /* made so far */
} ReplayFacts;

typedef enum ReplayDecision {
    REPLAY_AGAIN, /* the same request, on whatever connection is ready */
    REPLAY_GIVE_UP,
} ReplayDecision;

#define REPLAY_MAX_ATTEMPTS 5 /* a server that refuses so often will refuse again */

ReplayDecision replay_decide(const ReplayFacts *facts);
