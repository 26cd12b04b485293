#include "relay/warm_sessions.h"

#include <string.h>

#include "base/clock.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define WARM_LIFE_S   1800 /* servers forget an unused session after an hour, serverless ones after less */
#define WARM_DELAY_MS 1000 /* the client that has just begun comes first */

typedef struct WarmSession {
    char session_id[UUID_TEXT_SIZE];
    uint64_t made_ns;
} WarmSession;

typedef struct WarmUser {
    ListLink link;
    Relay *relay;
    char *destination; /* its name: a profile may go meanwhile */
    char user_id[SESSION_USER_SIZE];
    WarmSession ready[WARM_MAX_SESSIONS]; /* oldest first */
    unsigned n_ready;
    List makings;
    Deadline deadline; /* set until it is time to make some */
} WarmUser;

/* One that is being made. */
typedef struct WarmMaking {
    OwnCall call;
    ListLink link;
    WarmUser *user; /* NULL: not wanted any more */
    char session_id[UUID_TEXT_SIZE];
    bool is_clone;
} WarmMaking;

/* ---- users */

void warm_sessions_init(WarmSessions *warm)
{
    list_init(&warm->users);
}

static void user_forget(WarmUser *user)
{
    Relay *relay = user->relay;
    list_for_each_safe(link, following, &user->makings)
    {
        WarmMaking *making = container_of(link, WarmMaking, link);
        list_remove(&user->makings, &making->link);
        making->user = NULL;
    }
    deadline_clear(&relay->deadlines, &user->deadline);
    list_remove(&relay->warm_sessions.users, &user->link);
    free(user->destination);
    free(user);
}

void warm_sessions_close(Relay *relay)
{
    List *users = &relay->warm_sessions.users;
    while (!list_is_empty(users))
        user_forget(container_of(list_first(users), WarmUser, link));
}

static void on_time_to_make(Deadline *deadline);

static WarmUser *user_find(Relay *relay, const char *destination, const char *user_id)
{
    List *users = &relay->warm_sessions.users;
    list_for_each(link, users)
    {
        WarmUser *user = container_of(link, WarmUser, link);
        if (strcmp(user->destination, destination) != 0 || strcmp(user->user_id, user_id) != 0)
            continue;
        list_remove(users, &user->link);
        list_append(users, &user->link);
        return user;
    }
    return NULL;
}

static WarmUser *user_of(Relay *relay, const char *destination, const char *user_id)
{
    WarmUser *user = user_find(relay, destination, user_id);
    List *users = &relay->warm_sessions.users;
    if (user)
        return user;
    if (users->n_entries >= WARM_MAX_USERS)
        user_forget(container_of(list_first(users), WarmUser, link));
    user = mem_new(WarmUser);
    user->relay = relay;
    user->destination = mem_copy_string(destination);
    strcpy(user->user_id, user_id);
    list_init(&user->makings);
    user->deadline = (Deadline)DEADLINE_INIT(on_time_to_make);
    list_append(users, &user->link);
    return user;
}

/* ---- making */

static bool make(WarmUser *user, Upstream *upstream, const char *template_name);

static void on_made(OwnCall *call, uint32_t status)
{
    WarmMaking *making = container_of(call, WarmMaking, call);
    WarmUser *user = making->user;
    const char *problem;
    bool is_unknown;
    if (user) {
        Relay *relay = user->relay;
        list_remove(&user->makings, &making->link);
        if (status == STATUS_OK && user->n_ready < WARM_MAX_SESSIONS) {
            WarmSession *session = &user->ready[user->n_ready++];
            strcpy(session->session_id, making->session_id);
            session->made_ns = clock_now_ns();
        } else if (status != STATUS_OK) {
            relay_log_failure(relay, "a session made ahead: %s", call->problem);
            Upstream *upstream = making->is_clone && !relay->is_draining
                                     ? relay_upstream(relay, user->destination, &problem, &is_unknown)
                                     : NULL;
            if (upstream) /* a server without CloneSession, or a template that nobody has used yet */
                (void)make(user, upstream, NULL);
        }
    }
    free(making);
}

/* False: it has failed at once. */
static bool make(WarmUser *user, Upstream *upstream, const char *template_name)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    WarmMaking *making = mem_new(WarmMaking);
    making->user = user;
    making->call.on_ended = on_made;
    making->is_clone = template_name != NULL;
    list_link_init(&making->link);
    uuid_random(making->session_id);
    if (template_name) {
        NamedSessionKey key = {user->user_id, upstream->profile->name, template_name};
        named_sessions_id(&user->relay->named_sessions, &key, making->call.session_id);
        codec_write_clone_session(&request, user->user_id, making->call.session_id, making->session_id);
    } else {
        strcpy(making->call.session_id, making->session_id);
        codec_write_config_get(&request, user->user_id, making->session_id);
    }
    list_append(&user->makings, &making->link);
    if (own_call_begin(&making->call, user->relay, upstream, NULL,
                       template_name ? METHOD_CLONE_SESSION : METHOD_CONFIG, (const uint8_t *)request.bytes,
                       request.length))
        return true;
    list_remove(&user->makings, &making->link);
    free(making);
    return false;
}

static void on_time_to_make(Deadline *deadline)
{
    WarmUser *user = container_of(deadline, WarmUser, deadline);
    const char *problem;
    bool is_unknown;
    Upstream *upstream = relay_upstream(user->relay, user->destination, &problem, &is_unknown);
    if (!upstream || upstream->profile->warm_sessions == 0) {
        user_forget(user);
        return;
    }
    while (!user->relay->is_draining &&
           user->n_ready + user->makings.n_entries < upstream->profile->warm_sessions)
        if (!make(user, upstream, upstream->profile->warm_template))
            return;
}

/* ---- handing out */

/* A session that the client has used already must not be given another: it says so by what it has seen of the
 * server, but for clients before 4.0. */
static bool is_new_for_sure(const Call *call)
{
    const Envelope *envelope = &call->request.envelope;
    const char *type = envelope_text(envelope, ENVELOPE_CLIENT_TYPE);
    if (!call->request.is_done || envelope->texts[ENVELOPE_SERVER_SIDE_SESSION_ID].is_present ||
        (type && strstr(type, "spark/3.")))
        return false;
    switch (call->method->id) {
    case METHOD_EXECUTE_PLAN:
    case METHOD_ANALYZE_PLAN:
    case METHOD_CONFIG:
    case METHOD_ADD_ARTIFACTS:
    case METHOD_ARTIFACT_STATUS: return true;
    default: return false;
    }
}

static void drop_old(WarmUser *user)
{
    uint64_t now_ns = clock_now_ns();
    unsigned n_old = 0;
    while (n_old < user->n_ready && now_ns - user->ready[n_old].made_ns > WARM_LIFE_S * NS_PER_S)
        n_old++;
    user->n_ready -= n_old;
    memmove(user->ready, user->ready + n_old, user->n_ready * sizeof user->ready[0]);
}

static void hand_out(WarmUser *user, Call *call)
{
    Session *session = call->session;
    drop_old(user);
    if (user->n_ready == 0 || !registry_pin(&call->relay->registry, session))
        return;
    strcpy(session->upstream_id, user->ready[--user->n_ready].session_id);
    session->kind = SESSION_WARM;
}

void warm_sessions_choose(Call *call)
{
    Relay *relay = call->relay;
    if (!call->upstream || call->upstream->is_local || call->upstream->profile->warm_sessions == 0 ||
        !is_new_for_sure(call) || strlen(call->session->session_id) != SCANNER_ID_LENGTH ||
        call->upstream->is_retired)
        return;
    WarmUser *user = user_of(relay, call->upstream->destination->name, call->session->user_id);
    hand_out(user, call);
    if (!deadline_is_set(&user->deadline))
        deadline_set(&relay->deadlines, &user->deadline, clock_now_ns() + WARM_DELAY_MS * NS_PER_MS);
}
