#pragma once

/*
 * MappedCall: what a call has besides whose session has another id at the server than at its client: its
 * messages bear the server's upstream and the client's own towards the client. Loop thread only.
 */

#include <stdbool.h>

#include "base/uuid.h"
#include "relay/call.h"
#include "spark/session_patch.h"

struct MappedCall {
    char session_id[UUID_TEXT_SIZE];        /* at the server */
    char server_session_id[UUID_TEXT_SIZE]; /* the server's own; empty: the one that the client has seen */
    bool is_moved;                          /* the request is yet to be written over with that id */
    SessionPatch request, response;
};

/* The id of the call's session, which it must have, in what goes upstream. */
const char *mapped_call_session_id(const Call *call);
/* A call whose upstream and session have just been found. Chooses the session at the server when this is the
 * first one of the client's session; patches what is held of the request when that has another id. True: the
 * call has been answered here. */
bool mapped_call_begin(Call *call);
/* The client's session has another one at the server than when the call began: its next attempt goes there.
 */
void mapped_call_move(Call *call);
/* Another attempt, whose request is ready to be sent, begins. */
void mapped_call_again(Call *call);
/* The server has answered with `message` (as in grpc-message; may be NULL). True: that is because the session
 * chosen for the client has been closed before the client ever used it, and the call goes on with another. */
bool mapped_call_refused(Call *call, const char *message, size_t length);
/* The answer of a CloneSession: the clone is a session of its own, with the id that the client is told. */
void mapped_call_cloned(Call *call);
