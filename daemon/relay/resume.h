#pragma once

/*
 * Resume: what has to be known of a reattachable result stream so that it can go on after its upstream part
 * has broken, without a response lost, doubled or changed: how far the client has got, and whether what is
 * sent again is what it has already. Pure; any thread.
 *
 * A server keeps the responses of an operation and sends those after a given response id again
 * (ReattachExecute.last_response_id), byte for byte. Of a message of which the client has a part, only the
 * rest is passed on, after the part has been recognised.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/message_watch.h"
#include "relay/passed.h"

#define RESUME_ID_SIZE 64 /* response ids are UUIDs of 36 characters */

typedef enum ResumeState {
    RESUME_OFF,      /* the stream cannot be continued: not reattachable, or something in it has no id */
    RESUME_PASSING,  /* everything that comes is new to the client */
    RESUME_CHECKING, /* what comes is a part of a message that the client has already */
    RESUME_COMPLETE, /* result_complete has passed: there is nothing to continue */
} ResumeState;

typedef struct Resume {
    ResumeState state;
    bool has_delivered;                    /* something of a response has gone to the client */
    bool runs_on;                          /* something that a response told of goes on afterwards */
    char last_response_id[RESUME_ID_SIZE]; /* of the last one that it has in full; empty: none */
    Passed partial;                        /* what has come of the next one, in this attempt */
    Passed expected;                       /* CHECKING: what the client has of it */
} Resume;

/* For a call that is not known to be reattachable. */
void resume_reset(Resume *resume);
/* For one that is. `last_response_id`: where the client itself wants to go on; NULL: at the beginning. */
void resume_begin(Resume *resume, const char *last_response_id);

typedef enum ResumeVerdict {
    RESUME_GO_ON,
    RESUME_DIFFERS, /* the part that was sent again is not what the client has: the stream must end */
} ResumeVerdict;

/*
 * The next bytes of an attempt. *ret_known: how many from the front the client has already; the rest goes to
 * it. `watch` is the attempt's, its envelope that of the message that ended last; *ret_message: one has.
 */
ResumeVerdict resume_pass(Resume *resume, MessageWatch *watch, const MessageShape *shape,
                          const uint8_t *bytes, size_t length, size_t *ret_known, bool *ret_message);
/* Another attempt begins, from last_response_id on. */
void resume_again(Resume *resume);
/* Whether a broken stream of this state may be continued by ReattachExecute. */
static inline bool resume_is_possible(const Resume *resume)
{
    return resume->state == RESUME_PASSING || resume->state == RESUME_CHECKING;
}
