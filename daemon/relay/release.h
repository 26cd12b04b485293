#pragma once

/*
 * ReleaseExecute: clients send one for every response they have read. Those that release up to a response are
 * answered here at once and only the newest travels, from time to time; release_all always travels, and last.
 * Only where the operation and the server's own session id are known. Loop thread only.
 */

#include <stdbool.h>

#include "relay/call.h"
#include "session/registry.h"

/* A ReleaseExecute whose message is whole and whose upstream is chosen. True: it has been answered here, or
 * waits for an earlier one to arrive; false: to be relayed. */
bool release_take(Call *call);
/* The call stops waiting for an earlier release; harmless when it does not. */
void release_let_go(Call *call);
/* Accounts for the end of any call: an own one has arrived, an operation is released. */
void release_call_ended(Call *call);
/* The registry's on_operation_gone. */
void release_operation_gone(Operation *operation);
