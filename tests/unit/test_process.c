/* Process: alive, ended, ended and not yet waited for, and another one under the same id. */

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

static pid_t start(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    ck_assert_int_gt(pid, 0);
    return pid;
}

START_TEST(it_lives_until_it_ends)
{
    pid_t pid = start();
    Process process = process_of(pid);
    ck_assert_int_eq(process.pid, pid);
    ck_assert_uint_gt(process.started, 0);
    ck_assert_int_eq(process_state(&process), PROCESS_ALIVE);
    siginfo_t info;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(process_state(&process), PROCESS_GONE); /* a zombie */
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(process_state(&process), PROCESS_GONE);
}
END_TEST

START_TEST(another_one_with_its_id_is_not_taken_for_it)
{
    Process process = process_of(getpid());
    ck_assert_int_eq(process_state(&process), PROCESS_ALIVE);
    process.started--;
    ck_assert_int_eq(process_state(&process), PROCESS_GONE);
}
END_TEST

START_TEST(in_doubt_it_is_not_known)
{
    Process none = process_of(0), negative = process_of(-1);
    ck_assert_int_eq(process_state(&none), PROCESS_UNKNOWN);
    ck_assert_int_eq(process_state(&negative), PROCESS_UNKNOWN);
    pid_t pid = start();
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    Process ended = process_of(pid); /* had ended before anybody looked */
    ck_assert_int_eq(process_state(&ended), PROCESS_UNKNOWN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *tests = tcase_create("process");
    tcase_add_test(tests, it_lives_until_it_ends);
    tcase_add_test(tests, another_one_with_its_id_is_not_taken_for_it);
    tcase_add_test(tests, in_doubt_it_is_not_known);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
