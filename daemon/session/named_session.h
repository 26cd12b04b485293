#pragma once

/*
 * NamedSession: a server session that several clients share because they ask for it by name (;x-session=etl).
 * Its id upstream follows from user, profile and name, so that any process on any host comes to the same one
 * without a store; towards each client the client's own id is kept. A server never takes an id again whose
 * session it has closed, by its own expiry for instance: the name then goes on with its next id, which
 * whoever gets SESSION_CLOSED for one finds by trying. Loop thread only.
 */

#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"
#include "session/session_artifacts.h"

#define NAMED_SESSION_TAG_SIZE 64   /* with its NUL */
#define NAMED_SESSIONS_MAX     1000 /* that are known, those used last; the others are there all the same */

/* What makes a named session the same. Borrowed. */
typedef struct NamedSessionKey {
    const char *user_id, *profile, *name;
} NamedSessionKey;

/* One that has been used since the daemon started. */
typedef struct NamedSession {
    ListLink link;
    char first_id[UUID_TEXT_SIZE]; /* stands for the key */
    unsigned generation;           /* how often the name has moved on */
    char *user_id, *profile, *name;
    SessionArtifacts artifacts;
    uint64_t used_ns;
} NamedSession;

typedef struct NamedSessions {
    List known; /* least recently used first */
} NamedSessions;

void named_sessions_init(NamedSessions *sessions);
void named_sessions_deinit(NamedSessions *sessions);
/* The session's id at the server, as far as is known. */
void named_sessions_id(const NamedSessions *sessions, const NamedSessionKey *key,
                       char ret_id[UUID_TEXT_SIZE]);
/* What is known of its artifacts, by the id that stands for the key (named_sessions_first_id); valid until
 * the next call that may forget a session. NULL: it is not among those that are known. */
SessionArtifacts *named_sessions_artifacts(const NamedSessions *sessions, const char *first_id);
void named_sessions_first_id(const NamedSessionKey *key, char ret_id[UUID_TEXT_SIZE]);
/* A client uses it. */
void named_sessions_use(NamedSessions *sessions, const NamedSessionKey *key, uint64_t now_ns);
/* The server has closed the session of this id for good. Nothing happens when the name has moved on since. */
void named_sessions_closed(NamedSessions *sessions, const NamedSessionKey *key, const char *session_id);
/* It has been ended on purpose, and its id can come again. */
void named_sessions_released(NamedSessions *sessions, const NamedSessionKey *key);

/* The tag that the operations of one client in the session get, so that its interruptAll stops those and no
 * others: from the client's own session id. Pure. */
void named_session_tag(const char *client_session_id, char ret_tag[NAMED_SESSION_TAG_SIZE]);
