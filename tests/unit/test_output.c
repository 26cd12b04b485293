/* Outputs: the stretches hold the bytes in order, whatever was copied, referenced and written so far. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http2/output.h"
#include "random_number.h"

#define BLOCK_SIZE 65536u

static OutputPool outputs;
static BlockPool blocks;

static void set_up(void)
{
    output_pool_init(&outputs);
    block_pool_init(&blocks, BLOCK_SIZE);
}

static void tear_down(void)
{
    ck_assert_uint_eq(blocks.n_free, blocks.n_blocks);
    ck_assert_uint_eq(outputs.copy_blocks.n_free, outputs.copy_blocks.n_blocks);
    output_pool_deinit(&outputs);
    block_pool_deinit(&blocks);
}

static void assert_bytes(const Output *output, const uint8_t *expected, size_t length)
{
    size_t n = 0;
    ck_assert_uint_eq(output->n_bytes, length);
    for (uint32_t i = output->head; i < output->n_stretches; i++) {
        const struct iovec *stretch = &output->stretches[i];
        ck_assert_uint_gt(stretch->iov_len, 0);
        ck_assert_uint_le(stretch->iov_len, length - n);
        ck_assert_mem_eq(stretch->iov_base, expected + n, stretch->iov_len);
        n += stretch->iov_len;
    }
    ck_assert_uint_eq(n, length);
}

START_TEST(copies_lie_side_by_side)
{
    Output *output = output_pool_get(&outputs);
    output_copy(output, &outputs, (const uint8_t *)"one", 3);
    output_copy(output, &outputs, (const uint8_t *)"two", 3);
    assert_bytes(output, (const uint8_t *)"onetwo", 6);
    ck_assert_uint_eq(output->n_stretches, 1);
    output_copy(output, &outputs, NULL, 0);
    ck_assert_uint_eq(output->n_stretches, 1);
    output_pool_put(&outputs, output);
}
END_TEST

START_TEST(a_reference_keeps_its_block_until_it_is_written)
{
    Output *output = output_pool_get(&outputs);
    Block *block = block_pool_get(&blocks);
    random_bytes(block->bytes, 100);
    output_copy(output, &outputs, (const uint8_t *)"<", 1);
    output_reference(output, block->bytes, 100, block);
    output_copy(output, &outputs, (const uint8_t *)">", 1);
    ck_assert_uint_eq(output->n_stretches, 3);
    ck_assert_uint_eq(block->n_references, 2);
    output_advance(output, 100); /* all but one byte of it */
    ck_assert_uint_eq(block->n_references, 2);
    ck_assert_uint_eq(output->n_bytes, 2);
    output_advance(output, 1);
    ck_assert_uint_eq(block->n_references, 1);
    assert_bytes(output, (const uint8_t *)">", 1);
    output_advance(output, 1);
    ck_assert_uint_eq(output->n_bytes, 0);
    ck_assert_uint_eq(output->n_stretches, 0);
    output_pool_put(&outputs, output);
    block_unref(block);
}
END_TEST

START_TEST(a_long_copy_goes_on_in_further_blocks)
{
    static uint8_t bytes[100000];
    Output *output = output_pool_get(&outputs);
    random_bytes(bytes, sizeof bytes);
    output_copy(output, &outputs, bytes, sizeof bytes);
    assert_bytes(output, bytes, sizeof bytes);
    output_advance(output, 99999);
    assert_bytes(output, bytes + 99999, 1);
    output_pool_put(&outputs, output);
}
END_TEST

START_TEST(what_is_put_back_is_dropped_and_used_again)
{
    Output *output = output_pool_get(&outputs);
    Block *block = block_pool_get(&blocks);
    output_reference(output, block->bytes, 10, block);
    output_reference(output, block->bytes + 20, 10, block);
    output_copy(output, &outputs, (const uint8_t *)"x", 1);
    ck_assert_uint_eq(block->n_references, 3);
    ck_assert_ptr_null(output_pool_put(&outputs, output));
    ck_assert_uint_eq(block->n_references, 1);
    ck_assert_ptr_eq(output_pool_get(&outputs), output);
    ck_assert_uint_eq(output->n_bytes, 0);
    output_copy(output, &outputs, (const uint8_t *)"y", 1);
    assert_bytes(output, (const uint8_t *)"y", 1);
    output_pool_put(&outputs, output);
    ck_assert_ptr_null(output_pool_put(&outputs, NULL));
    block_unref(block);
}
END_TEST

START_TEST(the_pool_keeps_only_a_few_spare_ones)
{
    Output *many[100];
    for (size_t i = 0; i < 100; i++)
        many[i] = output_pool_get(&outputs);
    for (size_t i = 0; i < 100; i++)
        output_pool_put(&outputs, many[i]);
    ck_assert_uint_ge(outputs.n_free, 1);
    ck_assert_uint_lt(outputs.n_free, 100);
}
END_TEST

/* ---- random operations against a plain buffer */

#define MODEL_SIZE 400000u

typedef struct Model {
    Output *output;
    uint8_t bytes[MODEL_SIZE];
    size_t n_bytes;
} Model;

static void model_add(Model *model)
{
    size_t length = 1 + random_number(random_number(4) ? 200 : 40000);
    if (model->n_bytes + length > MODEL_SIZE)
        return;
    uint8_t *end = model->bytes + model->n_bytes;
    random_bytes(end, length);
    model->n_bytes += length;
    if (random_number(2)) {
        output_copy(model->output, &outputs, end, length);
        return;
    }
    Block *block = block_pool_get(&blocks);
    memcpy(block->bytes, end, length);
    output_reference(model->output, block->bytes, length, block);
    block_unref(block);
}

static void model_advance(Model *model)
{
    if (model->n_bytes == 0)
        return;
    size_t length = random_number(8) ? 1 + random_number((uint32_t)model->n_bytes) : model->n_bytes;
    model->n_bytes -= length;
    memmove(model->bytes, model->bytes + length, model->n_bytes);
    output_advance(model->output, length);
}

START_TEST(random_operations_keep_every_byte)
{
    Model *model = mem_new(Model);
    model->output = output_pool_get(&outputs);
    for (int i = 0; i < 3000; i++) {
        if (random_number(3))
            model_add(model);
        else
            model_advance(model);
        assert_bytes(model->output, model->bytes, model->n_bytes);
    }
    output_pool_put(&outputs, model->output);
    free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("output");
    TCase *tests = tcase_create("output");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, copies_lie_side_by_side);
    tcase_add_test(tests, a_reference_keeps_its_block_until_it_is_written);
    tcase_add_test(tests, a_long_copy_goes_on_in_further_blocks);
    tcase_add_test(tests, what_is_put_back_is_dropped_and_used_again);
    tcase_add_test(tests, the_pool_keeps_only_a_few_spare_ones);
    tcase_add_test(tests, random_operations_keep_every_byte);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
