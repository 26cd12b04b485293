#pragma once

/*
 * SessionLoss: the server no longer has a client's session, after the restart of its cluster for instance.
 * The server's answer passes, since only the person can know what the loss means, with a sentence of what is
 * gone. Loop thread only.
 */

#include "relay/call.h"

/* The last word of the server's answer, about to go to the client. Says what was lost if it speaks of that,
 * and forgets the session; or that something it does not find could not be restored. */
void session_loss_tell(Call *call, HeaderList *trailers);
