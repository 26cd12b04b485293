#pragma once

/*
 * Registry: the Spark Connect sessions that have been seen and their operations. The least recently
 * used entries go when it is full; nothing that correctness needs is only here, but for those that are
 * pinned. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "session/journal.h"

#define SESSION_ID_SIZE         64 /* UUIDs have 36 characters */
#define SESSION_NAME_SIZE       64 /* of a named one */
#define SESSION_USER_SIZE       128
#define SESSION_MAX_OPERATIONS  256   /* kept for one session; clients run a few at a time */
#define REGISTRY_MAX_PINNED     1000  /* and at most half of all: the others have to find room */
#define REGISTRY_PIN_S          86400 /* unused for so long, also at the server it has expired */
#define REGISTRY_MAX_OPERATIONS 20000 /* kept for all; one takes about a KiB with its pending release */

/* Who a session belongs to, besides the user_id that a client claims: the uid of a local peer, or nobody
 * known. */
typedef uint32_t SessionOwner;
#define SESSION_OWNER_UNKNOWN UINT32_MAX

/* Which session at the server belongs to a client's session. */
typedef enum SessionKind {
    SESSION_NEW,   /* not chosen yet: no call of it has been routed */
    SESSION_OWN,   /* of the same id */
    SESSION_NAMED, /* one that clients share by its name */
    SESSION_WARM,  /* one that was made ahead, its own from then on */
    SESSION_CLONE, /* of the same id, made by CloneSession: it stays so whatever name its client sends */
} SessionKind;

typedef struct Session {
    MapNode node;
    ListLink link; /* in registry->sessions, least recently used first */
    SessionOwner owner;
    char user_id[SESSION_USER_SIZE];
    char session_id[SESSION_ID_SIZE];
    char server_side_session_id[SESSION_ID_SIZE]; /* empty: not known yet */
    SessionKind kind;
    char upstream_id[UUID_TEXT_SIZE];        /* at the server; empty: session_id */
    char name[SESSION_NAME_SIZE];            /* NAMED */
    char upstream_server_id[UUID_TEXT_SIZE]; /* the server's own id of it; empty: server_side_session_id,
                                                which is what the client has been told */
    Journal *journal;                        /* what has made it what it is; NULL: none is kept */
    void *revival;                           /* the relay's, while the session is made again */
    bool is_pinned;                          /* among those that are not evicted */
    const void *target;    /* what its calls are routed to when they do not say; set by the relay */
    List operations;       /* oldest first */
    uint32_t n_references; /* calls that use it: it is not freed under them */
    bool is_forgotten;     /* no longer found; freed with the last reference */
    uint64_t n_calls;
    uint64_t created_ns, used_ns;
} Session;

typedef struct Operation {
    MapNode node;
    ListLink link;     /* in session->operations */
    ListLink age_link; /* in registry->operations, oldest first */
    Session *session;
    char operation_id[SESSION_ID_SIZE];
    void *release;   /* the relay's, for ReleaseExecute; given to on_operation_gone */
    void *streaming; /* the relay's call that brings its results now; likewise */
} Operation;

typedef struct Registry {
    Map sessions_by_id, operations_by_id;
    List sessions;
    List operations;
    size_t max_sessions, n_pinned;
    uint64_t hash_start;                             /* random, so that clients cannot choose colliding ids */
    void (*on_operation_gone)(Operation *operation); /* may be NULL */
} Registry;

void registry_init(Registry *registry, size_t max_sessions);
void registry_deinit(Registry *registry);

/* Whatever its target, the oldest one of these ids: a later one cannot draw its calls away. NULL when there
 * is none. */
Session *registry_find(Registry *registry, SessionOwner owner, const char *user_id, const char *session_id);
/* Finds or adds; counts as a use. NULL when an id is too long to be kept. */
Session *registry_use(Registry *registry, SessionOwner owner, const char *user_id, const char *session_id,
                      const void *target, uint64_t now_ns);
/* Keeps it when room is needed, because what is known of it cannot be had again: the mapping of its ids.
 * False when too many are kept. */
bool registry_pin(Registry *registry, Session *session);
/* A use that lasts longer than the current event. */
Session *session_ref(Session *session);
/* Takes NULL; returns NULL. */
Session *session_unref(Session *session);
/* Forgets it and its operations; takes NULL. */
void registry_forget(Registry *registry, Session *session);

Operation *registry_find_operation(Registry *registry, Session *session, const char *operation_id);
/* Finds or adds; the session's oldest goes when it has too many. NULL when the id is too long to be kept or
 * the session is forgotten. */
Operation *registry_use_operation(Registry *registry, Session *session, const char *operation_id);
void registry_forget_operation(Registry *registry, Operation *operation);
