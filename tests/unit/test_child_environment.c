/* The environment of a program behind the daemon, and the same as words for shells. */

#include "cli/child_environment.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const NOTHING[] = {NULL};

static ChildEnvironment child;

static void set_up(void)
{
    child = (ChildEnvironment)CHILD_ENVIRONMENT_NULL;
}

static void tear_down(void)
{
    child_environment_deinit(&child);
}

static void fill(const char *file, const char *remote, Environment environment)
{
    _cleanup_(project_deinit) Project project = PROJECT_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    project_read_bytes(&project, file, ".env", environment, &problems);
    child_environment_fill(&child, &project, remote, environment);
}

static void expect(const char *expected)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    for (size_t i = 0; i < child.n_changes; i++)
        text_printf(&text, child.changes[i].value ? "%s=%s\n" : "-%s\n", child.changes[i].name,
                    child.changes[i].value);
    ck_assert_str_eq(text_string(&text), expected);
}

START_TEST(a_plain_one)
{
    fill("", "sc://localhost:1", NOTHING);
    expect("SPARK_REMOTE=sc://localhost:1\nno_proxy=localhost,127.0.0.1\nNO_PROXY=localhost,127.0.0.1\n");
}
END_TEST

START_TEST(the_login_of_other_tools)
{
    child_environment_set_login(&child, LIST("DATABRICKS_HOST=https://w.example", "DATABRICKS_AUTH_TYPE=pat"),
                                "http://127.0.0.1:1/5ecret", "https://w.example", "a b/\xc3\xa9");
    expect("DATABRICKS_AUTH_TYPE=metadata-service\n"
           "DATABRICKS_METADATA_SERVICE_URL=http://127.0.0.1:1/5ecret/a%20b%2F%C3%A9\n");
}
END_TEST

START_TEST(what_is_right_stays)
{
    fill("", "sc://localhost:1",
         LIST("SPARK_REMOTE=sc://localhost:1", "no_proxy=*", "NO_PROXY=x, LOCALHOST 127.0.0.1"));
    expect("");
}
END_TEST

START_TEST(proxies_except_this_machine)
{
    fill("", "sc://l", LIST("NO_PROXY=corp", "no_grpc_proxy=localhost"));
    expect("SPARK_REMOTE=sc://l\nno_proxy=corp,localhost,127.0.0.1\nNO_PROXY=corp,localhost,127.0.0.1\n"
           "no_grpc_proxy=localhost,127.0.0.1\n");
}
END_TEST

#define TRACES                                                                                               \
    LIST("SPARK_CONNECT_AUTHENTICATE_TOKEN=t", "SPARK_CONNECT_MODE_ENABLED=1", "SPARK_LOCAL_REMOTE=1",       \
         "SPARK_LOCAL_CONNECT_REUSE=1", "MASTER=local[2]", "SPARK_REMOTE=sc://old", "no_proxy=*",            \
         "NO_PROXY=*")
#define TAKEN                                                                                                \
    "-SPARK_CONNECT_AUTHENTICATE_TOKEN\n-SPARK_CONNECT_MODE_ENABLED\n-SPARK_LOCAL_REMOTE\n"                  \
    "-SPARK_LOCAL_CONNECT_REUSE\n"

START_TEST(bypasses_are_taken_away)
{
    fill("", "sc://new", TRACES);
    expect("SPARK_REMOTE=sc://new\n" TAKEN "-MASTER\n");
}
END_TEST

START_TEST(local_spark)
{
    fill("", NULL, TRACES);
    expect("-SPARK_REMOTE\n" TAKEN);
}
END_TEST

START_TEST(the_file_is_passed_on_without_secrets)
{
    fill("DATABRICKS_HOST=h\nDATABRICKS_TOKEN=t\nDATABRICKS_CLIENT_SECRET=s\nDATABRICKS_PASSWORD=p\n"
         "MLFLOW_TRACKING_URI=databricks\nAWS_REGION=x\nDATABRICKS_CLUSTER_ID=c\n'DATABRICKS_ A'=1\n",
         NULL, LIST("DATABRICKS_CLUSTER_ID="));
    expect("DATABRICKS_HOST=h\nMLFLOW_TRACKING_URI=databricks\n");
}
END_TEST

START_TEST(the_last_change_counts)
{
    child_environment_set(&child, NOTHING, "A", "1");
    child_environment_set(&child, NOTHING, "A", "2");
    expect("A=2\n");
    child_environment_set(&child, LIST("A=3"), "A", "3");
    expect("");
}
END_TEST

START_TEST(urls)
{
    _cleanup_(mem_freep) char *plain = spark_remote_url("sc://localhost:1", NULL, NULL);
    _cleanup_(mem_freep) char *both = spark_remote_url("sc://localhost:1", "my dev;=%", "0712-1_a.b~");
    _cleanup_(mem_freep) char *cluster = spark_remote_url("sc://localhost:1", NULL, "c\xc3\xa4");
    ck_assert_str_eq(plain, "sc://localhost:1");
    ck_assert_str_eq(both,
                     "sc://localhost:1/;x-profile=my%20dev%3B%3D%25;x-databricks-cluster-id=0712-1_a.b~");
    ck_assert_str_eq(cluster, "sc://localhost:1/;x-databricks-cluster-id=c%C3%A4");
}
END_TEST

/* ---- shells: the real one says what it reads */

#define EVIL "it's $HOME `id` \\ \\' \"!*?~#\n;&|<>() end\\"

static void expect_from_shell(const char *shell, const Text *words)
{
    char answer[256] = "";
    _cleanup_(text_deinit) Text command = TEXT_NULL;
    ck_assert_int_eq(setenv("WORDS", text_string(words), 1), 0);
    ck_assert_int_eq(setenv("GONE", "still here", 1), 0);
    text_printf(&command, "exec %s", shell);
    FILE *pipe = popen(text_string(&command), "r");
    ck_assert_ptr_nonnull(pipe);
    size_t length = fread(answer, 1, sizeof answer - 1, pipe);
    ck_assert_int_eq(pclose(pipe), 0);
    answer[length] = '\0';
    ck_assert_str_eq(answer, EVIL "|gone|");
}

static void add_evil_changes(void)
{
    child_environment_set(&child, NOTHING, "EVIL", EVIL);
    child_environment_set(&child, LIST("GONE=x"), "GONE", NULL);
}

START_TEST(bash_reads_it)
{
    _cleanup_(text_deinit) Text words = TEXT_NULL;
    add_evil_changes();
    child_environment_append_bash(&words, &child);
    expect_from_shell("bash -c 'eval \"$WORDS\"; exec sh -c \"printf %s \\\"\\$EVIL|\\${GONE-gone}|\\\"\"'",
                      &words);
}
END_TEST

START_TEST(fish_reads_it)
{
    _cleanup_(text_deinit) Text words = TEXT_NULL;
    add_evil_changes();
    child_environment_append_fish(&words, &child);
    if (system("command -v fish >/dev/null") == 0)
        expect_from_shell("fish -c 'eval $WORDS; exec sh -c \"printf %s \\\"\\$EVIL|\\${GONE-gone}|\\\"\"'",
                          &words);
    ck_assert_str_eq(text_string(&words), "set -gx EVIL 'it\\'s $HOME `id` \\\\ \\\\\\' \"!*?~#\n"
                                          ";&|<>() end\\\\'\nset -e GONE\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("child_environment");
    TCase *tests = tcase_create("child_environment");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_plain_one);
    tcase_add_test(tests, the_login_of_other_tools);
    tcase_add_test(tests, what_is_right_stays);
    tcase_add_test(tests, proxies_except_this_machine);
    tcase_add_test(tests, bypasses_are_taken_away);
    tcase_add_test(tests, local_spark);
    tcase_add_test(tests, the_file_is_passed_on_without_secrets);
    tcase_add_test(tests, the_last_change_counts);
    tcase_add_test(tests, urls);
    tcase_add_test(tests, bash_reads_it);
    tcase_add_test(tests, fish_reads_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
