#include "session/named_session.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Made up once; what it is does not matter, that it stays does. */
static const uint8_t NAMESPACE[16] = {0x5d, 0x1f, 0x0e, 0x62, 0x3a, 0x8c, 0x4b, 0x77,
                                      0x9b, 0x60, 0xc4, 0x13, 0x2e, 0x91, 0xaf, 0x05};

typedef struct MovedName {
    ListLink link;
    char first_id[UUID_TEXT_SIZE]; /* stands for user, profile and name */
    unsigned generation;
} MovedName;

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
    list_init(&sessions->moved);
}

static void forget_oldest(NamedSessions *sessions)
{
    MovedName *oldest = container_of(list_first(&sessions->moved), MovedName, link);
    list_remove(&sessions->moved, &oldest->link);
    free(oldest);
}

void named_sessions_deinit(NamedSessions *sessions)
{
    while (!list_is_empty(&sessions->moved))
        forget_oldest(sessions);
}

static MovedName *find(const NamedSessions *sessions, const char *first_id)
{
    list_for_each(link, &sessions->moved)
    {
        MovedName *moved = container_of(link, MovedName, link);
        if (strcmp(moved->first_id, first_id) == 0)
            return moved;
    }
    return NULL;
}

void named_sessions_id(const NamedSessions *sessions, const NamedSessionKey *key, char ret_id[UUID_TEXT_SIZE])
{
    id_of(key, 0, ret_id);
    const MovedName *moved = find(sessions, ret_id);
    if (moved)
        id_of(key, moved->generation, ret_id);
}

void named_sessions_closed(NamedSessions *sessions, const NamedSessionKey *key, const char *session_id)
{
    char current[UUID_TEXT_SIZE], first_id[UUID_TEXT_SIZE];
    named_sessions_id(sessions, key, current);
    if (strcmp(current, session_id) != 0)
        return;
    id_of(key, 0, first_id);
    MovedName *moved = find(sessions, first_id);
    if (!moved) {
        if (sessions->moved.n_entries >= NAMED_SESSIONS_MOVED)
            forget_oldest(sessions);
        moved = mem_new(MovedName);
        strcpy(moved->first_id, first_id);
        list_append(&sessions->moved, &moved->link);
    }
    moved->generation++;
}

void named_session_tag(const char *client_session_id, char ret_tag[NAMED_SESSION_TAG_SIZE])
{
    (void)snprintf(ret_tag, NAMED_SESSION_TAG_SIZE, "sparkbouncer-%.40s", client_session_id);
}
