#pragma once

/*
 * NamedCall: what a call in a named session has besides: its messages bear the shared session's id upstream
 * and the client's own towards the client, its operations a tag that tells whose they are, and what would end
 * or stop the session for all is kept to the one client. Loop thread only.
 */

#include <stdbool.h>

#include "relay/call.h"
#include "session/named_session.h"
#include "spark/session_patch.h"

struct NamedCall {
    char session_id[UUID_TEXT_SIZE]; /* at the server */
    SessionPatch request, response;
};

/* A call whose profile and session have just been found. Does nothing when it names no session; patches what
 * is held of the request when it does. True: the call has been answered here. */
bool named_call_begin(Call *call, const ProfileSettings *profile);
/* The answer of a CloneSession: the clone is a session of its own, although its client goes on to send the
 * name. */
void named_call_cloned(Call *call);
