#include "session/registry.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"

#define EVICTION_STEPS 64 /* how far an idle session is looked for when there are too many */

typedef struct SessionKey {
    SessionOwner owner;
    const char *user_id, *session_id;
    const void *target; /* NULL: any */
} SessionKey;

typedef struct OperationKey {
    const Session *session;
    const char *operation_id;
} OperationKey;

void registry_init(Registry *registry, size_t max_sessions)
{
    *registry = (Registry){.max_sessions = max_sessions, .hash_start = MAP_HASH_START};
    uint64_t random;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) == sizeof random)
        registry->hash_start = random;
    list_init(&registry->sessions);
    list_init(&registry->operations);
}

void registry_deinit(Registry *registry)
{
    while (!list_is_empty(&registry->sessions))
        registry_forget(registry, container_of(list_first(&registry->sessions), Session, link));
    map_deinit(&registry->sessions_by_id);
    map_deinit(&registry->operations_by_id);
}

static bool session_equal(const MapNode *node, const void *key)
{
    const Session *session = container_of(node, const Session, node);
    const SessionKey *wanted = key;
    return session->owner == wanted->owner && (!wanted->target || session->target == wanted->target) &&
           strcmp(session->session_id, wanted->session_id) == 0 &&
           strcmp(session->user_id, wanted->user_id) == 0;
}

static uint64_t session_hash(const Registry *registry, const SessionKey *key)
{
    uint64_t hash = map_hash_bytes(registry->hash_start, key->session_id, strlen(key->session_id));
    return map_hash_bytes(hash, key->user_id, strlen(key->user_id));
}

static Session *find(Registry *registry, const SessionKey *key, uint64_t hash)
{
    MapNode *node = map_find(&registry->sessions_by_id, hash, session_equal, key);
    return node ? container_of(node, Session, node) : NULL;
}

Session *registry_find(Registry *registry, SessionOwner owner, const char *user_id, const char *session_id)
{
    SessionKey key = {owner, user_id, session_id, NULL};
    Session *oldest = find(registry, &key, session_hash(registry, &key));
    for (MapNode *node = oldest ? &oldest->node : NULL; node;
         node = map_find_next(node, session_equal, &key)) {
        Session *session = container_of(node, Session, node);
        if (session->created_ns < oldest->created_ns)
            oldest = session;
    }
    return oldest;
}

/* The least recently used one that no call uses, of those that were used longest ago and may go; when all are
 * pinned the first of them. */
static Session *find_least_useful(const Registry *registry, uint64_t now_ns)
{
    Session *in_use = NULL;
    unsigned steps = 0;
    list_for_each(link, &registry->sessions)
    {
        Session *session = container_of(link, Session, link);
        if (session->is_pinned && now_ns - session->used_ns <= REGISTRY_PIN_S * NS_PER_S)
            continue;
        if (session->n_references == 0)
            return session;
        in_use = in_use ? in_use : session;
        if (++steps == EVICTION_STEPS)
            break;
    }
    return in_use ? in_use : container_of(list_first(&registry->sessions), Session, link);
}

bool registry_pin(Registry *registry, Session *session)
{
    if (session->is_pinned)
        return true;
    if (session->is_forgotten)
        return false;
    if (registry->n_pinned >= REGISTRY_MAX_PINNED || registry->n_pinned >= registry->max_sessions / 2)
        return false;
    registry->n_pinned++;
    return session->is_pinned = true;
}

static Session *add(Registry *registry, const SessionKey *key, uint64_t hash, uint64_t now_ns)
{
    if (registry->sessions.n_entries >= registry->max_sessions)
        registry_forget(registry, find_least_useful(registry, now_ns));
    Session *session = mem_new(Session);
    for (size_t i = 0; i < SESSION_MAX_CLIENTS; i++)
        list_link_init(&session->clients[i].link);
    session->owner = key->owner;
    strcpy(session->user_id, key->user_id);
    strcpy(session->session_id, key->session_id);
    session->target = key->target;
    session->created_ns = now_ns;
    list_init(&session->operations);
    list_append(&registry->sessions, &session->link);
    map_insert(&registry->sessions_by_id, &session->node, hash);
    return session;
}

Session *registry_use(Registry *registry, SessionOwner owner, const char *user_id, const char *session_id,
                      const void *target, uint64_t now_ns)
{
    if (strlen(user_id) >= SESSION_USER_SIZE || strlen(session_id) >= SESSION_ID_SIZE)
        return NULL;
    SessionKey key = {owner, user_id, session_id, target};
    uint64_t hash = session_hash(registry, &key);
    Session *session = find(registry, &key, hash);
    if (session) {
        list_remove(&registry->sessions, &session->link);
        list_append(&registry->sessions, &session->link);
    } else {
        session = add(registry, &key, hash, now_ns);
    }
    session->used_ns = now_ns;
    session->n_calls++;
    return session;
}

/* ---- who uses it */

void session_add_client(Session *session, List *of_client, pid_t process)
{
    SessionClient *free_place = NULL;
    for (size_t i = 0; i < SESSION_MAX_CLIENTS; i++) {
        SessionClient *client = &session->clients[i];
        if (client->of_client == of_client)
            return;
        if (!client->of_client)
            free_place = client;
    }
    bool is_first = session->process == 0 && !session->is_shared && !session_has_clients(session);
    session->is_shared |= !free_place || (!is_first && session->process != process);
    if (is_first)
        session->process = process;
    if (!free_place)
        return;
    free_place->of_client = of_client;
    free_place->session = session;
    list_append(of_client, &free_place->link);
}

void session_client_gone(SessionClient *client)
{
    list_remove(client->of_client, &client->link);
    client->of_client = NULL;
}

bool session_has_clients(const Session *session)
{
    for (size_t i = 0; i < SESSION_MAX_CLIENTS; i++)
        if (session->clients[i].of_client)
            return true;
    return false;
}

unsigned session_count_running(const Session *session)
{
    unsigned n = 0;
    list_for_each(link, &session->operations) n += container_of(link, Operation, link)->is_running;
    return n;
}

const char *session_id_at_server(const Session *session)
{
    return session->upstream_id[0] ? session->upstream_id : session->session_id;
}

SessionState session_state(const Session *session)
{
    if (session->orphan)
        return SESSION_ORPHANED;
    return session->n_references > 0 || session_count_running(session) > 0 ? SESSION_RUNNING : SESSION_IDLE;
}

const char *session_state_name(SessionState state)
{
    switch (state) {
    case SESSION_IDLE: return "idle";
    case SESSION_RUNNING: return "running";
    case SESSION_ORPHANED: return "orphaned";
    }
    return "?";
}

/* ---- its end */

static void session_free(Session *session)
{
    session->journal = journal_free(session->journal);
    free(session);
}

Session *session_ref(Session *session)
{
    session->n_references++;
    return session;
}

Session *session_unref(Session *session)
{
    if (session && --session->n_references == 0 && session->is_forgotten)
        session_free(session);
    return NULL;
}

void registry_forget(Registry *registry, Session *session)
{
    if (!session || session->is_forgotten)
        return;
    while (!list_is_empty(&session->operations))
        registry_forget_operation(registry, container_of(list_first(&session->operations), Operation, link));
    if (registry->on_session_gone)
        registry->on_session_gone(session);
    for (size_t i = 0; i < SESSION_MAX_CLIENTS; i++)
        if (session->clients[i].of_client)
            session_client_gone(&session->clients[i]);
    map_remove(&registry->sessions_by_id, &session->node);
    registry->n_pinned -= session->is_pinned;
    list_remove(&registry->sessions, &session->link);
    session->is_forgotten = true;
    if (session->n_references == 0)
        session_free(session);
}

/* A call that runs uses its session now, however long ago it began. */
static bool is_in_use(Registry *registry, Session *session, uint64_t now_ns)
{
    if (session->n_references == 0)
        return false;
    session->used_ns = now_ns;
    list_remove(&registry->sessions, &session->link);
    list_append(&registry->sessions, &session->link);
    return true;
}

uint64_t registry_expire(Registry *registry, uint64_t now_ns, uint64_t limit_ns)
{
    size_t n = registry->sessions.n_entries; /* those in use go to the end: each is looked at once */
    for (ListLink *link = registry->sessions.head.next, *following; n > 0; n--, link = following) {
        Session *session = container_of(link, Session, link);
        following = link->next;
        if (session->kind == SESSION_CLONE)
            continue;
        if (session->used_ns + limit_ns > now_ns)
            return session->used_ns + limit_ns;
        if (!is_in_use(registry, session, now_ns))
            registry_forget(registry, session);
    }
    list_for_each(link, &registry->sessions)
    {
        const Session *session = container_of(link, Session, link);
        if (session->kind != SESSION_CLONE)
            return session->used_ns + limit_ns;
    }
    return 0;
}

/* ---- operations */

static bool operation_equal(const MapNode *node, const void *key)
{
    const Operation *operation = container_of(node, const Operation, node);
    const OperationKey *wanted = key;
    return operation->session == wanted->session &&
           strcmp(operation->operation_id, wanted->operation_id) == 0;
}

static uint64_t operation_hash(const Registry *registry, const OperationKey *key)
{
    return map_hash_bytes(registry->hash_start, key->operation_id, strlen(key->operation_id));
}

Operation *registry_find_operation(Registry *registry, Session *session, const char *operation_id)
{
    OperationKey key = {session, operation_id};
    MapNode *node =
        map_find(&registry->operations_by_id, operation_hash(registry, &key), operation_equal, &key);
    return node ? container_of(node, Operation, node) : NULL;
}

Operation *registry_use_operation(Registry *registry, Session *session, const char *operation_id)
{
    if (session->is_forgotten || strlen(operation_id) >= SESSION_ID_SIZE)
        return NULL;
    Operation *operation = registry_find_operation(registry, session, operation_id);
    if (operation)
        return operation;
    if (session->operations.n_entries >= SESSION_MAX_OPERATIONS)
        registry_forget_operation(registry, container_of(list_first(&session->operations), Operation, link));
    if (registry->operations.n_entries >= REGISTRY_MAX_OPERATIONS)
        registry_forget_operation(registry,
                                  container_of(list_first(&registry->operations), Operation, age_link));
    OperationKey key = {session, operation_id};
    operation = mem_new(Operation);
    operation->session = session;
    list_link_init(&operation->client_link);
    strcpy(operation->operation_id, operation_id);
    list_append(&session->operations, &operation->link);
    list_append(&registry->operations, &operation->age_link);
    map_insert(&registry->operations_by_id, &operation->node, operation_hash(registry, &key));
    return operation;
}

void operation_serve(Operation *operation, List *of_client)
{
    operation_client_gone(operation);
    operation->of_client = of_client;
    list_append(of_client, &operation->client_link);
}

void operation_client_gone(Operation *operation)
{
    if (operation->of_client)
        list_remove(operation->of_client, &operation->client_link);
    operation->of_client = NULL;
}

void registry_forget_operation(Registry *registry, Operation *operation)
{
    if (!operation)
        return;
    if (registry->on_operation_gone)
        registry->on_operation_gone(operation);
    operation_client_gone(operation);
    map_remove(&registry->operations_by_id, &operation->node);
    list_remove(&operation->session->operations, &operation->link);
    list_remove(&registry->operations, &operation->age_link);
    free(operation);
}
