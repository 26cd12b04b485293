#pragma once

/*
 * Block: a reference-counted stretch of memory that bytes are received into and sent from, so that what
 * passes through is never copied. BlockPool keeps unused ones; what it did not need lately goes back to the
 * system. Loop thread only.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct BlockPool BlockPool;

typedef struct Block {
    struct Block *next_free;
    BlockPool *pool;
    uint32_t n_references;
    uint32_t used; /* bytes taken from the front */
    uint8_t bytes[];
} Block;

struct BlockPool {
    Block *free_blocks;
    uint32_t block_size;
    uint32_t n_free;
    uint32_t n_free_lowest; /* since the last trim: so many were never needed */
    uint32_t n_blocks;      /* free or in use */
};

void block_pool_init(BlockPool *pool, uint32_t block_size);
/* Every block must have come back. */
void block_pool_deinit(BlockPool *pool);
/* One reference, nothing used; the caller's. */
Block *block_pool_get(BlockPool *pool);
/* Frees the blocks that stayed unused since the last call. Returns how many are still kept unused. */
uint32_t block_pool_trim(BlockPool *pool);

static inline Block *block_ref(Block *block)
{
    block->n_references++;
    return block;
}

/* Takes NULL; returns NULL. */
Block *block_unref(Block *block);
