#include "session/named_session.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Made up once; what it is does not matter, that it stays does. */
static const uint8_t NAMESPACE[16] = {0x5d, 0x1f, 0x0e, 0x62, 0x3a, 0x8c, 0x4b, 0x77,
                                      0x9b, 0x60, 0xc4, 0x13, 0x2e, 0x91, 0xaf, 0x05};

/* Each part is followed by a NUL, which none of them contains: no two keys look the same. The first id has no
 * generation in it. */
static void id_of(const NamedSessionKey *key, unsigned generation, char ret_id[UUID_TEXT_SIZE])
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    text_append_bytes(&text, key->user_id, strlen(key->user_id) + 1);
    text_append_bytes(&text, key->profile, strlen(key->profile) + 1);
    text_append_bytes(&text, key->name, strlen(key->name) + 1);
    if (generation > 0)
        text_printf(&text, "%u", generation);
    uuid_from_name(NAMESPACE, text.bytes, text.length, ret_id);
}

void named_sessions_init(NamedSessions *sessions)
{
    list_init(&sessions->known);
}

static void forget(NamedSessions *sessions, NamedSession *session)
{
    list_remove(&sessions->known, &session->link);
    session_artifacts_clear(&session->artifacts);
    free(session->user_id);
    free(session->profile);
    free(session->name);
    free(session);
}

static void forget_oldest(NamedSessions *sessions)
{
    forget(sessions, container_of(list_first(&sessions->known), NamedSession, link));
}

void named_sessions_deinit(NamedSessions *sessions)
{
    while (!list_is_empty(&sessions->known))
        forget_oldest(sessions);
}

static NamedSession *find(const NamedSessions *sessions, const char *first_id)
{
    list_for_each(link, &sessions->known)
    {
        NamedSession *session = container_of(link, NamedSession, link);
        if (strcmp(session->first_id, first_id) == 0)
            return session;
    }
    return NULL;
}

static NamedSession *find_or_add(NamedSessions *sessions, const NamedSessionKey *key)
{
    char first_id[UUID_TEXT_SIZE];
    id_of(key, 0, first_id);
    NamedSession *session = find(sessions, first_id);
    if (session)
        return session;
    if (sessions->known.n_entries >= NAMED_SESSIONS_MAX)
        forget_oldest(sessions);
    session = mem_new(NamedSession);
    session_artifacts_init(&session->artifacts);
    strcpy(session->first_id, first_id);
    session->user_id = mem_copy_string(key->user_id);
    session->profile = mem_copy_string(key->profile);
    session->name = mem_copy_string(key->name);
    list_append(&sessions->known, &session->link);
    return session;
}

void named_sessions_id(const NamedSessions *sessions, const NamedSessionKey *key, char ret_id[UUID_TEXT_SIZE])
{
    id_of(key, 0, ret_id);
    const NamedSession *session = find(sessions, ret_id);
    if (session)
        id_of(key, session->generation, ret_id);
}

void named_sessions_first_id(const NamedSessionKey *key, char ret_id[UUID_TEXT_SIZE])
{
    id_of(key, 0, ret_id);
}

SessionArtifacts *named_sessions_artifacts(const NamedSessions *sessions, const char *first_id)
{
    NamedSession *session = find(sessions, first_id);
    return session ? &session->artifacts : NULL;
}

void named_sessions_use(NamedSessions *sessions, const NamedSessionKey *key, uint64_t now_ns)
{
    NamedSession *session = find_or_add(sessions, key);
    session->used_ns = now_ns;
    list_remove(&sessions->known, &session->link);
    list_append(&sessions->known, &session->link);
}

void named_sessions_closed(NamedSessions *sessions, const NamedSessionKey *key, const char *session_id)
{
    char current[UUID_TEXT_SIZE];
    named_sessions_id(sessions, key, current);
    if (strcmp(current, session_id) != 0)
        return;
    NamedSession *session = find_or_add(sessions, key);
    session->generation++;
    session_artifacts_clear(&session->artifacts);
}

void named_sessions_released(NamedSessions *sessions, const NamedSessionKey *key)
{
    char first_id[UUID_TEXT_SIZE];
    id_of(key, 0, first_id);
    NamedSession *session = find(sessions, first_id);
    if (session)
        session_artifacts_clear(&session->artifacts);
    if (session && session->generation == 0) /* else which id comes next would be forgotten too */
        forget(sessions, session);
    else if (session)
        session->used_ns = 0;
}

void named_session_tag(const char *client_session_id, char ret_tag[NAMED_SESSION_TAG_SIZE])
{
    (void)snprintf(ret_tag, NAMED_SESSION_TAG_SIZE, "sparkbouncer-%.40s", client_session_id);
}
