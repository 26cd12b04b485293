/* Map: finds what was inserted and nothing else, through growth, collisions and removal. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "random_number.h"

typedef struct Entry {
    MapNode node;
    uint32_t key;
    bool is_in; /* the model: it is in the map */
} Entry;

static bool equal(const MapNode *node, const void *key)
{
    return container_of(node, const Entry, node)->key == *(const uint32_t *)key;
}

static uint64_t good_hash(uint32_t key)
{
    return map_hash_bytes(MAP_HASH_START, &key, sizeof key);
}

static uint64_t poor_hash(uint32_t key)
{
    return key % 7;
}

static Entry *find(const Map *map, uint64_t (*hash)(uint32_t), uint32_t key)
{
    MapNode *node = map_find(map, hash(key), equal, &key);
    return node ? container_of(node, Entry, node) : NULL;
}

static uint64_t (*const HASHES[])(uint32_t) = {good_hash, poor_hash};

START_TEST(an_empty_map_has_nothing)
{
    Map map = MAP_INIT;
    ck_assert_ptr_null(find(&map, good_hash, 1));
    map_deinit(&map);
}
END_TEST

START_TEST(random_operations_agree_with_a_list)
{
    enum { N_ENTRIES = 500 };
    static Entry entries[N_ENTRIES];
    Map map = MAP_INIT;
    uint64_t (*hash)(uint32_t) = HASHES[_i];
    size_t n_in = 0;
    for (uint32_t i = 0; i < N_ENTRIES; i++)
        entries[i].key = i * 3;
    for (int step = 0; step < 20000; step++) {
        uint32_t i = random_number(N_ENTRIES);
        Entry *entry = &entries[i];
        ck_assert_ptr_eq(find(&map, hash, entry->key), entry->is_in ? entry : NULL);
        ck_assert_ptr_null(find(&map, hash, entry->key + 1));
        if (entry->is_in)
            map_remove(&map, &entry->node);
        else
            map_insert(&map, &entry->node, hash(entry->key));
        entry->is_in = !entry->is_in;
        n_in += entry->is_in ? 1 : SIZE_MAX;
        ck_assert_uint_eq(map.n_entries, n_in);
    }
    for (size_t i = 0; i < N_ENTRIES; i++)
        if (entries[i].is_in)
            map_remove(&map, &entries[i].node);
    map_deinit(&map);
}
END_TEST

START_TEST(it_grows_with_its_entries)
{
    enum { N_ENTRIES = 10000 };
    Entry *entries = mem_alloc_zeroed(N_ENTRIES, sizeof(Entry));
    Map map = MAP_INIT;
    for (uint32_t i = 0; i < N_ENTRIES; i++) {
        entries[i].key = i;
        map_insert(&map, &entries[i].node, good_hash(i));
        ck_assert_uint_ge(map.n_buckets, map.n_entries);
        ck_assert_uint_eq(map.n_buckets & (map.n_buckets - 1), 0);
    }
    for (uint32_t i = 0; i < N_ENTRIES; i++)
        ck_assert_ptr_eq(find(&map, good_hash, i), &entries[i]);
    for (uint32_t i = 0; i < N_ENTRIES; i++)
        map_remove(&map, &entries[i].node);
    map_deinit(&map);
    free(entries);
}
END_TEST

START_TEST(it_can_be_used_again_after_its_end)
{
    Map map = MAP_INIT;
    Entry entry = {.key = 1};
    map_insert(&map, &entry.node, good_hash(1));
    map_remove(&map, &entry.node);
    map_deinit(&map);
    ck_assert_ptr_null(find(&map, good_hash, 1));
    map_insert(&map, &entry.node, good_hash(1));
    ck_assert_ptr_eq(find(&map, good_hash, 1), &entry);
    map_remove(&map, &entry.node);
    map_deinit(&map);
}
END_TEST

START_TEST(a_hash_can_be_made_in_parts)
{
    uint64_t whole = map_hash_bytes(MAP_HASH_START, "abcdef", 6);
    uint64_t part = map_hash_bytes(MAP_HASH_START, "abc", 3);
    ck_assert_uint_eq(map_hash_bytes(part, "def", 3), whole);
    ck_assert_uint_ne(map_hash_bytes(MAP_HASH_START, "abcdeg", 6), whole);
    ck_assert_uint_ne(map_hash_bytes(MAP_HASH_START + 1, "abcdef", 6), whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *tests = tcase_create("map");
    tcase_add_test(tests, an_empty_map_has_nothing);
    tcase_add_loop_test(tests, random_operations_agree_with_a_list, 0, sizeof(HASHES) / sizeof(HASHES[0]));
    tcase_add_test(tests, it_grows_with_its_entries);
    tcase_add_test(tests, it_can_be_used_again_after_its_end);
    tcase_add_test(tests, a_hash_can_be_made_in_parts);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
