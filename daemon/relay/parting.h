#pragma once

/*
 * Parting: a client that releases its session has done with it and need not wait, a round trip at the end of
 * each script: the answer comes from here, and the daemon tells the server.
 * What comes for that session meanwhile waits for the server's word and so finds the session released. Loop
 * thread only.
 */

#include "relay/call.h"

/* A ReleaseSession that has been routed. True: it has been answered. */
bool parting_take(Call *call);
/* Another call of its session, about to be dispatched. True: it waits, WAIT_PARTING. */
bool parting_hold(Call *call);
/* A call that waits leaves. */
void parting_let_go(Call *call);
