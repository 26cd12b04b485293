#include "base/map.h"

#include <assert.h>

#include "base/mem.h"

#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t map_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    return hash;
}

static size_t bucket_of(const Map *map, uint64_t hash)
{
    return (size_t)((hash ^ (hash >> 32)) & (map->n_buckets - 1));
}

static void push(Map *map, MapNode *node)
{
    MapNode **bucket = &map->buckets[bucket_of(map, node->hash)];
    node->next = *bucket;
    *bucket = node;
}

static void grow(Map *map)
{
    Map larger = {.n_buckets = map->n_buckets ? map->n_buckets * 2 : 16};
    larger.buckets = mem_alloc_zeroed(larger.n_buckets, sizeof(MapNode *));
    for (size_t i = 0; i < map->n_buckets; i++) {
        for (MapNode *node = map->buckets[i], *next; node; node = next) {
            next = node->next;
            push(&larger, node);
        }
    }
    free(map->buckets);
    map->buckets = larger.buckets;
    map->n_buckets = larger.n_buckets;
}

void map_deinit(Map *map)
{
    assert(map->n_entries == 0);
    free(map->buckets);
    *map = (Map)MAP_INIT;
}

MapNode *map_find(const Map *map, uint64_t hash, MapEqual equal, const void *key)
{
    if (map->n_buckets == 0)
        return NULL;
    for (MapNode *node = map->buckets[bucket_of(map, hash)]; node; node = node->next) {
        if (node->hash == hash && equal(node, key))
            return node;
    }
    return NULL;
}

MapNode *map_find_next(const MapNode *node, MapEqual equal, const void *key)
{
    for (MapNode *next = node->next; next; next = next->next) {
        if (next->hash == node->hash && equal(next, key))
            return next;
    }
    return NULL;
}

void map_insert(Map *map, MapNode *node, uint64_t hash)
{
    if (map->n_entries >= map->n_buckets)
        grow(map);
    node->hash = hash;
    push(map, node);
    map->n_entries++;
}

void map_remove(Map *map, MapNode *node)
{
    MapNode **link = &map->buckets[bucket_of(map, node->hash)];
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    map->n_entries--;
}
