/* What a session has: remembered when the server has accepted it, forgotten as soon as that is not certain.
 */

#include "session/session_artifacts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID     "00112233-4455-6677-8899-aabbccddeeff"
#define SERVER "deadbeef-dead-beef-dead-beefdeadbeef"
#define NAME   "pyfiles/a.py"

static const uint8_t ONE[SHA256_SIZE] = {1}, OTHER[SHA256_SIZE] = {2};
static SessionArtifacts artifacts;

static void setup(void)
{
    session_artifacts_init(&artifacts);
    session_artifacts_choose(&artifacts, ID);
    session_artifacts_told(&artifacts, SERVER);
}

static void teardown(void)
{
    session_artifacts_clear(&artifacts);
}

static void upload(const char *name, const uint8_t *digest)
{
    session_artifacts_begin(&artifacts, name);
    session_artifacts_end(&artifacts, name, digest);
}

static bool has(const char *name, const uint8_t *digest)
{
    bool found = session_artifacts_has(&artifacts, name, digest);
    ck_assert(!found || session_artifacts_has_name(&artifacts, name));
    return found;
}

START_TEST(by_name_and_content)
{
    ck_assert(!has(NAME, ONE));
    upload(NAME, ONE);
    ck_assert(has(NAME, ONE) && !has(NAME, OTHER) && !has("pyfiles/b.py", ONE));
    upload(NAME, OTHER);
    ck_assert(has(NAME, OTHER) && !has(NAME, ONE));
}
END_TEST

START_TEST(not_while_an_upload_runs_nor_when_it_fails)
{
    upload(NAME, ONE);
    session_artifacts_begin(&artifacts, NAME);
    ck_assert(!session_artifacts_has_name(&artifacts, NAME) && !has(NAME, ONE));
    session_artifacts_end(&artifacts, NAME, NULL);
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
}
END_TEST

START_TEST(overlapping_uploads)
{
    static const struct {
        const uint8_t *first, *second, *known;
    } rows[] = {
        {ONE, ONE, ONE}, {ONE, OTHER, NULL}, {ONE, NULL, NULL}, {NULL, ONE, NULL}, {NULL, NULL, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        session_artifacts_begin(&artifacts, NAME);
        session_artifacts_begin(&artifacts, NAME);
        session_artifacts_end(&artifacts, NAME, rows[i].first);
        ck_assert(!session_artifacts_has_name(&artifacts, NAME));
        session_artifacts_end(&artifacts, NAME, rows[i].second);
        ck_assert(session_artifacts_has_name(&artifacts, NAME) == (rows[i].known != NULL));
        ck_assert(has(NAME, ONE) == (rows[i].known == ONE) && !has(NAME, OTHER));
    }
    upload(NAME, OTHER); /* what went wrong then is over */
    ck_assert(has(NAME, OTHER));
}
END_TEST

START_TEST(an_upload_that_cannot_be_read)
{
    upload(NAME, ONE);
    session_artifacts_begin_unread(&artifacts);
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
    upload(NAME, ONE);
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
    session_artifacts_begin(&artifacts, NAME);
    session_artifacts_end_unread(&artifacts);
    session_artifacts_end(&artifacts, NAME, ONE);
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
    upload(NAME, ONE);
    ck_assert(has(NAME, ONE));
    session_artifacts_end_unread(&artifacts); /* one of a session that has been forgotten meanwhile */
    ck_assert(has(NAME, ONE));
}
END_TEST

START_TEST(another_session)
{
    upload(NAME, ONE);
    session_artifacts_choose(&artifacts, ID);
    session_artifacts_told(&artifacts, SERVER);
    ck_assert(has(NAME, ONE));
    session_artifacts_told(&artifacts, "another");
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
    upload(NAME, ONE);
    session_artifacts_choose(&artifacts, SERVER);
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
    ck_assert_str_eq(artifacts.server_session_id, "");
    session_artifacts_end(&artifacts, NAME, ONE); /* of the one before */
    ck_assert(!session_artifacts_has_name(&artifacts, NAME));
}
END_TEST

/* Of two uploads one has gone to the server that was there before. */
START_TEST(another_server_session_in_between)
{
    session_artifacts_begin(&artifacts, NAME);
    session_artifacts_begin(&artifacts, NAME);
    session_artifacts_end(&artifacts, NAME, ONE);
    session_artifacts_told(&artifacts, "another");
    session_artifacts_end(&artifacts, NAME, OTHER);
    ck_assert(has(NAME, OTHER));
}
END_TEST

START_TEST(only_what_a_server_keeps)
{
    static const struct {
        const char *name;
        bool is_kept;
    } rows[] = {{"jars/a.jar", true},          {"pyfiles/a.py", true}, {"archives/a.zip#x", true},
                {"files/a.txt", true},         {"cache/abc", false},   {"classes/A.class", false},
                {"forward_to_fs/a", false},    {"a.py", false},        {"", false},
                {"files/../classes/A", false}, {"/jars/a.jar", false}, {"jars", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        upload(rows[i].name, ONE);
        ck_assert_msg(has(rows[i].name, ONE) == rows[i].is_kept, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(bounded_by_use)
{
    char name[32];
    session_artifacts_begin(&artifacts, "files/under-way");
    upload("files/used", ONE);
    for (int i = 0; i < 3 * SESSION_ARTIFACTS_MAX; i++) {
        (void)snprintf(name, sizeof name, "files/%d", i);
        upload(name, ONE);
        ck_assert(has(name, ONE) && has("files/used", ONE));
        ck_assert_uint_le(artifacts.entries.n_entries, SESSION_ARTIFACTS_MAX);
    }
    ck_assert(!session_artifacts_has_name(&artifacts, "files/0"));
    session_artifacts_end(&artifacts, "files/under-way", ONE);
    ck_assert(has("files/under-way", ONE));
    for (int i = 0; i < 2 * SESSION_ARTIFACTS_MAX; i++) { /* all of them at a time */
        (void)snprintf(name, sizeof name, "jars/%d", i);
        session_artifacts_begin(&artifacts, name);
    }
    ck_assert_uint_eq(artifacts.entries.n_entries, SESSION_ARTIFACTS_MAX);
    for (int i = 0; i < 2 * SESSION_ARTIFACTS_MAX; i++) {
        (void)snprintf(name, sizeof name, "jars/%d", i);
        session_artifacts_end(&artifacts, name, ONE);
        ck_assert(has(name, ONE) == (i < SESSION_ARTIFACTS_MAX));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_artifacts");
    TCase *tests = tcase_create("session_artifacts");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, by_name_and_content);
    tcase_add_test(tests, not_while_an_upload_runs_nor_when_it_fails);
    tcase_add_test(tests, overlapping_uploads);
    tcase_add_test(tests, an_upload_that_cannot_be_read);
    tcase_add_test(tests, another_session);
    tcase_add_test(tests, another_server_session_in_between);
    tcase_add_test(tests, only_what_a_server_keeps);
    tcase_add_test(tests, bounded_by_use);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
