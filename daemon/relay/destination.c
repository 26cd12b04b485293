#include "relay/destination.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

void destinations_init(Destinations *destinations)
{
    uint64_t random;
    *destinations = (Destinations){.by_name = MAP_INIT, .hash_start = MAP_HASH_START};
    list_init(&destinations->list);
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) == sizeof random) /* clients choose the names */
        destinations->hash_start = random;
}

void destinations_deinit(Destinations *destinations)
{
    for (ListLink *link; (link = list_first(&destinations->list));)
        destinations_remove(destinations, container_of(link, Destination, link));
    map_deinit(&destinations->by_name);
}

static bool has_name(const MapNode *node, const void *key)
{
    return strcmp(container_of(node, const Destination, node)->name, key) == 0;
}

static uint64_t hash_of(const Destinations *destinations, const char *name)
{
    return map_hash_bytes(destinations->hash_start, name, strlen(name));
}

Destination *destinations_find(const Destinations *destinations, const char *name)
{
    MapNode *node = map_find(&destinations->by_name, hash_of(destinations, name), has_name, name);
    return node ? container_of(node, Destination, node) : NULL;
}

Destination *destinations_add(Destinations *destinations, const char *name, Settings *settings,
                              const ProfileSettings *profile)
{
    Destination *destination = mem_new(Destination);
    destination->name = mem_copy_string(name);
    destination_set_profile(destination, settings, profile);
    list_append(&destinations->list, &destination->link);
    map_insert(&destinations->by_name, &destination->node, hash_of(destinations, name));
    return destination;
}

void destinations_remove(Destinations *destinations, Destination *destination)
{
    assert(!destination->upstream);
    map_remove(&destinations->by_name, &destination->node);
    list_remove(&destinations->list, &destination->link);
    destination_set_profile(destination, NULL, NULL);
    free(destination->name);
    free(destination);
}

void destination_set_profile(Destination *destination, Settings *settings, const ProfileSettings *profile)
{
    Settings *former = destination->settings;
    destination->settings = settings ? settings_ref(settings) : NULL;
    destination->profile = profile;
    settings_unref(former);
    free(destination->problem);
    destination->problem = NULL;
}
