#include "conf/settings_change.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* ---- profiles */

static void add(SettingsChange *change, ProfileChange what, const ProfileSettings *current,
                const ProfileSettings *next)
{
    change->counts[what]++;
    change->entries[change->n_entries++] = (ChangedProfile){
        .change = what, .name = next ? next->name : current->name, .current = current, .next = next};
}

void settings_change_compute(SettingsChange *change, const Settings *current, const Settings *next)
{
    change->entries = mem_alloc_zeroed(current->n_profiles + next->n_profiles, sizeof change->entries[0]);
    for (size_t i = 0; i < next->n_profiles; i++) {
        const ProfileSettings *profile = &next->profiles[i];
        const ProfileSettings *before = settings_find_profile(current, profile->name);
        ProfileChange what = !before                                   ? PROFILE_ADDED
                             : profile_settings_equal(before, profile) ? PROFILE_KEPT
                                                                       : PROFILE_CHANGED;
        add(change, what, before, profile);
    }
    for (size_t i = 0; i < current->n_profiles; i++)
        if (!settings_find_profile(next, current->profiles[i].name))
            add(change, PROFILE_REMOVED, &current->profiles[i], NULL);
}

void settings_change_deinit(SettingsChange *change)
{
    free(change->entries);
    *change = (SettingsChange)SETTINGS_CHANGE_NULL;
}

const char *profile_change_name(ProfileChange change)
{
    switch (change) {
    case PROFILE_KEPT: return "kept";
    case PROFILE_CHANGED: return "changed";
    case PROFILE_ADDED: return "added";
    case PROFILE_REMOVED: return "removed";
    }
    return "?";
}

/* ---- keys that need a restart */

#define ANNOUNCED "clients and servers that are connected were told the old one"

typedef struct FixedKey {
    const char *name;
    size_t offset, size;
    const char *why;
} FixedKey;

#define FIXED(member, reason)                                                                                \
    {                                                                                                        \
#member, offsetof(Settings, member), sizeof(((Settings *)NULL)->member), reason                      \
    }

static const FixedKey FIXED_KEYS[] = {
    FIXED(stream_window, ANNOUNCED),
    FIXED(header_limit, ANNOUNCED),
    FIXED(max_calls_per_connection, ANNOUNCED),
};

static void warn(Problems *problems, const char *key, const char *why)
{
    problems_add_warning(problems, "%s cannot change while the daemon runs (%s); restart it for that", key,
                         why);
}

static void keep_log_format(Settings *next, const Settings *current, Problems *problems)
{
    bool is_same = next->log_format_is_set == current->log_format_is_set &&
                   (!next->log_format_is_set || next->log_format == current->log_format);
    next->log_format_is_set = current->log_format_is_set;
    next->log_format = current->log_format;
    if (!is_same)
        warn(problems, "log_format", "who reads the log expects one format");
}

void settings_keep_fixed(Settings *next, const Settings *current, Problems *problems)
{
    for (size_t i = 0; i < sizeof FIXED_KEYS / sizeof FIXED_KEYS[0]; i++) {
        const FixedKey *key = &FIXED_KEYS[i];
        void *ours = (char *)next + key->offset;
        const void *theirs = (const char *)current + key->offset;
        if (memcmp(ours, theirs, key->size) == 0)
            continue;
        memcpy(ours, theirs, key->size);
        warn(problems, key->name, key->why);
    }
    keep_log_format(next, current, problems);
    if (!text_is_same(next->metadata_service, current->metadata_service)) {
        free(next->metadata_service);
        next->metadata_service =
            current->metadata_service ? mem_copy_string(current->metadata_service) : NULL;
        warn(problems, "metadata_service", "those who use it were told where it is");
    }
    if (strcmp(next->control_socket, current->control_socket) != 0) {
        free(next->control_socket);
        next->control_socket = mem_copy_string(current->control_socket);
        warn(problems, "control_socket", "commands look for it where it is");
    }
    if (next->buffer_limit < next->stream_window)
        next->buffer_limit = next->stream_window; /* as settings_load() wants it, and it took another one */
}

/* ---- listeners */

bool listen_is_same_address(const ListenSettings *a, const ListenSettings *b)
{
    return a->kind == b->kind && a->port == b->port && text_is_same(a->host, b->host) &&
           text_is_same(a->path, b->path);
}
