#include "base/block.h"

#include <assert.h>

#include "base/mem.h"

void block_pool_init(BlockPool *pool, uint32_t block_size)
{
    *pool = (BlockPool){.block_size = block_size};
}

static void free_some(BlockPool *pool, uint32_t count)
{
    for (; count > 0; count--) {
        Block *block = pool->free_blocks;
        pool->free_blocks = block->next_free;
        pool->n_free--;
        pool->n_blocks--;
        free(block);
    }
}

void block_pool_deinit(BlockPool *pool)
{
    free_some(pool, pool->n_free);
    assert(pool->n_blocks == 0);
}

Block *block_pool_get(BlockPool *pool)
{
    Block *block = pool->free_blocks;
    if (block) {
        pool->free_blocks = block->next_free;
        pool->n_free--;
        if (pool->n_free < pool->n_free_lowest)
            pool->n_free_lowest = pool->n_free;
    } else {
        block = mem_alloc(sizeof(Block) + pool->block_size);
        block->pool = pool;
        pool->n_blocks++;
    }
    block->n_references = 1;
    block->used = 0;
    return block;
}

uint32_t block_pool_trim(BlockPool *pool)
{
    free_some(pool, pool->n_free_lowest);
    pool->n_free_lowest = pool->n_free;
    return pool->n_free;
}

Block *block_unref(Block *block)
{
    if (block && --block->n_references == 0) {
        BlockPool *pool = block->pool;
        block->next_free = pool->free_blocks;
        pool->free_blocks = block;
        pool->n_free++;
    }
    return NULL;
}
