#pragma once

/*
 * Touch: a ReattachExecute of the daemon's own that says to the server that an operation is still wanted.
 * While a client does not read on, the server's stream, which waits behind what is unread, ends sooner or
 * later without anybody being able to see it, and some minutes later the server gives the operation up. A
 * touch begins that time anew. It goes from where the client is, brings nothing, and ends as soon as the
 * server answers; if the first stream is there still, the server ends that one for it, and the call takes
 * this for a stream that was cut short. Loop thread only.
 */

#include <stdbool.h>

#include "relay/call.h"

/* Part of relay_init(). */
void touch_init(Relay *relay);
/* The call's results can be reattached: from now on it is looked after. */
void touch_watch(Call *call);
/* Ends the one that is under way for this call. True: there was one, which may reach the server later than
 * what is sent next, and disconnect that. */
bool touch_end(Call *call);
