#pragma once

/*
 * What to do when an attempt at a call has ended without the answer: decided from the call's recorded facts
 * alone, so that "at most once" can be read, and tested, in one place. Pure; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

/* How an attempt ended. */
typedef enum AttemptEnd {
    ATTEMPT_UNPROCESSED,   /* the server says that it did not look at it: REFUSED_STREAM, or beyond GOAWAY's
                              last id; or the kernel took not a byte of it */
    ATTEMPT_BROKEN,        /* reset, connection lost, no status at the end */
    ATTEMPT_CUT_SHORT,     /* a reattachable stream ended OK without result_complete, as servers do after two
                              minutes or 1 GiB */
    ATTEMPT_NOT_GRPC,      /* an HTTP answer that says what is wrong for good */
    ATTEMPT_NOT_GRPC_NOW,  /* one that speaks of the moment: 408, 429, 5xx */
    ATTEMPT_UNAVAILABLE,   /* gRPC status UNAVAILABLE */
    ATTEMPT_NO_OPERATION,  /* the server does not know the operation of a ReattachExecute of ours */
    ATTEMPT_TOKEN_REFUSED, /* the credential was not accepted, and there may be another */
} AttemptEnd;

typedef struct ReplayFacts {
    AttemptEnd end;
    bool is_idempotent;    /* the method may be executed twice */
    bool is_resumable;     /* a reattachable stream whose state is known (resume_is_possible) */
    bool is_complete;      /* result_complete has passed */
    bool has_delivered;    /* something of a response has gone to the client */
    bool response_started; /* at least headers have */
    bool request_is_kept;  /* every byte that was sent can be sent again */
    bool was_reattach;     /* the attempt was a ReattachExecute of ours */
    bool is_let_go;        /* the client has released the operation, or asks for it by another call */
    unsigned n_attempts;   /* made so far */
    uint64_t broken_for_ms, resume_timeout_ms;
    uint64_t pause_ms;     /* that the upstream asks for before the next attempt; 0: none */
    uint64_t time_left_ms; /* of the client's own deadline; only looked at when there is a pause */
} ReplayFacts;

typedef enum ReplayDecision {
    REPLAY_AGAIN,    /* the same request, on whatever connection is ready */
    REPLAY_REATTACH, /* ReattachExecute after the last response that the client has */
    REPLAY_FINISH,   /* the client has everything: OK */
    REPLAY_GIVE_UP,
} ReplayDecision;

#define REPLAY_MAX_ATTEMPTS 5 /* a server that refuses so often will refuse again */

ReplayDecision replay_decide(const ReplayFacts *facts);
