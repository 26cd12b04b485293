#pragma once

/*
 * Output: what one connection has to write, as an array of stretches for writev(): large pieces by reference
 * to the blocks they lie in, frame headers and small pieces copied side by side into a block of our own. An
 * Output exists only while there is something to write, so idle connections hold none. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/block.h"

typedef struct Output {
    struct Output *next_free;
    struct iovec *stretches;
    Block **blocks; /* one reference for each stretch */
    uint32_t head, n_stretches, capacity;
    Block *copy_block; /* small bytes go to its end */
    size_t n_bytes;
} Output;

/* Spare Outputs and the blocks for copies. */
typedef struct OutputPool {
    Output *free_outputs;
    unsigned n_free;
    BlockPool copy_blocks;
} OutputPool;

void output_pool_init(OutputPool *pool);
void output_pool_deinit(OutputPool *pool);
Output *output_pool_get(OutputPool *pool);
/* Drops what is left in it; returns NULL. */
Output *output_pool_put(OutputPool *pool, Output *output);

void output_copy(Output *output, OutputPool *pool, const uint8_t *bytes, size_t length);
/* `bytes` lie in `block`, of which a reference is taken. */
void output_reference(Output *output, const uint8_t *bytes, size_t length, Block *block);
/* The first `length` bytes have been written. */
void output_advance(Output *output, size_t length);
