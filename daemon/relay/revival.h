#pragma once

/*
 * Revival: a session that the server has lost is made again, for profiles that wish it (revive = yes): a new
 * session at the server, in which the journal's requests are repeated, while the call that has found it lost
 * waits. The client goes on with its own id and what it has seen of the server's. Loop thread only.
 */

#include "relay/call.h"

/* What the request does to its session, for the journal. `is_whole`: all of it is there, to be repeated; else
 * it will not be kept. The first time counts. */
void revival_note_request(Call *call, bool is_whole);
/* The call has been accounted for. */
void revival_call_ended(Call *call);
/* The server has answered with `message` (as in grpc-message; may be NULL). True: it has lost the session,
 * has not executed the call, and the call goes on when the session has been made again. */
bool revival_take(Call *call, const char *message, size_t length);
/* The call no longer waits for one. */
void revival_let_go(Call *call);
/* A sentence for an answer that is about what could not be made again, or about why nothing was; appended. */
void revival_explain(const Call *call, const char *message, size_t length, Text *sentence);
