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
#define SESSION_MAX_OPERATIONS  256 /* kept for one session; clients run a few at a time */
#define SESSION_CLUSTER_SIZE    32  /* ids of clusters have 20 characters */
#define SESSION_MAX_CLIENTS     4 /* connections of one client that are known; with more it counts as shared */
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

typedef struct Session Session;

/* A connection that has used a session, in a list of that connection's owner. */
typedef struct SessionClient {
    ListLink link;
    List *of_client; /* NULL: this place is free */
    Session *session;
} SessionClient;

struct Session {
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
    void *parting;                           /* the relay's, while the server is told that it is released */
    bool is_pinned;                          /* among those that are not evicted */
    char cluster_id[SESSION_CLUSTER_SIZE];   /* that its client has chosen; empty: the profile's */
    SessionClient clients[SESSION_MAX_CLIENTS];
    pid_t process;  /* whose connections they were; 0: not known */
    bool is_shared; /* by several processes, or by more connections than are known */
    void *orphan;   /* the relay's, while it waits for its client to come back; given to on_session_gone */
    const void *target;    /* what its calls are routed to when they do not say; set by the relay */
    List operations;       /* oldest first */
    uint32_t n_references; /* calls that use it: it is not freed under them */
    bool is_forgotten;     /* no longer found; freed with the last reference */
    bool is_answered;      /* a server has, or may have, something of it */
    bool runs_on;          /* what no operation tells of may run in it: a streaming query, for one */
    unsigned local_run;    /* of the local Spark server, where its calls go; 0: to the target's own server */
    uint64_t n_calls;
    uint64_t created_ns, used_ns;
};

typedef enum SessionState {
    SESSION_IDLE,
    SESSION_RUNNING,  /* calls or operations are under way */
    SESSION_ORPHANED, /* its client has gone and may come back */
} SessionState;

typedef struct Operation {
    MapNode node;
    ListLink link;        /* in session->operations */
    ListLink age_link;    /* in registry->operations, oldest first */
    ListLink client_link; /* in *of_client */
    List *of_client;      /* of the connection that asked for its results last; NULL: that one is gone */
    Session *session;
    bool is_running; /* as far as is known: its end has not been seen */
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
    void (*on_session_gone)(Session *session);       /* likewise */
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
/* This connection, of that process (0: not known), uses the session. `of_client` is where the connection
 * keeps what it has to session_client_gone() about. */
void session_add_client(Session *session, List *of_client, pid_t process);
/* The connection has gone. */
void session_client_gone(SessionClient *client);
bool session_has_clients(const Session *session);
/* Its id at the server. */
const char *session_id_at_server(const Session *session);
SessionState session_state(const Session *session);
const char *session_state_name(SessionState state);
unsigned session_count_running(const Session *session);
/* A use that lasts longer than the current event. */
Session *session_ref(Session *session);
/* Takes NULL; returns NULL. */
Session *session_unref(Session *session);
/*
 * Forgets those that nobody has used for `limit_ns`; clones of named sessions stay, since their ids would
 * then mean the named one. Returns when it should be called again; 0: there is nothing that could expire.
 */
uint64_t registry_expire(Registry *registry, uint64_t now_ns, uint64_t limit_ns);
/* Forgets it and its operations; takes NULL. */
void registry_forget(Registry *registry, Session *session);

Operation *registry_find_operation(Registry *registry, Session *session, const char *operation_id);
/* Finds or adds; the session's oldest goes when it has too many. NULL when the id is too long to be kept or
 * the session is forgotten. */
Operation *registry_use_operation(Registry *registry, Session *session, const char *operation_id);
/* The connection that keeps `of_client` asks for its results. */
void operation_serve(Operation *operation, List *of_client);
/* The connection has gone. */
void operation_client_gone(Operation *operation);
void registry_forget_operation(Registry *registry, Operation *operation);
