#pragma once

/*
 * OwnCall: a call that the daemon makes by itself, with nobody but the daemon waiting for how it ends. Loop
 * thread only.
 */

#include "base/uuid.h"
#include "relay/call.h"

#define OWN_CALL_PROBLEM_SIZE 512

typedef struct OwnCall OwnCall;

struct OwnCall {
    void (*on_ended)(OwnCall *own, uint32_t status); /* may free it */
    char session_id[SESSION_ID_SIZE];                /* in its message */
    HeaderList headers;                              /* instead of the usual ones; empty: those */
    bool ends_at_headers; /* of the answer, with OK: it is enough that the server has taken it up */
    uint64_t timeout_ms;  /* 0: the usual seconds, since others may wait for it */
    Call *call;           /* while it is under way */
    uint32_t status;      /* when it has ended */
    char problem[OWN_CALL_PROBLEM_SIZE];          /* the server's words or ours; empty: it has ended well */
    char server_side_session_id[SESSION_ID_SIZE]; /* as the answer has it; empty: it has none */
    bool *has_ended; /* while it begins, so that nobody is told of the end from within */
};

/*
 * Sends one message, framed, to `upstream`. `own`, with on_ended and session_id set, lives until it is told
 * of the end, which comes in time, or has left; its headers are taken over. Or it is NULL, and the session is
 * `session`, which may be NULL too. False: it has ended at once, `own` has the problem and is not told.
 */
bool own_call_begin(OwnCall *own, Relay *relay, Upstream *upstream, Session *session, MethodId method,
                    const uint8_t *bytes, size_t length);
/* It is ended, if it is under way, and not told of it. */
void own_call_leave(OwnCall *own);
/* For response.c: the server answers. True: that was all that was wanted, and it has ended. */
bool own_call_is_taken_up(Call *call);
/* For call.c: the call has been accounted for. */
void own_call_ended(Call *call);
/* For response.c: some of the answer to a call of our own. */
void own_call_heard(Call *call, const uint8_t *bytes, size_t length);
/* For who learns why it fails; nothing happens when it is not one of ours. */
void own_call_note(Call *call, const char *problem);
