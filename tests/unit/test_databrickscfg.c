/* ~/.databrickscfg: reading it, and its hosts. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/databrickscfg.h"

static char directory[64];
static char path[96];

static void set_up(void)
{
    strcpy(directory, "/tmp/test_databrickscfg.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/cfg", directory);
}

static void tear_down(void)
{
    (void)unlink(path);
    (void)rmdir(directory);
}

static void write_file(const char *content, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* The sentences without the file's path, by lines. free(). */
static char *sentences(const Problems *problems)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < problems->n_entries; i++) {
        const char *sentence = problems->entries[i].sentence;
        bool has_path = strncmp(sentence, path, strlen(path)) == 0;
        text_printf(&text, "%s%s\n", problems->entries[i].is_error ? "" : "warning",
                    sentence + (has_path ? strlen(path) : 0));
    }
    return text_take(&text);
}

static const char *value(const IniDocument *document, const char *section, const char *key)
{
    const IniEntry *entry = ini_section_find(ini_document_find(document, section), key);
    return entry ? entry->value : "(none)";
}

START_TEST(reads_profiles)
{
    Problems problems = PROBLEMS_NULL;
    _cleanup_(ini_document_freep) IniDocument *document = NULL;
    write_file("\xef\xbb\xbf; comment\r\n[__settings__]\ndefault_profile = my dev\n[DEFAULT]\n[my dev]\n"
               "HOST: https://x\nsomething_else = 1\n[other]\ntoken=t\n",
               0600);
    ck_assert_int_eq(databrickscfg_load(&document, path, &problems), 0);
    ck_assert_uint_eq(problems.n_entries, 0);
    ck_assert_str_eq(databrickscfg_default_profile(document)->value, "my dev");
    ck_assert_str_eq(value(document, "my dev", "host"), "https://x");
    ck_assert_str_eq(value(document, "my dev", "token"), "(none)");
    ck_assert(databrickscfg_is_profile(ini_document_find(document, "my dev")));
    ck_assert(!databrickscfg_is_profile(ini_document_find(document, "DEFAULT")));
    ck_assert(!databrickscfg_is_profile(ini_document_find(document, "__settings__")));
}
END_TEST

#define TOKEN_COMMENT                                                                                        \
    "the token is followed by # or ; which Go's SDK takes for a comment and Python's, like this program, "   \
    "for a part of it; give the comment its own line\n"

static const struct {
    const char *content;
    mode_t mode;
    const char *problems;
} FILES[] = {
    {"[a]\nhost=h\n", 0644, ""},
    {"[a]\ntoken=t\n", 0640, "warning: holds a secret and others may read it (mode 0640); run: chmod 600 "},
    {"[a]\nclient_secret=t\n[b]\ntoken=u\n", 0604,
     "warning: holds a secret and others may read it (mode 0604); run: chmod 600 "},
    {"[a]\ntoken = t # mine\n", 0600, "warning:2: " TOKEN_COMMENT},
    {"[a]\nclient_id = t ; mine\n", 0600,
     "warning:2: the client_id is followed by # or ; which Go's SDK takes for a comment and Python's, like "
     "this program, for a part of it; give the comment its own line\n"},
    {"[a]\ntoken = t\n\ntoken = u\n", 0600,
     "warning:4: token of [a] was given in line 2 already; the last one counts\n"},
    {"[a]\ntoken = t\n[b]\nx=y\n[a]\ntoken = u\n", 0600,
     "warning:6: token of [a] was given in line 2 already; the last one counts\n"},
    {"[a]\ndapi0123\n", 0600, ":2: neither [section] nor key = value; a comment starts with #\n"},
    {"token = t\n", 0600, ":1: \"token\" comes before the first [section]\n"},
    {"[a]\nscopes = x\n  y\n", 0600,
     "warning:3: this line is skipped: it is indented more than the key above it, which the SDKs read in "
     "different ways\n"},
};

START_TEST(problems_of_files)
{
    Problems problems = PROBLEMS_NULL;
    _cleanup_(ini_document_freep) IniDocument *document = NULL;
    write_file(FILES[_i].content, FILES[_i].mode);
    int r = databrickscfg_load(&document, path, &problems);
    ck_assert((r < 0) == (problems.n_errors > 0));
    _cleanup_(mem_freep) char *found = sentences(&problems);
    _cleanup_(text_deinit) Text expected = TEXT_NULL;
    text_append(&expected, FILES[_i].problems);
    if (strstr(FILES[_i].problems, "chmod"))
        text_printf(&expected, "%s\n", path);
    ck_assert_str_eq(found, text_string(&expected));
    problems_deinit(&problems);
}
END_TEST

START_TEST(last_value_counts)
{
    Problems problems = PROBLEMS_NULL;
    _cleanup_(ini_document_freep) IniDocument *document = NULL;
    write_file("[a]\ntoken = t\nTOKEN = u # x\n", 0600);
    ck_assert_int_eq(databrickscfg_load(&document, path, &problems), 0);
    ck_assert_str_eq(value(document, "a", "token"), "u # x");
    problems_deinit(&problems);
}
END_TEST

START_TEST(missing_and_unreadable)
{
    Problems problems = PROBLEMS_NULL;
    IniDocument *document = NULL;
    ck_assert_int_eq(databrickscfg_load(&document, path, &problems), INI_DOCUMENT_MISSING);
    ck_assert_uint_eq(problems.n_entries, 0);
    ck_assert_int_lt(databrickscfg_load(&document, directory, &problems), 0);
    ck_assert_ptr_nonnull(strstr(problems.entries[0].sentence, ": cannot be read: Is a directory"));
    problems_deinit(&problems);
}
END_TEST

START_TEST(too_large)
{
    Problems problems = PROBLEMS_NULL;
    IniDocument *document = NULL;
    _cleanup_(mem_freep) char *content = mem_alloc_zeroed(1, 1024 * 1024 + 2);
    memset(content, '#', 1024 * 1024 + 1);
    write_file(content, 0600);
    ck_assert_int_lt(databrickscfg_load(&document, path, &problems), 0);
    _cleanup_(mem_freep) char *found = sentences(&problems);
    ck_assert_str_eq(found, ": larger than 1024 KiB; this cannot be the right file\n");
    problems_deinit(&problems);
}
END_TEST

START_TEST(too_many_sections)
{
    Problems problems = PROBLEMS_NULL;
    _cleanup_(ini_document_freep) IniDocument *document = NULL;
    _cleanup_(text_deinit) Text content = TEXT_NULL;
    for (int i = 0; i < 1010; i++)
        text_printf(&content, "[%d]\n", i);
    write_file(text_string(&content), 0600);
    ck_assert_int_lt(databrickscfg_load(&document, path, &problems), 0);
    _cleanup_(mem_freep) char *found = sentences(&problems);
    ck_assert_str_eq(found, ":1001: more than 1000 sections; this cannot be a configuration file\n");
    problems_deinit(&problems);
}
END_TEST

START_TEST(paths)
{
    const char *const home[] = {"HOME=/home/ada", "DATABRICKS_CONFIG_FILE=", NULL};
    const char *const variable[] = {"HOME=/home/ada", "DATABRICKS_CONFIG_FILE=~/x", NULL};
    _cleanup_(mem_freep) char *a = databrickscfg_path(home);
    _cleanup_(mem_freep) char *b = databrickscfg_path(variable);
    ck_assert_str_eq(a, "/home/ada/.databrickscfg");
    ck_assert_str_eq(b, "/home/ada/x");
    ck_assert_ptr_null(databrickscfg_path(NULL));
}
END_TEST

static const char *const HOSTS[][2] = {
    {"https://dbc-1.cloud.databricks.com", "dbc-1.cloud.databricks.com 443 tls"},
    {"HTTPS://Dbc-1.Cloud.Databricks.com/", "dbc-1.cloud.databricks.com 443 tls"},
    {"https://h:443", "h 443 tls"},
    {"https://h:8443/path?o=1#x", "h 8443 tls"},
    {"https://h?o=123", "h 443 tls"},
    {"dbc-1.cloud.databricks.com", "dbc-1.cloud.databricks.com 443 tls bare"},
    {"http://127.0.0.1:8080", "127.0.0.1 8080 plain"},
    {"http://localhost", "localhost 80 plain"},
    {"https://[::1]:9", "::1 9 tls"},
};

START_TEST(hosts)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL, described = TEXT_NULL;
    _cleanup_(databricks_host_deinit) DatabricksHost host = DATABRICKS_HOST_NULL;
    ck_assert_int_eq(databricks_host_parse(&host, HOSTS[_i][0], &complaint), 0);
    text_printf(&described, "%s %u %s%s", host.host, host.port, host.use_tls ? "tls" : "plain",
                host.lacks_scheme ? " bare" : "");
    ck_assert_str_eq(text_string(&described), HOSTS[_i][1]);
}
END_TEST

static const char *const BAD_HOSTS[][2] = {
    {"http://h.example.com", "http:// would send the token unencrypted; write https://"},
    {"sc://h", "a Databricks host starts with https://"},
    {"https://", "there is no host name"},
    {"https://:443", "there is no host name; write https://NAME.cloud.databricks.com"},
    {"https://me:x@h", "there must be no user name in the host"},
    {"https://h # prod", "a comment takes a line of its own"},
    {"\"https://h\"", "a Databricks host starts with https://"},
    {"https://h:0", "port 0 cannot be connected to"},
    {"https://h:1:2", "write an IPv6 address in brackets, as [::1]:15002"},
};

START_TEST(bad_hosts)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    DatabricksHost host = DATABRICKS_HOST_NULL;
    ck_assert_int_lt(databricks_host_parse(&host, BAD_HOSTS[_i][0], &complaint), 0);
    ck_assert_str_eq(text_string(&complaint), BAD_HOSTS[_i][1]);
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("databrickscfg");
    TCase *tests = tcase_create("databrickscfg");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, reads_profiles);
    tcase_add_loop_test(tests, problems_of_files, 0, LENGTH(FILES));
    tcase_add_test(tests, last_value_counts);
    tcase_add_test(tests, missing_and_unreadable);
    tcase_add_test(tests, too_large);
    tcase_add_test(tests, too_many_sections);
    tcase_add_test(tests, paths);
    tcase_add_loop_test(tests, hosts, 0, LENGTH(HOSTS));
    tcase_add_loop_test(tests, bad_hosts, 0, LENGTH(BAD_HOSTS));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
