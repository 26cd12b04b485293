#include "http2/output.h"

#include <string.h>

#include "base/mem.h"

#define COPY_BLOCK_SIZE                                                                                      \
    16384 /* frames that are no DATA are at most this long with their header cut in two                      \
           */
#define MAX_FREE_OUTPUTS 16
#define MAX_KEPT_ENTRIES 1024

void output_pool_init(OutputPool *pool)
{
    *pool = (OutputPool){0};
    block_pool_init(&pool->copy_blocks, COPY_BLOCK_SIZE);
}

static void output_free(Output *output)
{
    free(output->stretches);
    free(output->blocks);
    free(output);
}

void output_pool_deinit(OutputPool *pool)
{
    while (pool->free_outputs) {
        Output *output = pool->free_outputs;
        pool->free_outputs = output->next_free;
        output_free(output);
    }
    block_pool_deinit(&pool->copy_blocks);
}

Output *output_pool_get(OutputPool *pool)
{
    Output *output = pool->free_outputs;
    if (!output)
        return mem_new(Output);
    pool->free_outputs = output->next_free;
    pool->n_free--;
    return output;
}

Output *output_pool_put(OutputPool *pool, Output *output)
{
    if (!output)
        return NULL;
    while (output->head < output->n_stretches)
        block_unref(output->blocks[output->head++]);
    output->copy_block = block_unref(output->copy_block);
    output->head = output->n_stretches = 0;
    output->n_bytes = 0;
    if (pool->n_free >= MAX_FREE_OUTPUTS || output->capacity > MAX_KEPT_ENTRIES) {
        output_free(output);
        return NULL;
    }
    output->next_free = pool->free_outputs;
    pool->free_outputs = output;
    pool->n_free++;
    return NULL;
}

void output_reference(Output *output, const uint8_t *bytes, size_t length, Block *block)
{
    if (output->n_stretches == output->capacity) {
        output->capacity = output->capacity ? output->capacity * 2 : 32;
        output->stretches = mem_resize(output->stretches, output->capacity * sizeof(struct iovec));
        output->blocks = mem_resize(output->blocks, output->capacity * sizeof(Block *));
    }
    output->stretches[output->n_stretches] = (struct iovec){(void *)(uintptr_t)bytes, length};
    output->blocks[output->n_stretches++] = block_ref(block);
    output->n_bytes += length;
}

static void copy_within_block(Output *output, Block *block, const uint8_t *bytes, size_t length)
{
    uint8_t *destination = block->bytes + block->used;
    memcpy(destination, bytes, length);
    block->used += (uint32_t)length;
    if (output->n_stretches > output->head) {
        struct iovec *last = &output->stretches[output->n_stretches - 1];
        if (output->blocks[output->n_stretches - 1] == block &&
            (uint8_t *)last->iov_base + last->iov_len == destination) {
            last->iov_len += length;
            output->n_bytes += length;
            return;
        }
    }
    output_reference(output, destination, length, block);
}

void output_copy(Output *output, OutputPool *pool, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        Block *block = output->copy_block;
        if (!block || block->used == COPY_BLOCK_SIZE) {
            block_unref(block);
            block = output->copy_block = block_pool_get(&pool->copy_blocks);
        }
        size_t room = COPY_BLOCK_SIZE - block->used;
        size_t part = length < room ? length : room;
        copy_within_block(output, block, bytes, part);
        bytes += part;
        length -= part;
    }
}

void output_advance(Output *output, size_t length)
{
    output->n_bytes -= length;
    while (output->head < output->n_stretches) {
        struct iovec *stretch = &output->stretches[output->head];
        if (stretch->iov_len > length) {
            stretch->iov_base = (uint8_t *)stretch->iov_base + length;
            stretch->iov_len -= length;
            return;
        }
        length -= stretch->iov_len;
        block_unref(output->blocks[output->head++]);
    }
    output->head = output->n_stretches = 0;
}
