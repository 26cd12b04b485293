#pragma once

/*
 * ClusterRules: what the answers of a workspace's clusters API mean, and what a start does next. Pure; any
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ClusterState {
    CLUSTER_UNKNOWN, /* not asked yet, or the answer says so */
    CLUSTER_PENDING,
    CLUSTER_RUNNING,
    CLUSTER_RESTARTING,
    CLUSTER_RESIZING,
    CLUSTER_TERMINATING,
    CLUSTER_TERMINATED,
    CLUSTER_ERROR,
    CLUSTER_MISSING,   /* there is none of that id (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE) */
    CLUSTER_FORBIDDEN, /* the credential may not see it */
    CLUSTER_UNASKABLE, /* the workspace could not be asked; `message` says why */
} ClusterState;

/* "TERMINATED", as the workspace spells it. */
const char *cluster_state_name(ClusterState state);
/* It takes calls. */
bool cluster_state_serves(ClusterState state);

/* What an answer says. */
typedef enum ClusterReplyKind {
    CLUSTER_REPLY_STATE,         /* `state` is known now */
    CLUSTER_REPLY_STARTED,       /* it starts */
    CLUSTER_REPLY_FASTER,        /* it cannot be started from where it is: somebody else did something */
    CLUSTER_REPLY_DENIED,        /* the credential may not start it */
    CLUSTER_REPLY_TOKEN_REFUSED, /* the credential is not accepted at all */
} ClusterReplyKind;

typedef struct ClusterReply {
    ClusterReplyKind kind;
    ClusterState state; /* with CLUSTER_REPLY_STATE */
    char *name;         /* for people; NULL: not said */
    char *message;      /* the workspace's own words, or what is odd about the answer; NULL: none */
} ClusterReply;

#define CLUSTER_REPLY_NULL                                                                                   \
    {                                                                                                        \
        CLUSTER_REPLY_STATE, CLUSTER_UNKNOWN, NULL, NULL                                                     \
    }

void cluster_reply_deinit(ClusterReply *reply);
/* `reply` must be empty. The answers of clusters/get and of clusters/start. */
void cluster_reply_read_get(ClusterReply *reply, unsigned http_status, const char *body, size_t length);
void cluster_reply_read_start(ClusterReply *reply, unsigned http_status, const char *body, size_t length);

typedef enum ClusterStep {
    CLUSTER_STEP_READY, /* it takes calls */
    CLUSTER_STEP_START, /* to be started */
    CLUSTER_STEP_WAIT,  /* on its way: ask again later */
    CLUSTER_STEP_FAIL,  /* it will not run for now */
} ClusterStep;

/* What a start does next; `is_under_way`: it was started already, by us or as we have seen. */
ClusterStep cluster_next_step(ClusterState state, bool is_under_way);
/* The pause before the next look, growing from 1 s to 10 s, and up to a second more by `random`. */
uint64_t cluster_poll_delay_ms(unsigned n_polls, uint32_t random);
