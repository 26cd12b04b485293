#include "conf/origins.h"

#include <string.h>

static char *copy_or_null(const char *string)
{
    return string ? mem_copy_string(string) : NULL;
}

void origins_add(SettingsOrigins *origins, const char *profile, const char *key, const char *value,
                 const char *place)
{
    origins->entries = mem_resize(origins->entries, (origins->n_entries + 1) * sizeof origins->entries[0]);
    size_t at = origins->n_entries++;
    if (!profile)
        for (at = 0; at + 1 < origins->n_entries && !origins->entries[at].profile;)
            at++;
    memmove(&origins->entries[at + 1], &origins->entries[at],
            (origins->n_entries - 1 - at) * sizeof origins->entries[0]);
    origins->entries[at] =
        (Origin){copy_or_null(profile), mem_copy_string(key), copy_or_null(value), mem_copy_string(place)};
}

SettingsOrigins *origins_free(SettingsOrigins *origins)
{
    for (size_t i = 0; origins && i < origins->n_entries; i++) {
        free(origins->entries[i].profile);
        free(origins->entries[i].key);
        free(origins->entries[i].value);
        free(origins->entries[i].place);
    }
    if (origins)
        free(origins->entries);
    free(origins);
    return NULL;
}
