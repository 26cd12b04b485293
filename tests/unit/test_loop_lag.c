#include "base/loop_lag.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define MS(n) ((n)*NS_PER_MS)

START_TEST(turns_are_counted)
{
    LoopLag lag = {.begun_ns = 0};
    loop_lag_note(&lag, MS(1000), MS(1001));
    loop_lag_note(&lag, MS(2000), MS(2010)); /* slow */
    loop_lag_note(&lag, MS(3000), MS(3350)); /* very slow, the longest */
    loop_lag_note(&lag, MS(4000), MS(4120)); /* very slow */
    loop_lag_note(&lag, MS(5001), MS(5000)); /* the clocks need not agree */
    ck_assert_uint_eq(lag.n_turns, 5);
    ck_assert_uint_eq(lag.n_slow, 3);
    ck_assert_uint_eq(lag.n_very_slow, 2);
    ck_assert_uint_eq(lag.longest_ns, MS(350));
    ck_assert_uint_eq(lag.longest_at_ns, MS(3350));
}
END_TEST

START_TEST(a_short_one_is_the_longest_while_there_is_no_other)
{
    LoopLag lag = {.begun_ns = 0};
    loop_lag_note(&lag, MS(1000), MS(1003));
    loop_lag_note(&lag, MS(2000), MS(2002));
    ck_assert_uint_eq(lag.longest_ns, MS(3));
    ck_assert_uint_eq(lag.longest_at_ns, MS(1003));
    ck_assert_uint_eq(lag.n_slow, 0);
}
END_TEST

static const struct timespec PAUSE = {.tv_nsec = 20 * 1000 * 1000};

/* The first time may be before the loop first waits: of that turn no beginning is known. */
static void on_timer(uv_timer_t *timer)
{
    unsigned *n_calls = timer->data;
    if (++*n_calls < 2)
        return;
    (void)nanosleep(&PAUSE, NULL);
    uv_close((uv_handle_t *)timer, NULL);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    static unsigned n_calls;
    if (++n_calls == 2) /* the first turn has no beginning that could be known */
        (void)nanosleep(&PAUSE, NULL);
    if (n_calls == 3)
        uv_close((uv_handle_t *)prepare, NULL);
}

static void expect_a_pause_is_seen(uv_loop_t *loop, LoopLag *lag)
{
    ck_assert_int_eq(uv_run(loop, UV_RUN_DEFAULT), 0);
    ck_assert_uint_ge(lag->n_turns, 1);
    ck_assert_uint_ge(lag->longest_ns, MS(20));
    ck_assert_uint_ge(lag->n_slow, 1);
    loop_lag_close(lag);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(loop), 0);
}

START_TEST(what_a_timer_does_is_seen)
{
    uv_loop_t loop;
    uv_timer_t timer;
    LoopLag lag;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(loop_lag_init(&lag, &loop), 0);
    ck_assert_int_eq(uv_timer_init(&loop, &timer), 0);
    unsigned n_calls = 0;
    timer.data = &n_calls;
    /* Delayed by the machine, a timer is due as soon as the loop runs; 0 makes it so always. */
    ck_assert_int_eq(uv_timer_start(&timer, on_timer, 0, 1), 0);
    expect_a_pause_is_seen(&loop, &lag);
}
END_TEST

/* So does the relay's flush. */
START_TEST(what_others_prepare_is_seen)
{
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_idle_t never_waits;
    LoopLag lag;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(loop_lag_init(&lag, &loop), 0);
    ck_assert_int_eq(uv_prepare_init(&loop, &prepare), 0);
    ck_assert_int_eq(uv_prepare_start(&prepare, on_prepare), 0);
    ck_assert_int_eq(uv_idle_init(&loop, &never_waits), 0);
    ck_assert_int_eq(uv_idle_start(&never_waits, on_idle), 0);
    uv_unref((uv_handle_t *)&never_waits);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    uv_close((uv_handle_t *)&never_waits, NULL);
    expect_a_pause_is_seen(&loop, &lag);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop_lag");
    TCase *tests = tcase_create("loop_lag");
    tcase_add_test(tests, turns_are_counted);
    tcase_add_test(tests, a_short_one_is_the_longest_while_there_is_no_other);
    tcase_add_test(tests, what_a_timer_does_is_seen);
    tcase_add_test(tests, what_others_prepare_is_seen);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
