#include "session/session_artifacts.h"

#include <string.h>

typedef struct Entry {
    ListLink link;
    char *name;
    uint8_t digest[SHA256_SIZE]; /* of the content that the server has, or of the uploads that have ended so
                                    far */
    bool is_known;               /* the server has it */
    unsigned n_uploads;          /* under way */
    bool has_digest;             /* one of them has ended well */
    bool is_mixed;               /* not all of them, or not with the same content */
} Entry;

/* cache/ is asked for by clients themselves, classes/ can be written over, forward_to_fs/ leaves the session;
 * .. may lead to any of them. */
static bool is_kept(const char *name)
{
    static const char *const FOLDERS[] = {"jars/", "pyfiles/", "archives/", "files/"};
    if (strstr(name, ".."))
        return false;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++)
        if (strncmp(name, FOLDERS[i], strlen(FOLDERS[i])) == 0)
            return true;
    return false;
}

void session_artifacts_init(SessionArtifacts *artifacts)
{
    *artifacts = (SessionArtifacts){.session_id = ""};
    list_init(&artifacts->entries);
}

static void forget(SessionArtifacts *artifacts, Entry *entry)
{
    list_remove(&artifacts->entries, &entry->link);
    free(entry->name);
    free(entry);
}

void session_artifacts_clear(SessionArtifacts *artifacts)
{
    for (ListLink *link; (link = list_first(&artifacts->entries));)
        forget(artifacts, container_of(link, Entry, link));
    session_artifacts_init(artifacts);
}

void session_artifacts_choose(SessionArtifacts *artifacts, const char *session_id)
{
    if (strcmp(artifacts->session_id, session_id) == 0)
        return;
    session_artifacts_clear(artifacts);
    strncpy(artifacts->session_id, session_id, sizeof artifacts->session_id - 1);
}

static Entry *find(const SessionArtifacts *artifacts, const char *name)
{
    list_for_each(link, &artifacts->entries)
    {
        Entry *entry = container_of(link, Entry, link);
        if (strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

bool session_artifacts_has_name(const SessionArtifacts *artifacts, const char *name)
{
    const Entry *entry = find(artifacts, name);
    return entry && entry->is_known;
}

bool session_artifacts_has(SessionArtifacts *artifacts, const char *name, const uint8_t digest[SHA256_SIZE])
{
    Entry *entry = find(artifacts, name);
    if (!entry || !entry->is_known || memcmp(entry->digest, digest, SHA256_SIZE) != 0)
        return false;
    list_remove(&artifacts->entries, &entry->link);
    list_append(&artifacts->entries, &entry->link);
    return true;
}

/* NULL: uploads of all of them are under way. */
static Entry *add(SessionArtifacts *artifacts, const char *name)
{
    ListLink *oldest = list_first(&artifacts->entries);
    while (oldest && oldest != &artifacts->entries.head && container_of(oldest, Entry, link)->n_uploads > 0)
        oldest = oldest->next;
    if (artifacts->entries.n_entries >= SESSION_ARTIFACTS_MAX) {
        if (oldest == &artifacts->entries.head)
            return NULL;
        forget(artifacts, container_of(oldest, Entry, link));
    }
    Entry *entry = mem_new(Entry);
    entry->name = mem_copy_string(name);
    list_append(&artifacts->entries, &entry->link);
    return entry;
}

void session_artifacts_begin(SessionArtifacts *artifacts, const char *name)
{
    Entry *entry = find(artifacts, name);
    if (!entry && is_kept(name))
        entry = add(artifacts, name);
    if (!entry)
        return;
    if (entry->n_uploads++ == 0)
        entry->has_digest = entry->is_mixed = false;
    entry->is_known = false;
}

void session_artifacts_end(SessionArtifacts *artifacts, const char *name, const uint8_t *digest)
{
    Entry *entry = find(artifacts, name);
    if (!entry || entry->n_uploads == 0)
        return; /* it was forgotten meanwhile */
    if (!digest || (entry->has_digest && memcmp(entry->digest, digest, SHA256_SIZE) != 0))
        entry->is_mixed = true;
    else
        memcpy(entry->digest, digest, SHA256_SIZE);
    entry->has_digest |= digest != NULL;
    if (--entry->n_uploads > 0)
        return;
    entry->is_known = !entry->is_mixed && artifacts->n_unread == 0;
    if (!entry->is_known)
        forget(artifacts, entry);
}

static void forget_known(SessionArtifacts *artifacts)
{
    list_for_each_safe(link, following, &artifacts->entries)
    {
        Entry *entry = container_of(link, Entry, link);
        if (entry->n_uploads == 0)
            forget(artifacts, entry);
    }
}

void session_artifacts_begin_unread(SessionArtifacts *artifacts)
{
    artifacts->n_unread++;
    forget_known(artifacts);
}

void session_artifacts_end_unread(SessionArtifacts *artifacts)
{
    list_for_each(link, &artifacts->entries) container_of(link, Entry, link)->is_mixed = true;
    artifacts->n_unread -= artifacts->n_unread > 0;
}

void session_artifacts_told(SessionArtifacts *artifacts, const char *server_session_id)
{
    if (strcmp(artifacts->server_session_id, server_session_id) == 0)
        return;
    forget_known(artifacts);
    list_for_each(link, &artifacts->entries) container_of(link, Entry, link)->has_digest = false;
    artifacts->server_session_id[0] = '\0';
    if (strlen(server_session_id) < sizeof artifacts->server_session_id)
        strcpy(artifacts->server_session_id, server_session_id);
}
