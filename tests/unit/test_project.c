/* Where a project's Spark runs: flags, environment and .env together. */

#include "cli/project.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const NOTHING[] = {NULL};

/* What came of it, in a line. free(). */
static char *describe(const Project *project, const Problems *problems)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < problems->n_entries; i++)
        text_printf(&text, "%s%s\n",
                    problems->entries[i].is_error ? "" : "warning: ", problems->entries[i].sentence);
    if (problems->n_errors > 0)
        return text_take(&text);
    text_append(&text, project->is_local ? "local" : "remote");
    if (project->profile)
        text_printf(&text, " profile=%s", project->profile);
    if (project->cluster_id)
        text_printf(&text, " cluster=%s", project->cluster_id);
    if (project->guest_host)
        text_printf(&text, " guest=%s token of %zu%s", project->guest_host,
                    secret_length(project->guest_token), project->guest_is_serverless ? " serverless" : "");
    return text_take(&text);
}

static char *resolve(const Options *options, const char *file, Environment environment)
{
    _cleanup_(project_deinit) Project project = PROJECT_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    project_read_bytes(&project, file, ".env", environment, &problems);
    bool is_good = project_resolve(&project, options, environment, &problems);
    ck_assert_int_eq(is_good, problems.n_errors == 0);
    return describe(&project, &problems);
}

static void expect(const Options *options, const char *file, Environment environment, const char *expected)
{
    _cleanup_(mem_freep) char *got = resolve(options, file, environment);
    ck_assert_str_eq(got, expected);
}

static const struct {
    const char *file;
    const char *const environment[4];
    const char *expected;
} TABLE[] = {
    {"", {NULL}, "remote"},
    {"DATABRICKS_PROFILE=dev\n", {NULL}, "remote profile=dev"},
    {"DATABRICKS_PROFILE=dev\nDATABRICKS_CONFIG_PROFILE=sdk\n", {NULL}, "remote profile=sdk"},
    {"DATABRICKS_CONFIG_PROFILE=sdk\n", {"DATABRICKS_PROFILE=shell"}, "remote profile=shell"},
    {"DATABRICKS_PROFILE=dev\n", {"DATABRICKS_PROFILE="}, "remote profile=dev"},
    {"SPARK_CONNECT_CLUSTER_ID=1\nDATABRICKS_CLUSTER_ID=2\n", {NULL}, "remote cluster=1"},
    {"DATABRICKS_CLUSTER_ID=2\n", {NULL}, "remote cluster=2"},
    {"USE_SPARK_CONNECT=false\nDATABRICKS_PROFILE=dev\n", {NULL}, "local profile=dev"},
    {"USE_SPARK_CONNECT=False\n", {"USE_SPARK_CONNECT=1"}, "remote"},
    {"USE_SPARK_CONNECT=maybe\n", {NULL}, ".env:1: USE_SPARK_CONNECT=maybe: write true or false\n"},
    {"DATABRICKS_HOST=h\nDATABRICKS_TOKEN=secret\n", {NULL}, "remote guest=h token of 6"},
    {"DATABRICKS_HOST=h\nDATABRICKS_TOKEN=secret\nDATABRICKS_CLUSTER_ID=c\n",
     {NULL},
     "remote cluster=c guest=h token of 6"},
    {"DATABRICKS_HOST=h\nDATABRICKS_TOKEN=t\nDATABRICKS_PROFILE=p\n", {NULL}, "remote profile=p"},
    {"DATABRICKS_HOST=h\nDATABRICKS_TOKEN=t\nDATABRICKS_SERVERLESS_COMPUTE_ID=auto\n",
     {NULL},
     "remote guest=h token of 1 serverless"},
    {"DATABRICKS_HOST=h\nDATABRICKS_TOKEN=t\nDATABRICKS_CLUSTER_ID=c\nDATABRICKS_SERVERLESS_COMPUTE_ID="
     "auto\n",
     {NULL},
     ".env:4: DATABRICKS_SERVERLESS_COMPUTE_ID: there is a cluster id too; leave one of them out\n"},
    {"", {"DATABRICKS_HOST=h", "DATABRICKS_TOKEN=t"}, "remote guest=h token of 1"},
    {"", {"DATABRICKS_HOST=h"}, "remote"},
    {"", {"DATABRICKS_TOKEN=t"}, "remote"},
    {"DATABRICKS_TOKEN=secret\n",
     {"DATABRICKS_HOST=h"},
     "DATABRICKS_HOST comes from the environment, but DATABRICKS_TOKEN from .env; a token belongs to its "
     "host: "
     "put both into one place, or name a profile with -p\n"},
    {"DATABRICKS_HOST=h\n",
     {"DATABRICKS_TOKEN=secret"},
     "DATABRICKS_HOST comes from .env, but DATABRICKS_TOKEN from the environment; a token belongs to its "
     "host: "
     "put both into one place, or name a profile with -p\n"},
    {"\nDATABRICKS_HOST=h\n",
     {NULL},
     ".env:2: DATABRICKS_HOST: without DATABRICKS_TOKEN; write the login as a profile into ~/.databrickscfg "
     "and "
     "name it with DATABRICKS_PROFILE\n"},
    {"DATABRICKS_TOKEN=secret\n",
     {NULL},
     "warning: .env:1: DATABRICKS_TOKEN: there is no DATABRICKS_HOST to use it for; it is not used\nremote"},
};

START_TEST(file_and_environment)
{
    const Options options = OPTIONS_NULL;
    expect(&options, TABLE[_i].file, TABLE[_i].environment, TABLE[_i].expected);
}
END_TEST

START_TEST(flags_go_before)
{
    const char *file = "DATABRICKS_HOST=h\nDATABRICKS_TOKEN=t\nSPARK_CONNECT_CLUSTER_ID=1\n";
    const Options named = {.profile = "flag", .cluster = "2"}, local = {.local = true};
    expect(&named, file, LIST("DATABRICKS_CONFIG_PROFILE=shell"), "remote profile=flag cluster=2");
    expect(&local, "USE_SPARK_CONNECT=nonsense\n", NOTHING, "local");
}
END_TEST

/* ---- finding the file */

static char directory[64];

static void set_up(void)
{
    strcpy(directory, "/tmp/test_project.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

static char *path_of(const char *name)
{
    Text path = TEXT_NULL;
    text_printf(&path, "%s/%s", directory, name);
    return text_take(&path);
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(the_nearest_file_above_is_read)
{
    _cleanup_(mem_freep) char *outer = path_of(".env"), *inner = path_of("a/.env"), *a = path_of("a"),
                              *deep = path_of("a/b");
    _cleanup_(project_deinit) Project project = PROJECT_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    ck_assert_int_eq(mkdir(a, 0700), 0);
    ck_assert_int_eq(mkdir(deep, 0700), 0);
    write_file(outer, "X=outer\n");
    write_file(inner, "X=inner\n");
    ck_assert(project_read_file(&project, NULL, deep, NOTHING, &problems));
    ck_assert_str_eq(project.path, inner);
    ck_assert_str_eq(dotenv_find(&project.dotenv, "X")->value, "inner");
    project_deinit(&project);
    ck_assert(project_read_file(&project, outer, deep, NOTHING, &problems));
    ck_assert_str_eq(dotenv_find(&project.dotenv, "X")->value, "outer");
    ck_assert_uint_eq(problems.n_entries, 0);
}
END_TEST

START_TEST(a_named_file_must_be_there)
{
    _cleanup_(project_deinit) Project project = PROJECT_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    ck_assert(!project_read_file(&project, "/nowhere/.env", directory, NOTHING, &problems));
    ck_assert_str_eq(problems.entries[0].sentence, "/nowhere/.env: there is no such file");
}
END_TEST

START_TEST(a_file_of_another_user_is_not_read)
{
    _cleanup_(project_deinit) Project project = PROJECT_NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(mem_freep) char *path = path_of(".env");
    if (geteuid() != 0)
        return; /* only root can give a file away */
    write_file(path, "DATABRICKS_HOST=https://evil\n");
    ck_assert_int_eq(chown(path, 12345, 12345), 0);
    ck_assert(project_read_file(&project, NULL, directory, NOTHING, &problems));
    ck_assert_uint_eq(project.dotenv.n_entries, 0);
    ck_assert_uint_eq(problems.n_entries, 1);
    ck_assert_ptr_nonnull(strstr(problems.entries[0].sentence, "belongs to another user"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("project");
    TCase *pure = tcase_create("pure"), *files = tcase_create("files");
    tcase_add_loop_test(pure, file_and_environment, 0, (int)(sizeof TABLE / sizeof TABLE[0]));
    tcase_add_test(pure, flags_go_before);
    tcase_add_checked_fixture(files, set_up, tear_down);
    tcase_add_test(files, the_nearest_file_above_is_read);
    tcase_add_test(files, a_named_file_must_be_there);
    tcase_add_test(files, a_file_of_another_user_is_not_read);
    suite_add_tcase(suite, pure);
    suite_add_tcase(suite, files);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
