#pragma once

/*
 * NamedSession: a server session that several clients share because they ask for it by name (;x-session=etl).
 * Its id upstream follows from user, profile and name, so that any process on any host comes to the same one
 * without a store; towards each client the client's own id is kept. Pure; any thread.
 */

#include "base/uuid.h"

#define NAMED_SESSION_TAG_SIZE 64 /* with its NUL */

/* The session's id at the server. */
void named_session_id(const char *user_id, const char *profile, const char *name,
                      char ret_id[UUID_TEXT_SIZE]);
/* The tag that the operations of one client in the session get, so that its interruptAll stops those and no
 * others: from the client's own session id. */
void named_session_tag(const char *client_session_id, char ret_tag[NAMED_SESSION_TAG_SIZE]);
