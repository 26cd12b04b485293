/* What is run as the local Spark server, and the shell program that looks for one. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "relay/local_command.h"

static char directory[64];

static void write_program(const char *name, const char *content)
{
    _cleanup_(text_deinit) Text path = TEXT_NULL;
    text_printf(&path, "%s/%s", directory, name);
    FILE *file = fopen(text_string(&path), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(text_string(&path), 0700), 0);
}

static void make_folder(const char *name)
{
    _cleanup_(text_deinit) Text path = TEXT_NULL;
    text_printf(&path, "%s/%s", directory, name);
    ck_assert_int_eq(mkdir(text_string(&path), 0700), 0);
}

static void set_up(void)
{
    static const char *const FOLDERS[] = {"spark", "spark/jars", "spark/bin", "client", "client/jars", "bin"};
    strcpy(directory, "/tmp/test_local_command.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++)
        make_folder(FOLDERS[i]);
    write_program("spark/jars/spark-connect_2.13-4.3.0.jar", "");
    write_program("spark/bin/spark-submit", "");
}

static void tear_down(void)
{
    _cleanup_(text_deinit) Text command = TEXT_NULL;
    text_printf(&command, "rm -rf %s", directory);
    ck_assert_int_eq(system(text_string(&command)), 0);
}

/* The exit status, and what the search has printed. @ in `environment` stands for the directory. */
static int search(const char *environment, Text *output)
{
    _cleanup_(text_deinit) Text command = TEXT_NULL;
    write_program("search", local_command_search());
    text_append(&command, "env -i PATH=/usr/bin:/bin ");
    for (const char *p = environment; *p; p++)
        if (*p == '@')
            text_append(&command, directory);
        else
            text_append_bytes(&command, p, 1);
    text_printf(&command, " /bin/sh %s/search 2>/dev/null", directory);
    FILE *file = popen(text_string(&command), "r");
    ck_assert_ptr_nonnull(file);
    for (int c; (c = fgetc(file)) != EOF;)
        text_append_bytes(output, &(char){(char)c}, 1);
    return WEXITSTATUS(pclose(file));
}

static void expect_found(const char *environment, const char *python)
{
    _cleanup_(text_deinit) Text output = TEXT_NULL, expected = TEXT_NULL;
    ck_assert_int_eq(search(environment, &output), 0);
    text_printf(&expected, "%s/spark\n%s/spark/jars/spark-connect_2.13-4.3.0.jar\n", directory, directory);
    ck_assert_msg(strncmp(text_string(&output), text_string(&expected), expected.length) == 0, "%s",
                  text_string(&output));
    ck_assert_ptr_nonnull(strstr(text_string(&output) + expected.length, python));
}

START_TEST(spark_home_comes_first)
{
    write_program("bin/python", "#!/bin/sh\nexit 1\n");
    expect_found("SPARK_HOME=@/spark PYSPARK_PYTHON=@/bin/python", "/bin/python");
}
END_TEST

START_TEST(a_python_tells_where_its_pyspark_is)
{
    char script[256];
    (void)snprintf(script, sizeof script, "#!/bin/sh\necho %s/spark\necho /the/python\n", directory);
    write_program("bin/python", script);
    expect_found("PYSPARK_PYTHON=@/bin/python", "/the/python");
    make_folder("venv");
    make_folder("venv/bin");
    write_program("venv/bin/python", script);
    expect_found("SPARK_HOME=@/client PYSPARK_PYTHON=/none VIRTUAL_ENV=@/venv", "/the/python");
}
END_TEST

START_TEST(without_jars_it_is_none)
{
    _cleanup_(text_deinit) Text output = TEXT_NULL;
    char script[256];
    (void)snprintf(script, sizeof script, "#!/bin/sh\necho %s/client\necho /the/python\n", directory);
    write_program("bin/python", script);
    write_program("bin/python3", script);
    ck_assert_int_eq(search("SPARK_HOME=@/client PATH=@/bin:/usr/bin:/bin", &output), 1);
    ck_assert_str_eq(text_string(&output), "");
}
END_TEST

START_TEST(spark_submit)
{
    _cleanup_(local_command_deinit) LocalCommand command = LOCAL_COMMAND_NULL;
    bool has_port = false, is_near = false;
    ck_assert(local_command_from_found(&command, "/a home\n/a home/jars/c.jar\n/py\n", 4711));
    ck_assert_str_eq(command.argv[0], "/a home/bin/spark-submit");
    size_t n = 0;
    for (; command.argv[n]; n++) {
        has_port |= strcmp(command.argv[n], "spark.connect.grpc.binding.port=4711") == 0;
        is_near |= strcmp(command.argv[n], "spark.connect.grpc.binding.address=127.0.0.1") == 0;
    }
    ck_assert(has_port && is_near);
    ck_assert_str_eq(command.argv[n - 1], "/a home/jars/c.jar");
    ck_assert_str_eq(command.variables[0], "SPARK_HOME=/a home");
    local_command_add_variable(&command, "A", "b");
    ck_assert_str_eq(command.variables[4], "A=b");
}
END_TEST

START_TEST(what_no_search_prints)
{
    static const char *const OTHERS[] = {
        "", "/home\n", "/home\n/jar\n", "home\n/jar\n/py\n", "/home\njar\n/py\n", "/home\n\n/py\n"};
    _cleanup_(local_command_deinit) LocalCommand command = LOCAL_COMMAND_NULL;
    ck_assert(!local_command_from_found(&command, OTHERS[_i], 1));
    ck_assert_ptr_null(command.argv[0]);
}
END_TEST

START_TEST(a_template)
{
    static const char *const ROWS[][2] = {
        {"run {port}", "run 4711"}, {"{port}{port} {x}", "47114711 {x}"}, {"a {port} b", "a 4711 b"}};
    _cleanup_(local_command_deinit) LocalCommand command = LOCAL_COMMAND_NULL;
    local_command_from_template(&command, ROWS[_i][0], 4711);
    ck_assert_str_eq(command.argv[0], "/bin/sh");
    ck_assert_str_eq(command.argv[1], "-c");
    ck_assert_str_eq(command.argv[2], ROWS[_i][1]);
    ck_assert_ptr_null(command.argv[3]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("local_command");
    TCase *tests = tcase_create("local_command");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, spark_home_comes_first);
    tcase_add_test(tests, a_python_tells_where_its_pyspark_is);
    tcase_add_test(tests, without_jars_it_is_none);
    tcase_add_test(tests, spark_submit);
    tcase_add_loop_test(tests, what_no_search_prints, 0, 6);
    tcase_add_loop_test(tests, a_template, 0, 3);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
