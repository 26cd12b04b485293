/* Backoff: doubling from the first wait to the limit, of which between half and all is taken. */

#include <check.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "random_number.h"

START_TEST(waits_double_up_to_the_limit)
{
    static const uint64_t FULL[] = {100, 200, 400, 800, 1000, 1000};
    Backoff least = BACKOFF_INIT(100, 1000), most = BACKOFF_INIT(100, 1000);
    for (size_t i = 0; i < sizeof(FULL) / sizeof(FULL[0]); i++) {
        ck_assert_uint_eq(backoff_next_ms(&least, 0), FULL[i] / 2);
        ck_assert_uint_eq(backoff_next_ms(&most, (uint32_t)(FULL[i] / 2)), FULL[i]);
    }
}
END_TEST

START_TEST(every_random_number_stays_between_half_and_all)
{
    for (int i = 0; i < 1000; i++) {
        Backoff backoff = BACKOFF_INIT(100, 10000);
        for (uint64_t full = 100; full < 10000; full *= 2) {
            uint64_t wait = backoff_next_ms(&backoff, random_number(UINT32_MAX));
            ck_assert_uint_ge(wait, full / 2);
            ck_assert_uint_le(wait, full);
        }
    }
}
END_TEST

START_TEST(success_starts_over)
{
    Backoff backoff = BACKOFF_INIT(100, 10000);
    for (int i = 0; i < 5; i++)
        (void)backoff_next_ms(&backoff, 0);
    backoff_reset(&backoff);
    ck_assert_uint_eq(backoff_next_ms(&backoff, 0), 50);
}
END_TEST

START_TEST(years_of_failures_do_not_overflow)
{
    Backoff backoff = BACKOFF_INIT(1, 10000), huge = BACKOFF_INIT(UINT64_MAX / 2, UINT64_MAX / 2 + 1);
    backoff.n_failures = 4000000000u;
    ck_assert_uint_eq(backoff_next_ms(&backoff, 0), 5000);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_ge(backoff_next_ms(&huge, 0), UINT64_MAX / 4);
}
END_TEST

START_TEST(odd_bounds_are_harmless)
{
    Backoff none = BACKOFF_INIT(0, 0), one = BACKOFF_INIT(1, 1), above = BACKOFF_INIT(500, 100);
    ck_assert_uint_eq(backoff_next_ms(&none, 12345), 0);
    ck_assert_uint_le(backoff_next_ms(&one, 12345), 1);
    ck_assert_uint_le(backoff_next_ms(&above, 12345), 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    TCase *tests = tcase_create("backoff");
    tcase_add_test(tests, waits_double_up_to_the_limit);
    tcase_add_test(tests, every_random_number_stays_between_half_and_all);
    tcase_add_test(tests, success_starts_over);
    tcase_add_test(tests, years_of_failures_do_not_overflow);
    tcase_add_test(tests, odd_bounds_are_harmless);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
