#pragma once

/*
 * SettingsChange: what a reload has to do: which profiles stay as they are, which become others, and which
 * keys keep their old value because they cannot change while the daemon runs. Pure; any thread.
 */

#include "conf/settings.h"

typedef enum ProfileChange { PROFILE_KEPT, PROFILE_CHANGED, PROFILE_ADDED, PROFILE_REMOVED } ProfileChange;
#define N_PROFILE_CHANGES 4

/* One profile of either side; borrowed from the settings. */
typedef struct ChangedProfile {
    ProfileChange change;
    const char *name;
    const ProfileSettings *current; /* NULL when added */
    const ProfileSettings *next;    /* NULL when removed */
} ChangedProfile;

typedef struct SettingsChange {
    ChangedProfile *entries; /* those of the next settings in their order, then those that are gone */
    size_t n_entries;
    size_t counts[N_PROFILE_CHANGES];
} SettingsChange;

#define SETTINGS_CHANGE_NULL                                                                                 \
    {                                                                                                        \
        NULL, 0,                                                                                             \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }

/* `change` must be empty; it borrows from both. */
void settings_change_compute(SettingsChange *change, const Settings *current, const Settings *next);
void settings_change_deinit(SettingsChange *change);
/* "kept", "changed", "added", "removed" */
const char *profile_change_name(ProfileChange change);

/* Puts the current value into `next` for every key that cannot change at run time, with a warning that names
 * it, says why and what to do. */
void settings_keep_fixed(Settings *next, const Settings *current, Problems *problems);

/* Whether both are the same address to a client, whatever profile it leads to. */
bool listen_is_same_address(const ListenSettings *a, const ListenSettings *b);
