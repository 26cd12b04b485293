#pragma once

/*
 * Refresher: the current credential of one profile, for every call of every client: gets it, refreshes it
 * before it ends, and holds those that wait while there is none. One mint at a time, whoever asks. Its clock
 * counts sleep, so a laptop that wakes up does not use a token that died meanwhile. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "auth/credential.h"
#include "auth/mint.h"
#include "base/deadline.h"
#include "base/list.h"

typedef struct Refresher Refresher;
typedef struct RefresherWaiter RefresherWaiter;

/* Embedded in whoever waits for a credential. */
struct RefresherWaiter {
    ListLink link;
    void (*on_ready)(RefresherWaiter *waiter);  /* refresher_current() gives one now */
    void (*on_failed)(RefresherWaiter *waiter); /* there will be none soon; refresher_problem() says why */
};

typedef enum RefresherState {
    REFRESHER_NONE,       /* no credential, and nobody has asked for one */
    REFRESHER_MINTING,    /* no credential; one is being got */
    REFRESHER_READY,      /* there is one */
    REFRESHER_REFRESHING, /* there is one, and its successor is being got */
    REFRESHER_FAILED,     /* no credential; the last try failed */
} RefresherState;

/* For status and messages; strings are borrowed until the next event. */
typedef struct RefresherFacts {
    RefresherState state;
    AuthType type;       /* by which the credential was or is being got; N_AUTH_TYPES: nothing is sent */
    uint64_t lives_ms;   /* what is left; 0: not known or none */
    const char *problem; /* a sentence about the latest failure; NULL: none since the last success */
    bool needs_person;   /* about the problem: trying again changes nothing */
    uint64_t n_refreshes, n_failures;
    int64_t skew_s; /* our clock behind the server's */
} RefresherFacts;

/* `context` is copied; a static token is ready at once. Never NULL. */
Refresher *refresher_new(const MintContext *context, Deadlines *deadlines);
/* Nobody may wait any more; a mint under way is cancelled. Takes NULL; returns NULL. */
Refresher *refresher_free(Refresher *refresher);

/* Borrowed; NULL when there is none that is alive: then the caller waits. Cheap; may start a refresh. */
Credential *refresher_current(Refresher *refresher);
/* Queues, and gets a credential unless that is under way. One of the two callbacks comes by a later event. */
void refresher_wait(Refresher *refresher, RefresherWaiter *waiter);
/* Harmless when it does not wait. */
void refresher_stop_waiting(Refresher *refresher, RefresherWaiter *waiter);
/* Gets one now if there is none, so that the first call need not wait. */
void refresher_warm(Refresher *refresher);
/*
 * The server refused `credential`. If it is the current one it is dropped. True when another may come of
 * that (it is a new one already, or can be minted): wait and try once more; false for a static token, which
 * is refused for good until its file changes.
 */
bool refresher_refused(Refresher *refresher, const Credential *credential);
/* Why there is no credential, and what to do: a sentence, borrowed. Never NULL. */
const char *refresher_problem(const Refresher *refresher);
void refresher_facts(const Refresher *refresher, RefresherFacts *ret_facts);
