#pragma once

/*
 * Destination: one profile that calls can name, and where they go just now. It stays when a reload gives the
 * profile another upstream, so that sessions, which refer to it, follow by themselves; one whose profile is
 * gone stays as well while sessions do, for their calls shall not go elsewhere. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "conf/settings.h"
#include "relay/upstream.h"

typedef struct Destination {
    MapNode node;
    ListLink link;                  /* in destinations->list */
    char *name;                     /* what calls name; of a guest the secret one, and never shown */
    Settings *settings;             /* a reference; has `profile`. NULL: the profile is gone */
    const ProfileSettings *profile; /* NULL with it */
    Upstream *upstream;             /* a reference; NULL: not used yet, not usable, or gone */
    char *problem;                  /* why it is not usable; NULL: nothing known */
    bool is_guest;
    bool has_sessions; /* while those without a profile are looked for */
    uint64_t used_ns;  /* by a call */
} Destination;

typedef struct Destinations {
    Map by_name;
    List list; /* in the order of the settings, guests where they came */
    uint64_t hash_start;
} Destinations;

void destinations_init(Destinations *destinations);
/* Upstreams must have been given back. */
void destinations_deinit(Destinations *destinations);

/* NULL when there is none; allocates nothing. */
Destination *destinations_find(const Destinations *destinations, const char *name);
/* The name must be new. References `settings`, which has `profile`. */
Destination *destinations_add(Destinations *destinations, const char *name, Settings *settings,
                              const ProfileSettings *profile);
/* Its upstream must have been given back, and nobody may refer to it. */
void destinations_remove(Destinations *destinations, Destination *destination);
/* The profile it stands for from now on; NULL: none. What was known of the former one is forgotten. */
void destination_set_profile(Destination *destination, Settings *settings, const ProfileSettings *profile);
