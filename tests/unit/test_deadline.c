/* Deadlines: each fires once, in order and not early, whatever was set, moved and cleared meanwhile. */

#include <check.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "random_number.h"

#define N_TIMERS 400

static uv_loop_t loop;
static Deadlines deadlines;

/* A deadline and what is expected of it. */
typedef struct Timer {
    Deadline deadline;
    bool is_due; /* the model: set, and neither fired nor cleared */
    unsigned n_fired;
    uint64_t was_for_ns;  /* when it fired last */
    struct Timer *clears; /* what it does when it fires */
    struct Timer *sets;   /* likewise, for `sets_in_ns` later */
    uint64_t sets_in_ns;
} Timer;

static Timer timers[N_TIMERS];
static uint64_t latest_fired_ns;
static size_t n_fired;

static void on_fired(Deadline *deadline)
{
    Timer *timer = container_of(deadline, Timer, deadline);
    uint64_t now = clock_now_ns();
    ck_assert(timer->is_due);
    ck_assert(!deadline_is_set(deadline));
    ck_assert_uint_le(deadline->at_ns, now);
    ck_assert_uint_ge(deadline->at_ns, latest_fired_ns);
    timer->is_due = false;
    timer->n_fired++;
    timer->was_for_ns = latest_fired_ns = deadline->at_ns;
    n_fired++;
    if (timer->clears) {
        deadline_clear(&deadlines, &timer->clears->deadline);
        timer->clears->is_due = false;
    }
    if (timer->sets) {
        deadline_set(&deadlines, &timer->sets->deadline, now + timer->sets_in_ns);
        timer->sets->is_due = true;
        timer->sets = NULL;
    }
}

static void set_up(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(deadlines_init(&deadlines, &loop), 0);
    for (size_t i = 0; i < N_TIMERS; i++)
        timers[i] = (Timer){.deadline = DEADLINE_INIT(on_fired)};
}

static void tear_down(void)
{
    deadlines_deinit(&deadlines);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void set(Timer *timer, uint64_t at_ns)
{
    deadline_set(&deadlines, &timer->deadline, at_ns);
    timer->is_due = true;
}

static void clear(Timer *timer)
{
    deadline_clear(&deadlines, &timer->deadline);
    timer->is_due = false;
}

/* Deadlines do not keep a loop going, so the test does. */
static void run_until_none_is_set(void)
{
    uv_ref((uv_handle_t *)&deadlines.timer);
    while (deadlines.n_entries > 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    uv_unref((uv_handle_t *)&deadlines.timer);
}

static void assert_model(void)
{
    size_t n_due = 0;
    for (size_t i = 0; i < N_TIMERS; i++) {
        ck_assert_int_eq(deadline_is_set(&timers[i].deadline), timers[i].is_due);
        n_due += timers[i].is_due;
    }
    ck_assert_uint_eq(deadlines.n_entries, n_due);
}

START_TEST(it_fires_once)
{
    set(&timers[0], clock_now_ns() + NS_PER_MS);
    run_until_none_is_set();
    ck_assert_uint_eq(timers[0].n_fired, 1);
    set(&timers[0], clock_now_ns() + NS_PER_MS);
    run_until_none_is_set();
    ck_assert_uint_eq(timers[0].n_fired, 2);
}
END_TEST

START_TEST(one_in_the_past_fires_from_the_loop)
{
    set(&timers[0], 0);
    set(&timers[1], 1);
    ck_assert_uint_eq(n_fired, 0);
    run_until_none_is_set();
    ck_assert_uint_eq(n_fired, 2);
}
END_TEST

START_TEST(a_cleared_one_does_not_fire)
{
    uint64_t now = clock_now_ns();
    deadline_clear(&deadlines, &timers[0].deadline); /* harmless */
    set(&timers[0], now);
    set(&timers[1], now + NS_PER_MS);
    clear(&timers[0]);
    clear(&timers[0]);
    run_until_none_is_set();
    ck_assert_uint_eq(timers[0].n_fired, 0);
    ck_assert_uint_eq(timers[1].n_fired, 1);
}
END_TEST

START_TEST(moving_takes_the_place_of_the_old_time)
{
    uint64_t now = clock_now_ns();
    set(&timers[0], now + 3600 * NS_PER_S);
    set(&timers[1], now);
    set(&timers[0], now + NS_PER_MS);     /* earlier than the loop's timer was set to */
    set(&timers[1], now + 2 * NS_PER_MS); /* later */
    ck_assert_uint_eq(deadlines.n_entries, 2);
    run_until_none_is_set();
    ck_assert_uint_eq(timers[0].n_fired, 1);
    ck_assert_uint_eq(timers[1].was_for_ns, now + 2 * NS_PER_MS);
}
END_TEST

START_TEST(random_changes_fire_in_order)
{
    uint64_t start = clock_now_ns();
    for (int round = 0; round < 3000; round++) {
        Timer *timer = &timers[random_number(N_TIMERS)];
        if (random_number(3) == 0)
            clear(timer);
        else
            set(timer, start + random_number(20000) * (NS_PER_MS / 1000)); /* many of them have passed */
        if (round % 100 == 0)
            assert_model();
    }
    run_until_none_is_set();
    assert_model();
}
END_TEST

/* Order holds from here on only within one pass: what is set later may be for an earlier time. */
START_TEST(random_changes_between_turns_of_the_loop)
{
    for (int round = 0; round < 2000; round++) {
        Timer *timer = &timers[random_number(N_TIMERS)];
        uint64_t now = clock_now_ns();
        if (random_number(4) == 0)
            clear(timer);
        else
            set(timer, now + random_number(3000) * (NS_PER_MS / 1000));
        if (random_number(8) == 0)
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        if (round % 50 == 0)
            assert_model();
        latest_fired_ns = 0;
    }
    run_until_none_is_set();
    assert_model();
    ck_assert_uint_gt(n_fired, 0);
}
END_TEST

START_TEST(a_function_may_clear_what_is_due_as_well)
{
    uint64_t now = clock_now_ns();
    for (size_t i = 0; i < 100; i++)
        set(&timers[i], now + i);
    for (size_t i = 0; i < 100; i += 2)
        timers[i].clears = &timers[i + 1];
    timers[0].clears = &timers[99]; /* from the middle of the heap */
    run_until_none_is_set();
    for (size_t i = 2; i < 100; i++)
        ck_assert_uint_eq(timers[i].n_fired, i % 2 ? 0 : 1);
    ck_assert_uint_eq(timers[1].n_fired, 1);
}
END_TEST

START_TEST(a_function_may_set_itself_and_others)
{
    uint64_t now = clock_now_ns();
    set(&timers[0], now);
    set(&timers[1], now + 3600 * NS_PER_S);
    timers[0].sets = &timers[0];
    timers[0].sets_in_ns = NS_PER_MS;
    while (timers[0].n_fired < 2) {
        uv_ref((uv_handle_t *)&deadlines.timer);
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    uv_unref((uv_handle_t *)&deadlines.timer);
    timers[0].sets = &timers[1]; /* brings it forward */
    set(&timers[0], clock_now_ns());
    run_until_none_is_set();
    ck_assert_uint_eq(timers[0].n_fired, 3);
    ck_assert_uint_eq(timers[1].n_fired, 1);
}
END_TEST

static void on_fired_free(Deadline *deadline)
{
    free(container_of(deadline, Timer, deadline));
    n_fired++;
}

START_TEST(a_function_may_free_what_it_is_in)
{
    for (int i = 0; i < 100; i++) {
        Timer *timer = mem_new(Timer);
        timer->deadline = (Deadline)DEADLINE_INIT(on_fired_free);
        deadline_set(&deadlines, &timer->deadline, clock_now_ns() + random_number(NS_PER_MS));
    }
    run_until_none_is_set();
    ck_assert_uint_eq(n_fired, 100);
}
END_TEST

START_TEST(a_deadline_alone_does_not_keep_the_loop_going)
{
    set(&timers[0], clock_now_ns() + 3600 * NS_PER_S);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    clear(&timers[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadline");
    TCase *tests = tcase_create("deadline");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, it_fires_once);
    tcase_add_test(tests, one_in_the_past_fires_from_the_loop);
    tcase_add_test(tests, a_cleared_one_does_not_fire);
    tcase_add_test(tests, moving_takes_the_place_of_the_old_time);
    tcase_add_test(tests, random_changes_fire_in_order);
    tcase_add_test(tests, random_changes_between_turns_of_the_loop);
    tcase_add_test(tests, a_function_may_clear_what_is_due_as_well);
    tcase_add_test(tests, a_function_may_set_itself_and_others);
    tcase_add_test(tests, a_function_may_free_what_it_is_in);
    tcase_add_test(tests, a_deadline_alone_does_not_keep_the_loop_going);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
