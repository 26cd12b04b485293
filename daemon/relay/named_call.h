#pragma once

/*
 * NamedCall: a call in a named session: its operations get a tag that tells whose they are, and what would
 * end or stop the session for all is kept to the one client. For mapped_call.c. Loop thread only.
 */

#include <stdbool.h>

#include "relay/call.h"
#include "session/named_session.h"

/* Gives the client's session the server session whose name the call, or else its profile, says; nothing
 * happens when there is none. False: the name is not one, and the call has been answered. */
bool named_call_choose(Call *call);
/* A call whose session cannot be read. True: it would belong to a named session, and has been refused. */
bool named_call_unreadable(Call *call);
/* Changes what is held of the request where it is about all of the session. True: the call has been answered
 * here. */
bool named_call_adapt(Call *call);
/* The id at the server that the session's name leads to now. */
void named_call_id(const Call *call, char ret_id[UUID_TEXT_SIZE]);
/* The id that stands for the session's name, whatever it leads to; it counts as used, and is known from now
 * on. */
void named_call_first_id(Call *call, char ret_id[UUID_TEXT_SIZE]);
/* The server has closed the session that the call went to. */
void named_call_closed(Call *call);
