#pragma once

/*
 * NamedSession: a server session that several clients share because they ask for it by name (;x-session=etl).
 * Its id upstream follows from user, profile and name, so that any process on any host comes to the same one
 * without a store; towards each client the client's own id is kept. A server never takes an id again whose
 * session it has closed, by its own expiry for instance: the name then goes on with its next id, which
 * whoever gets SESSION_CLOSED for one finds by trying. Loop thread only.
 */

#include "base/list.h"
#include "base/uuid.h"

#define NAMED_SESSION_TAG_SIZE 64 /* with its NUL */
#define NAMED_SESSIONS_MOVED                                                                                 \
    256 /* names whose first id is not the one in use; others are found by trying                            \
         */

/* What makes a named session the same. Borrowed. */
typedef struct NamedSessionKey {
    const char *user_id, *profile, *name;
} NamedSessionKey;

/* How often each name has moved on, where it has. */
typedef struct NamedSessions {
    List moved; /* oldest first */
} NamedSessions;

void named_sessions_init(NamedSessions *sessions);
void named_sessions_deinit(NamedSessions *sessions);
/* The session's id at the server, as far as is known. */
void named_sessions_id(const NamedSessions *sessions, const NamedSessionKey *key,
                       char ret_id[UUID_TEXT_SIZE]);
/* The server has closed the session of this id for good. Nothing happens when the name has moved on since. */
void named_sessions_closed(NamedSessions *sessions, const NamedSessionKey *key, const char *session_id);

/* The tag that the operations of one client in the session get, so that its interruptAll stops those and no
 * others: from the client's own session id. Pure. */
void named_session_tag(const char *client_session_id, char ret_tag[NAMED_SESSION_TAG_SIZE]);
