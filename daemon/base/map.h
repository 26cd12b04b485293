#pragma once

/* Map: intrusive hash table of objects that embed a MapNode; keys stay in the objects. Loop thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct MapNode {
    struct MapNode *next;
    uint64_t hash;
} MapNode;

typedef struct Map {
    MapNode **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n_entries;
} Map;

typedef bool (*MapEqual)(const MapNode *node, const void *key);

#define MAP_INIT                                                                                             \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }
#define MAP_HASH_START UINT64_C(0xcbf29ce484222325)

/* Continues a hash over more bytes (FNV-1a with a final mix in the map). `hash` starts as a per-process
 * random number or MAP_HASH_START. */
uint64_t map_hash_bytes(uint64_t hash, const void *bytes, size_t length);

/* The map must be empty. */
void map_deinit(Map *map);
MapNode *map_find(const Map *map, uint64_t hash, MapEqual equal, const void *key);
/* The next one after `node` with the same hash and key, or NULL. */
MapNode *map_find_next(const MapNode *node, MapEqual equal, const void *key);
void map_insert(Map *map, MapNode *node, uint64_t hash);
/* The node must be in the map. */
void map_remove(Map *map, MapNode *node);
