/* Blocks and piece queues: who holds what, and that bytes come out as they went in. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/piece.h"
#include "random_number.h"

#define BLOCK_SIZE 32768u

static BlockPool pool;

static void set_up(void)
{
    block_pool_init(&pool, BLOCK_SIZE);
}

/* Every block must have come back. */
static void tear_down(void)
{
    ck_assert_uint_eq(pool.n_free, pool.n_blocks);
    block_pool_deinit(&pool);
}

/* The queue's bytes, put together. free(). */
static uint8_t *bytes_of(const PieceQueue *queue)
{
    uint8_t *bytes = mem_alloc(queue->n_bytes);
    size_t n = 0;
    const Piece *last = NULL;
    for (const Piece *piece = queue->head; piece; last = piece, piece = piece->next) {
        ck_assert_uint_le(piece->length, queue->n_bytes - n);
        memcpy(bytes + n, piece->bytes, piece->length);
        n += piece->length;
    }
    ck_assert_uint_eq(n, queue->n_bytes);
    ck_assert_ptr_eq(queue->tail, last);
    return bytes;
}

static void assert_bytes(const PieceQueue *queue, const void *expected, size_t length)
{
    _cleanup_(mem_freep) uint8_t *bytes = bytes_of(queue);
    ck_assert_uint_eq(queue->n_bytes, length);
    ck_assert_mem_eq(bytes, expected, length);
}

static size_t count_pieces(const PieceQueue *queue)
{
    size_t n = 0;
    for (const Piece *piece = queue->head; piece; piece = piece->next)
        n++;
    return n;
}

/* A block full of different bytes. */
static Block *full_block(void)
{
    Block *block = block_pool_get(&pool);
    random_bytes(block->bytes, BLOCK_SIZE);
    return block;
}

/* ---- blocks */

START_TEST(blocks_return_with_the_last_reference)
{
    Block *block = block_pool_get(&pool);
    ck_assert_uint_eq(block->n_references, 1);
    ck_assert_uint_eq(block->used, 0);
    ck_assert_ptr_eq(block_ref(block), block);
    block->used = 7;
    ck_assert_ptr_null(block_unref(block));
    ck_assert_uint_eq(pool.n_free, 0);
    ck_assert_ptr_null(block_unref(block));
    ck_assert_uint_eq(pool.n_free, 1);
    ck_assert_ptr_eq(block_pool_get(&pool), block);
    ck_assert_uint_eq(block->used, 0);
    ck_assert_uint_eq(pool.n_blocks, 1);
    block_unref(block);
    ck_assert_ptr_null(block_unref(NULL));
}
END_TEST

START_TEST(trimming_frees_what_was_never_needed)
{
    Block *blocks[5];
    for (size_t i = 0; i < 5; i++)
        blocks[i] = block_pool_get(&pool);
    for (size_t i = 0; i < 5; i++)
        block_unref(blocks[i]);
    ck_assert_uint_eq(block_pool_trim(&pool), 5); /* all were in use since the last time */
    blocks[0] = block_pool_get(&pool);
    blocks[1] = block_pool_get(&pool);
    block_unref(blocks[0]);
    ck_assert_uint_eq(block_pool_trim(&pool), 1); /* three of them stayed unused all the time */
    ck_assert_uint_eq(pool.n_blocks, 2);
    block_unref(blocks[1]);
    ck_assert_uint_eq(block_pool_trim(&pool), 1);
    ck_assert_uint_eq(block_pool_trim(&pool), 0);
    ck_assert_uint_eq(pool.n_blocks, 0);
}
END_TEST

/* ---- queues */

START_TEST(small_pieces_are_copied_and_large_ones_referenced)
{
    PieceQueue queue = PIECE_QUEUE_INIT;
    Block *block = full_block();
    piece_queue_append(&queue, block->bytes, PIECE_COPY_BELOW - 1, block);
    ck_assert_uint_eq(block->n_references, 1);
    ck_assert_ptr_null(queue.head->block);
    piece_queue_append(&queue, block->bytes, PIECE_COPY_BELOW, block);
    ck_assert_uint_eq(block->n_references, 2);
    ck_assert_ptr_eq(queue.tail->bytes, block->bytes);
    piece_queue_append(&queue, block->bytes + 20000, 10000, NULL);
    ck_assert_uint_eq(block->n_references, 2);
    ck_assert_uint_eq(count_pieces(&queue), 3);
    ck_assert_uint_eq(queue.n_bytes, 2 * PIECE_COPY_BELOW - 1 + 10000);
    piece_queue_deinit(&queue);
    ck_assert_uint_eq(block->n_references, 1);
    ck_assert_uint_eq(queue.n_bytes, 0);
    ck_assert_ptr_null(queue.head);
    block_unref(block);
}
END_TEST

START_TEST(what_follows_in_the_same_block_joins_the_last_piece)
{
    PieceQueue queue = PIECE_QUEUE_INIT;
    Block *block = full_block();
    piece_queue_append(&queue, block->bytes, 5000, block);
    piece_queue_append(&queue, block->bytes + 5000, 1, block); /* even a small one */
    piece_queue_append(&queue, block->bytes + 5001, 5000, block);
    ck_assert_uint_eq(count_pieces(&queue), 1);
    ck_assert_uint_eq(block->n_references, 2);
    piece_queue_append(&queue, block->bytes + 10002, 5000, block); /* one byte lies between */
    ck_assert_uint_eq(count_pieces(&queue), 2);
    ck_assert_uint_eq(queue.n_bytes, 15001);
    piece_queue_deinit(&queue);
    block_unref(block);
}
END_TEST

START_TEST(a_block_stays_until_its_last_byte_is_taken)
{
    PieceQueue queue = PIECE_QUEUE_INIT;
    Block *block = full_block();
    _cleanup_(mem_freep) uint8_t *expected = mem_alloc(BLOCK_SIZE);
    memcpy(expected, block->bytes, BLOCK_SIZE);
    piece_queue_append(&queue, block->bytes, BLOCK_SIZE, block);
    block_unref(block);
    piece_queue_advance(&queue, BLOCK_SIZE - 1, NULL);
    ck_assert_uint_eq(pool.n_free, 0);
    assert_bytes(&queue, expected + BLOCK_SIZE - 1, 1);
    piece_queue_advance(&queue, 1, NULL);
    ck_assert_uint_eq(pool.n_free, 1);
    ck_assert_ptr_null(queue.head);
    ck_assert_ptr_null(queue.tail);
}
END_TEST

START_TEST(what_was_advanced_can_be_put_back)
{
    PieceQueue queue = PIECE_QUEUE_INIT, kept = PIECE_QUEUE_INIT;
    Block *block = full_block();
    piece_queue_append(&queue, block->bytes, 10000, block);
    piece_queue_append(&queue, (const uint8_t *)"tail", 4, NULL);
    piece_queue_advance(&queue, 3000, &kept);
    piece_queue_advance(&queue, 5000, &kept);
    assert_bytes(&kept, block->bytes, 8000);
    piece_queue_advance(&queue, 2000, &kept);
    piece_queue_advance(&queue, 1, &kept);
    assert_bytes(&queue, "ail", 3);
    piece_queue_prepend_all(&queue, &kept);
    ck_assert_uint_eq(kept.n_bytes, 0);
    ck_assert_ptr_null(kept.head);
    ck_assert_uint_eq(queue.n_bytes, 10004);
    piece_queue_prepend_all(&queue, &kept); /* of nothing */
    ck_assert_uint_eq(queue.n_bytes, 10004);
    while (kept.n_bytes < 10000)
        piece_queue_advance(&queue, queue.head->length, &kept);
    assert_bytes(&kept, block->bytes, 10000);
    assert_bytes(&queue, "tail", 4);
    piece_queue_deinit(&queue);
    piece_queue_deinit(&kept);
    block_unref(block);
}
END_TEST

START_TEST(compacting_copies_what_pins_much_more_than_itself)
{
    PieceQueue queue = PIECE_QUEUE_INIT;
    Block *small = full_block(), *large = full_block(), *last = full_block();
    piece_queue_append(&queue, small->bytes, BLOCK_SIZE / 2 - 1, small);
    piece_queue_append(&queue, large->bytes, BLOCK_SIZE / 2, large);
    piece_queue_append(&queue, (const uint8_t *)"copy", 4, NULL);
    piece_queue_append(&queue, last->bytes, 5000, last);
    _cleanup_(mem_freep) uint8_t *before = bytes_of(&queue);
    ck_assert_uint_eq(piece_queue_compact(&queue), BLOCK_SIZE / 2 - 1 + 5000);
    ck_assert_uint_eq(small->n_references, 1);
    ck_assert_uint_eq(large->n_references, 2);
    ck_assert_uint_eq(last->n_references, 1);
    assert_bytes(&queue, before, BLOCK_SIZE - 1 + 4 + 5000);
    ck_assert_uint_eq(piece_queue_compact(&queue), 0);
    piece_queue_append(&queue, (const uint8_t *)"!", 1, NULL); /* the tail is still the tail */
    ck_assert_uint_eq(count_pieces(&queue), 5);
    piece_queue_deinit(&queue);
    block_unref(small), block_unref(large), block_unref(last);
}
END_TEST

/* ---- random operations against plain buffers */

#define MODEL_SIZE 200000u

/* The queue's content and what was kept, as plain bytes. */
typedef struct Model {
    PieceQueue queue, kept;
    uint8_t bytes[MODEL_SIZE], kept_bytes[MODEL_SIZE];
    size_t n_bytes, n_kept;
    Block *block; /* bytes are received into it */
} Model;

static uint8_t *room_in_block(Model *model, size_t length)
{
    if (model->block && BLOCK_SIZE - model->block->used < length)
        model->block = block_unref(model->block);
    if (!model->block)
        model->block = block_pool_get(&pool);
    if (model->block->n_references == 1)
        model->block->used = 0; /* as the receiver does: nothing refers to it */
    uint8_t *room = model->block->bytes + model->block->used;
    random_bytes(room, length);
    return room;
}

static void model_append(Model *model)
{
    size_t length = 1 + random_number(random_number(3) ? 300 : 12000);
    if (model->n_bytes + model->n_kept + length > MODEL_SIZE)
        return;
    uint8_t *bytes = room_in_block(model, length);
    memcpy(model->bytes + model->n_bytes, bytes, length);
    model->n_bytes += length;
    piece_queue_append(&model->queue, bytes, length, random_number(4) ? model->block : NULL);
    if (model->block->n_references > 1)
        model->block->used += (uint32_t)length;
}

static void model_advance(Model *model)
{
    bool keeps = random_number(2);
    if (!model->queue.head)
        return;
    size_t length =
        random_number(3) ? model->queue.head->length : 1 + random_number((uint32_t)model->queue.head->length);
    if (keeps) {
        memcpy(model->kept_bytes + model->n_kept, model->bytes, length);
        model->n_kept += length;
    }
    model->n_bytes -= length;
    memmove(model->bytes, model->bytes + length, model->n_bytes);
    piece_queue_advance(&model->queue, length, keeps ? &model->kept : NULL);
}

static void model_prepend(Model *model)
{
    memmove(model->bytes + model->n_kept, model->bytes, model->n_bytes);
    memcpy(model->bytes, model->kept_bytes, model->n_kept);
    model->n_bytes += model->n_kept;
    model->n_kept = 0;
    piece_queue_prepend_all(&model->queue, &model->kept);
}

static void model_step(Model *model)
{
    switch (random_number(40)) {
    case 0: model_prepend(model); break;
    case 1: (void)piece_queue_compact(&model->queue); break;
    case 2: (void)piece_queue_compact(&model->kept); break;
    default:
        if (random_number(2))
            model_append(model);
        else
            model_advance(model);
    }
}

START_TEST(random_operations_keep_every_byte)
{
    Model *model = mem_new(Model);
    for (int i = 0; i < 5000; i++) {
        model_step(model);
        ck_assert_uint_eq(model->queue.n_bytes, model->n_bytes);
        ck_assert_uint_eq(model->kept.n_bytes, model->n_kept);
        if (i % 16)
            continue;
        assert_bytes(&model->queue, model->bytes, model->n_bytes);
        assert_bytes(&model->kept, model->kept_bytes, model->n_kept);
    }
    piece_queue_deinit(&model->queue);
    piece_queue_deinit(&model->kept);
    block_unref(model->block);
    free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("piece");
    TCase *tests = tcase_create("piece");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, blocks_return_with_the_last_reference);
    tcase_add_test(tests, trimming_frees_what_was_never_needed);
    tcase_add_test(tests, small_pieces_are_copied_and_large_ones_referenced);
    tcase_add_test(tests, what_follows_in_the_same_block_joins_the_last_piece);
    tcase_add_test(tests, a_block_stays_until_its_last_byte_is_taken);
    tcase_add_test(tests, what_was_advanced_can_be_put_back);
    tcase_add_test(tests, compacting_copies_what_pins_much_more_than_itself);
    tcase_add_test(tests, random_operations_keep_every_byte);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
