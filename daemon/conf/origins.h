#pragma once

/* Origins: each effective value as it was written and where that was, for settings_describe(). Any thread. */

#include <stddef.h>

#include "base/mem.h"

typedef struct Origin {
    char *profile; /* NULL: [sparkbouncer] */
    char *key;
    char *value; /* NULL: not set; of a secret only "set" */
    char *place; /* "FILE:LINE", "--flag", "VARIABLE", "built-in" */
} Origin;

typedef struct SettingsOrigins {
    Origin *entries;
    size_t n_entries;
} SettingsOrigins;

/* Copies all; `profile` and `value` may be NULL. Keys of [sparkbouncer] stay before those of profiles. */
void origins_add(SettingsOrigins *origins, const char *profile, const char *key, const char *value,
                 const char *place);
SettingsOrigins *origins_free(SettingsOrigins *origins);
