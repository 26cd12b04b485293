/* Which sessions go to the local Spark server: never one that has anything elsewhere. */

#include <check.h>
#include <stdlib.h>

#include "relay/fallback_rule.h"

/* Everything that speaks for it. */
static const FallbackFacts NEW = {
    .is_wished = true, .has_session = true, .may_begin = true, .request_is_whole = true};

#define WITH(...)                                                                                            \
    ((FallbackFacts){                                                                                        \
        .is_wished = true, .has_session = true, .may_begin = true, .request_is_whole = true, __VA_ARGS__})

START_TEST(a_new_session_may)
{
    ck_assert(fallback_is_allowed(&NEW));
    ck_assert_int_eq(fallback_place(&NEW), FALLBACK_PLACE_UPSTREAM);
}
END_TEST

START_TEST(each_fact_forbids)
{
    const FallbackFacts facts[] = {
        {.has_session = true, .may_begin = true, .request_is_whole = true},
        {.is_wished = true, .may_begin = true, .request_is_whole = true},
        {.is_wished = true, .has_session = true, .request_is_whole = true},
        {.is_wished = true, .has_session = true, .may_begin = true},
        WITH(.is_answered = true),
        WITH(.client_knows_server = true),
        WITH(.session_run = 1, .current_run = 1),
        WITH(.session_run = 1, .current_run = 2, .is_answered = true),
    };
    ck_assert(!fallback_is_allowed(&facts[_i]));
}
END_TEST

START_TEST(a_run_that_came_to_nothing_counts_as_none)
{
    const FallbackFacts facts[] = {WITH(.session_run = 1), WITH(.session_run = 1, .current_run = 2)};
    ck_assert(fallback_is_allowed(&facts[_i]));
    ck_assert_int_eq(fallback_place(&facts[_i]), FALLBACK_PLACE_UPSTREAM);
}
END_TEST

START_TEST(a_local_session_stays)
{
    FallbackFacts facts =
        WITH(.session_run = 3, .current_run = 3, .is_answered = true, .client_knows_server = true);
    ck_assert_int_eq(fallback_place(&facts), FALLBACK_PLACE_LOCAL);
    facts.is_wished = false; /* the profile has changed meanwhile */
    ck_assert_int_eq(fallback_place(&facts), FALLBACK_PLACE_LOCAL);
}
END_TEST

START_TEST(a_local_session_is_lost_with_its_server)
{
    FallbackFacts facts = WITH(.session_run = 3, .current_run = 4, .is_answered = true);
    ck_assert_int_eq(fallback_place(&facts), FALLBACK_PLACE_LOST);
    facts.is_always = true;
    ck_assert_int_eq(fallback_place(&facts), FALLBACK_PLACE_LOST);
    facts.current_run = 0;
    ck_assert_int_eq(fallback_place(&facts), FALLBACK_PLACE_LOST);
}
END_TEST

START_TEST(where_there_is_nothing_else)
{
    FallbackFacts facts = {.is_always = true};
    ck_assert_int_eq(fallback_place(&facts), FALLBACK_PLACE_LOCAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fallback_rule");
    TCase *tests = tcase_create("fallback_rule");
    tcase_add_test(tests, a_new_session_may);
    tcase_add_loop_test(tests, each_fact_forbids, 0, 8);
    tcase_add_loop_test(tests, a_run_that_came_to_nothing_counts_as_none, 0, 2);
    tcase_add_test(tests, a_local_session_stays);
    tcase_add_test(tests, a_local_session_is_lost_with_its_server);
    tcase_add_test(tests, where_there_is_nothing_else);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
