#include "rpc/timeout.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct Good {
    const char *value;
    uint64_t ns;
} Good;

static const Good good[] = {
    {"1n", 1},
    {"0n", 0},
    {"0H", 0},
    {"00000001S", 1000000000},
    {"99999999n", 99999999},
    {"20u", 20000},
    {"100m", 100000000},
    {"30S", 30000000000},
    {"2M", 120000000000},
    {"1H", 3600000000000},
    {"99999999M", 99999999 * 60000000000u},
    {"99999999H", UINT64_MAX},
    {"5124095H", 5124095 * 3600000000000u},
    {"5124096H", UINT64_MAX},
};

START_TEST(parses_what_grpc_sends)
{
    uint64_t ns = 42;
    ck_assert(timeout_parse(good[_i].value, strlen(good[_i].value), &ns));
    ck_assert_uint_eq(ns, good[_i].ns);
}
END_TEST

static const char *const bad[] = {
    "", "1", "S", "123456789S", "-1S", "+1S", " 1S", "1 S", "1S ", "1s", "1h", "1.5S", "0x1S", "1SS", "1\xb5",
};

START_TEST(refuses_what_is_malformed)
{
    uint64_t ns = 42;
    ck_assert(!timeout_parse(bad[_i], strlen(bad[_i]), &ns));
    ck_assert_uint_eq(ns, 42);
}
END_TEST

START_TEST(nul_is_no_unit)
{
    uint64_t ns = 0;
    ck_assert(!timeout_parse("1\0", 2, &ns));
}
END_TEST

typedef struct Written {
    uint64_t ns;
    const char *value;
} Written;

static const Written written[] = {
    {0, "1n"},
    {1, "1n"},
    {999, "999n"},
    {1000, "1u"},
    {1001, "1001n"},
    {100001, "100001n"},
    {99999999, "100m"},
    {100000001, "100001u"},
    {1000000000, "1S"},
    {1500000000, "1500m"},
    {30000000000, "30S"},
    {29999876543, "30S"},
    {29987654321, "29987655u"},
    {60000000000, "1M"},
    {3599999999999, "1H"},
    {3590000000000, "3590S"},
    {UINT64_MAX, "5124096H"},
};

START_TEST(writes_the_shortest_form)
{
    char value[TIMEOUT_VALUE_SIZE];
    size_t length = timeout_format(written[_i].ns, value);
    ck_assert_uint_eq(length, strlen(value));
    ck_assert_str_eq(value, written[_i].value);
}
END_TEST

START_TEST(what_is_written_reads_back_hardly_longer)
{
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        uint64_t ns = seed >> (i % 64), again = 0;
        char value[TIMEOUT_VALUE_SIZE];
        size_t length = timeout_format(ns, value);
        if (!timeout_parse(value, length, &again) || again < ns || again - ns > (ns ? ns / 100000 : 1))
            ck_abort_msg("%s", value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timeout");
    TCase *tests = tcase_create("timeout");
    tcase_add_loop_test(tests, parses_what_grpc_sends, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tests, refuses_what_is_malformed, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tests, nul_is_no_unit);
    tcase_add_loop_test(tests, writes_the_shortest_form, 0, sizeof(written) / sizeof(written[0]));
    tcase_add_test(tests, what_is_written_reads_back_hardly_longer);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
