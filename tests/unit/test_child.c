/* Helper programs: what they print, how they end, and that they always do. */

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/mem.h"
#include "base/text.h"

#define LIMIT 4096

static uv_loop_t loop;

static struct {
    unsigned n_done;
    ChildResult result; /* without its strings */
    Text output, errors;
} got;

static void on_done(void *context, const ChildResult *result)
{
    ck_assert_ptr_eq(context, &got);
    got.n_done++;
    got.result = *result;
    text_append_bytes(&got.output, result->output, result->output_length);
    text_append_bytes(&got.errors, result->errors, result->errors_length);
    ck_assert_uint_eq(strlen(result->output), result->output_length);
    ck_assert_uint_eq(strlen(result->errors), result->errors_length);
}

static void set_up(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static void tear_down(void)
{
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    text_deinit(&got.output);
    text_deinit(&got.errors);
}

static Child *start(const char *command, const char *const *dropped, const char *const *kept,
                    uint64_t timeout_ms)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    return child_start(&loop, &(ChildOptions){argv, dropped, kept, timeout_ms, LIMIT}, on_done, &got);
}

/* Runs it to its end, and that of its handles. */
static void run(const char *command, uint64_t timeout_ms)
{
    (void)start(command, NULL, NULL, timeout_ms);
    ck_assert_uint_eq(got.n_done, 0);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_uint_eq(got.n_done, 1);
}

START_TEST(test_output)
{
    run("printf out; printf err >&2; exit 3", 20000);
    ck_assert_str_eq(text_string(&got.output), "out");
    ck_assert_str_eq(text_string(&got.errors), "err");
    ck_assert_int_eq(got.result.exit_status, 3);
    ck_assert(!child_succeeded(&got.result));
}
END_TEST

START_TEST(test_success_without_output)
{
    run("exit 0", 20000);
    ck_assert(child_succeeded(&got.result));
    ck_assert_uint_eq(got.output.length + got.errors.length, 0);
}
END_TEST

/* It cannot ask anything: no input, no terminal, a session of its own. */
START_TEST(test_surroundings)
{
    run("read x || echo none; test -t 0 || echo no-terminal; (: </dev/tty) 2>/dev/null || echo no-tty; "
        "test \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ && echo session",
        20000);
    ck_assert_str_eq(text_string(&got.output), "none\nno-terminal\nno-tty\nsession\n");
}
END_TEST

START_TEST(test_environment)
{
    static const char *const DROPPED[] = {"TEST_A_*", "TEST_B", NULL};
    static const char *const KEPT[] = {"TEST_A_KEPT", NULL};
    ck_assert_int_eq(setenv("TEST_A_ONE", "1", 1), 0);
    ck_assert_int_eq(setenv("TEST_A_KEPT", "2", 1), 0);
    ck_assert_int_eq(setenv("TEST_B", "3", 1), 0);
    ck_assert_int_eq(setenv("TEST_BB", "4", 1), 0);
    ck_assert_int_eq(setenv("HOME", "/home/somebody", 1), 0);
    (void)start("echo \"$TEST_A_ONE,$TEST_A_KEPT,$TEST_B,$TEST_BB,$HOME\"", DROPPED, KEPT, 20000);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_str_eq(text_string(&got.output), ",2,,4,/home/somebody\n");
}
END_TEST

START_TEST(test_no_such_program)
{
    const char *argv[] = {"no-such-program-here", NULL};
    (void)child_start(&loop, &(ChildOptions){argv, NULL, NULL, 20000, LIMIT}, on_done, &got);
    ck_assert_uint_eq(got.n_done, 0);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_uint_eq(got.n_done, 1);
    ck_assert_int_eq(got.result.error, UV_ENOENT);
    ck_assert(!child_succeeded(&got.result));
}
END_TEST

/* What it has started dies with it. */
START_TEST(test_time_limit)
{
    run("sleep 300 & echo $!; sleep 300", 200);
    ck_assert(got.result.timed_out);
    ck_assert_int_eq(got.result.signal, SIGKILL);
    pid_t grandchild = atoi(text_string(&got.output));
    ck_assert_int_gt(grandchild, 1);
    char path[64], state[256] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
    /* Gone, or a zombie of whoever adopted it. */
    for (;;) {
        FILE *file = fopen(path, "r");
        if (!file)
            break;
        size_t n = fread(state, 1, sizeof state - 1, file);
        ck_assert_int_eq(fclose(file), 0);
        if (n == 0 || strstr(state, ") Z "))
            break;
    }
}
END_TEST

START_TEST(test_too_much_output)
{
    run("yes", 20000);
    ck_assert(got.result.is_too_long);
    ck_assert(!got.result.timed_out);
    ck_assert_uint_eq(got.output.length, LIMIT);
}
END_TEST

START_TEST(test_too_many_errors)
{
    run("yes >&2", 20000);
    ck_assert(got.result.is_too_long);
    ck_assert_uint_eq(got.errors.length, LIMIT);
}
END_TEST

START_TEST(test_killed)
{
    run("echo before; kill -TERM $$", 20000);
    ck_assert_int_eq(got.result.signal, SIGTERM);
    ck_assert_str_eq(text_string(&got.output), "before\n");
}
END_TEST

/* Something it leaves behind holds its output open. */
START_TEST(test_left_behind)
{
    run("sleep 3 & echo token", 20000);
    ck_assert(child_succeeded(&got.result));
    ck_assert_str_eq(text_string(&got.output), "token\n");
}
END_TEST

START_TEST(test_cancel)
{
    const char *argv[] = {"no-such-program-here", NULL};
    child_cancel(start("sleep 300", NULL, NULL, 20000));
    child_cancel(child_start(&loop, &(ChildOptions){argv, NULL, NULL, 20000, LIMIT}, on_done, &got));
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_uint_eq(got.n_done, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("child");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_output);
    tcase_add_test(tests, test_success_without_output);
    tcase_add_test(tests, test_surroundings);
    tcase_add_test(tests, test_environment);
    tcase_add_test(tests, test_no_such_program);
    tcase_add_test(tests, test_time_limit);
    tcase_add_test(tests, test_too_much_output);
    tcase_add_test(tests, test_too_many_errors);
    tcase_add_test(tests, test_killed);
    tcase_add_test(tests, test_left_behind);
    tcase_add_test(tests, test_cancel);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
