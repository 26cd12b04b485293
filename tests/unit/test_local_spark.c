/* The life of the local Spark server's process: states, restarts, ends; with small programs in its place. */

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "relay/local_spark.h"

/* Listens until it is told to end. */
#define LISTENS                                                                                              \
    "exec python3 -c 'import socket, time; s = socket.create_server((\"127.0.0.1\", {port})); "              \
    "time.sleep(60)'"

static uv_loop_t loop;
static Log no_log = {.fd = -1, .level = LOG_LEVEL_ERROR};
static LocalSpark *spark;
static unsigned n_ready, n_ended;

static void on_ready(void *context)
{
    ck_assert_ptr_eq(context, &loop);
    n_ready++;
}

static void on_ended(void *context)
{
    ck_assert_ptr_eq(context, &loop);
    n_ended++;
}

static void set_up(void)
{
    LocalSparkHost host = {
        .loop = &loop, .log = &no_log, .on_ready = on_ready, .on_ended = on_ended, .context = &loop};
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    spark = local_spark_new(&host);
}

static void tear_down(void)
{
    spark = local_spark_close(spark);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static LocalSparkFacts facts(void)
{
    LocalSparkFacts now;
    local_spark_facts(spark, &now);
    return now;
}

static void run_until(LocalSparkState state)
{
    bool is_alive = true;
    for (; facts().state != state && is_alive;)
        is_alive = uv_run(&loop, UV_RUN_ONCE) != 0;
    ck_assert_int_eq(facts().state, state);
}

START_TEST(nothing_at_first)
{
    ck_assert_int_eq(facts().state, LOCAL_SPARK_NONE);
    ck_assert_uint_eq(local_spark_run(spark), 0);
    ck_assert_ptr_null(local_spark_settings(spark));
    local_spark_stop(spark, "for the test");
    ck_assert_int_eq(facts().state, LOCAL_SPARK_NONE);
    ck_assert_uint_eq(n_ended, 0);
}
END_TEST

START_TEST(starts_once)
{
    ck_assert(local_spark_start(spark, LISTENS));
    ck_assert_int_eq(facts().state, LOCAL_SPARK_STARTING);
    const ProfileSettings *profile = &local_spark_settings(spark)->profiles[0];
    ck_assert_str_eq(profile->host, "127.0.0.1");
    ck_assert_uint_eq(profile->port, facts().port);
    ck_assert(!profile->use_tls);
    ck_assert_uint_eq(secret_length(profile->auth.token), 32);
    ck_assert(local_spark_start(spark, LISTENS));
    ck_assert_uint_eq(local_spark_run(spark), 1);
    run_until(LOCAL_SPARK_READY);
    ck_assert_uint_eq(n_ready, 1);
    ck_assert(local_spark_start(spark, LISTENS));
    ck_assert_uint_eq(local_spark_run(spark), 1);
}
END_TEST

START_TEST(stops_and_starts_again_at_once)
{
    ck_assert(local_spark_start(spark, LISTENS));
    run_until(LOCAL_SPARK_READY);
    pid_t pid = facts().pid;
    Secret *token = secret_copy(local_spark_settings(spark)->profiles[0].auth.token);
    local_spark_stop(spark, "for the test");
    ck_assert_int_eq(facts().state, LOCAL_SPARK_STOPPING);
    ck_assert_uint_eq(n_ended, 1);
    ck_assert_uint_eq(local_spark_run(spark), 0);
    ck_assert(local_spark_start(spark, LISTENS)); /* while the old one still runs */
    ck_assert_uint_eq(local_spark_run(spark), 2);
    ck_assert(!local_spark_is_ready(spark));
    run_until(LOCAL_SPARK_READY);
    ck_assert_uint_eq(n_ready, 2);
    ck_assert_int_ne(facts().pid, pid);
    ck_assert(!secret_equal(token, local_spark_settings(spark)->profiles[0].auth.token));
    secret_free(token);
}
END_TEST

START_TEST(what_fails_says_why_and_is_not_repeated_at_once)
{
    ck_assert(local_spark_start(spark, "echo first; echo the reason; echo '  at line 1'; exit 3 {port}"));
    run_until(LOCAL_SPARK_FAILED);
    ck_assert_uint_eq(n_ended, 1);
    ck_assert_str_eq(facts().problem,
                     "the local Spark server ended before it was ready (exit code 3): the reason");
    ck_assert(!local_spark_start(spark, LISTENS));
    ck_assert_uint_eq(local_spark_run(spark), 0);
}
END_TEST

START_TEST(a_program_that_is_not_there)
{
    ck_assert(local_spark_start(spark, "/nowhere/at/all {port}"));
    run_until(LOCAL_SPARK_FAILED);
    ck_assert_ptr_nonnull(strstr(facts().problem, "(exit code 127)"));
    ck_assert_ptr_nonnull(strstr(facts().problem, "/nowhere/at/all"));
}
END_TEST

START_TEST(no_spark_on_this_machine)
{
    ck_assert_int_eq(setenv("PATH", "/nowhere", 1), 0);
    ck_assert_int_eq(setenv("SPARK_HOME", "/no/spark", 1), 0);
    (void)unsetenv("PYSPARK_PYTHON");
    (void)unsetenv("VIRTUAL_ENV");
    ck_assert(local_spark_start(spark, NULL));
    run_until(LOCAL_SPARK_FAILED);
    ck_assert_ptr_nonnull(strstr(facts().problem, "no Spark for a local server is found"));
    ck_assert_ptr_nonnull(strstr(facts().problem, "SPARK_HOME=/no/spark"));
    ck_assert_ptr_nonnull(strstr(facts().problem, "pip install"));
}
END_TEST

START_TEST(ends_by_itself)
{
    ck_assert(local_spark_start(spark, LISTENS));
    run_until(LOCAL_SPARK_READY);
    ck_assert_int_eq(kill(facts().pid, SIGKILL), 0);
    run_until(LOCAL_SPARK_FAILED);
    ck_assert_uint_eq(n_ended, 1);
    ck_assert_ptr_nonnull(strstr(facts().problem, "has ended by itself (signal 9)"));
}
END_TEST

START_TEST(stopped_before_it_is_ready)
{
    ck_assert(local_spark_start(spark, "sleep 60 {port}"));
    local_spark_stop(spark, "for the test");
    run_until(LOCAL_SPARK_NONE);
    ck_assert_uint_eq(n_ready, 0);
    ck_assert_uint_eq(n_ended, 1);
}
END_TEST

START_TEST(stopped_while_it_is_looked_for)
{
    ck_assert(local_spark_start(spark, NULL));
    local_spark_stop(spark, "for the test");
    run_until(LOCAL_SPARK_NONE);
    ck_assert_uint_eq(n_ended, 1);
}
END_TEST

START_TEST(closed_in_any_state)
{
    if (_i > 0)
        ck_assert(local_spark_start(spark, _i == 1 ? NULL : LISTENS));
    if (_i == 3)
        run_until(LOCAL_SPARK_READY);
    unsigned n = n_ended;
    spark = local_spark_close(spark);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0); /* or it would wait for a minute */
    ck_assert_uint_eq(n_ended, n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("local_spark");
    TCase *tests = tcase_create("local_spark");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, nothing_at_first);
    tcase_add_test(tests, starts_once);
    tcase_add_test(tests, stops_and_starts_again_at_once);
    tcase_add_test(tests, what_fails_says_why_and_is_not_repeated_at_once);
    tcase_add_test(tests, a_program_that_is_not_there);
    tcase_add_test(tests, no_spark_on_this_machine);
    tcase_add_test(tests, ends_by_itself);
    tcase_add_test(tests, stopped_before_it_is_ready);
    tcase_add_test(tests, stopped_while_it_is_looked_for);
    tcase_add_loop_test(tests, closed_in_any_state, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
