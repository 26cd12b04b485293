/* FileWatch: what happens to the watched files is noticed, however it is done; what happens beside them is
 * not. */

#include "admin/file_watch.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static uv_loop_t loop;
static Deadlines deadlines;
static Log logger;
static FileWatch *watch;
static unsigned n_changes;
static char folder[64], paths[4][96];

static void on_change(void *context)
{
    ck_assert_ptr_eq(context, &n_changes);
    n_changes++;
}

static void setup(void)
{
    n_changes = 0;
    strcpy(folder, "/tmp/test_file_watch.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    logger = (Log){.fd = STDERR_FILENO, .level = LOG_LEVEL_INFO};
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(deadlines_init(&deadlines, &loop), 0);
    watch = file_watch_new(&loop, &deadlines, &logger, on_change, &n_changes);
}

static void teardown(void)
{
    char command[96];
    watch = file_watch_close(watch);
    deadlines_deinit(&deadlines);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *path_of(size_t i, const char *name)
{
    (void)snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
    return paths[i];
}

static void write_to(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    (void)close(fd);
}

static void watch_path(size_t i, const char *name)
{
    char *path = (char *)(uintptr_t)path_of(i, name);
    file_watch_set(watch, &path, 1);
}

/* Whether what has been done makes it wait for quiet. */
static bool has_noticed(void)
{
    for (int i = 0; i < 5; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    return deadlines.n_entries == 1;
}

static void expect_change(void)
{
    unsigned before = n_changes;
    ck_assert(has_noticed());
    while (n_changes == before)
        (void)uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(n_changes, before + 1);
}

START_TEST(file_changes)
{
    watch_path(0, "a");
    ck_assert(!has_noticed());
    write_to(paths[0]); /* comes */
    expect_change();
    write_to(paths[0]); /* is written to */
    expect_change();
    write_to(path_of(1, "a.new"));
    ck_assert(!has_noticed()); /* is none of ours */
    ck_assert_int_eq(rename(paths[1], paths[0]), 0);
    expect_change();
    ck_assert_int_eq(unlink(paths[0]), 0);
    expect_change();
}
END_TEST

START_TEST(many_steps_are_one_change)
{
    watch_path(0, "a");
    for (int i = 0; i < 20; i++) {
        write_to(paths[0]);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    expect_change();
    ck_assert(!has_noticed());
}
END_TEST

START_TEST(folder_comes_later)
{
    watch_path(0, "not/yet/a");
    (void)mkdir(path_of(1, "other"), 0700);
    ck_assert(!has_noticed());
    ck_assert_int_eq(mkdir(path_of(1, "not"), 0700), 0);
    expect_change();
    watch_path(0, "not/yet/a"); /* as after each load */
    ck_assert_int_eq(mkdir(path_of(1, "not/yet"), 0700), 0);
    expect_change();
    watch_path(0, "not/yet/a");
    write_to(paths[0]);
    expect_change();
}
END_TEST

START_TEST(folder_goes)
{
    ck_assert_int_eq(mkdir(path_of(1, "sub"), 0700), 0);
    watch_path(0, "sub/a");
    ck_assert_int_eq(rmdir(paths[1]), 0);
    expect_change();
    watch_path(0, "sub/a");
    ck_assert_int_eq(mkdir(paths[1], 0700), 0);
    expect_change();
}
END_TEST

START_TEST(behind_a_link)
{
    ck_assert_int_eq(mkdir(path_of(1, "real"), 0700), 0);
    write_to(path_of(2, "real/b"));
    ck_assert_int_eq(symlink("real/b", path_of(0, "a")), 0);
    watch_path(0, "a");
    write_to(paths[2]);
    expect_change();
}
END_TEST

START_TEST(events_on_their_way_are_kept)
{
    watch_path(0, "a");
    write_to(paths[0]);
    watch_path(0, "a"); /* before the loop has told of it */
    expect_change();
}
END_TEST

START_TEST(former_files_are_left)
{
    watch_path(0, "a");
    watch_path(1, "b");
    write_to(path_of(0, "a"));
    ck_assert(!has_noticed());
    write_to(path_of(1, "b"));
    expect_change();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_watch");
    TCase *tests = tcase_create("file_watch");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, file_changes);
    tcase_add_test(tests, many_steps_are_one_change);
    tcase_add_test(tests, folder_comes_later);
    tcase_add_test(tests, folder_goes);
    tcase_add_test(tests, behind_a_link);
    tcase_add_test(tests, events_on_their_way_are_kept);
    tcase_add_test(tests, former_files_are_left);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
