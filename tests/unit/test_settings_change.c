/* What a reload has to do, and settings that several hold. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf/settings_change.h"

static Settings *settings_of(const char *const *profiles, size_t n_profiles)
{
    Settings *settings = mem_new(Settings);
    settings->n_references = 1;
    settings->control_socket = mem_copy_string("/run/c.sock");
    settings->stream_window = settings->buffer_limit = 1024;
    settings->profiles = mem_alloc_zeroed(n_profiles, sizeof settings->profiles[0]);
    settings->n_profiles = n_profiles;
    for (size_t i = 0; i < n_profiles; i++) { /* "name=host" */
        size_t length = strcspn(profiles[i], "=");
        settings->profiles[i].name = mem_copy_bytes_as_string(profiles[i], length);
        settings->profiles[i].host = mem_copy_string(profiles[i] + length + 1);
    }
    return settings;
}

#define SETTINGS(...)                                                                                        \
    settings_of((const char *const[]){__VA_ARGS__},                                                          \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

START_TEST(profiles)
{
    static const struct {
        ProfileChange change;
        const char *name;
    } EXPECTED[] = {{PROFILE_ADDED, "new"},
                    {PROFILE_CHANGED, "moved"},
                    {PROFILE_KEPT, "same"},
                    {PROFILE_REMOVED, "gone"}};
    _cleanup_(settings_unrefp) Settings *current = SETTINGS("same=a", "gone=b", "moved=c");
    _cleanup_(settings_unrefp) Settings *next = SETTINGS("new=d", "moved=e", "same=a");
    _cleanup_(settings_change_deinit) SettingsChange change = SETTINGS_CHANGE_NULL;
    settings_change_compute(&change, current, next);
    ck_assert_uint_eq(change.n_entries, 4);
    for (size_t i = 0; i < change.n_entries; i++) {
        const ChangedProfile *entry = &change.entries[i];
        ck_assert_int_eq(entry->change, EXPECTED[i].change);
        ck_assert_str_eq(entry->name, EXPECTED[i].name);
        ck_assert_ptr_eq(entry->current, settings_find_profile(current, entry->name));
        ck_assert_ptr_eq(entry->next, settings_find_profile(next, entry->name));
        ck_assert_uint_eq(change.counts[entry->change], 1);
    }
}
END_TEST

START_TEST(nothing_changes)
{
    _cleanup_(settings_unrefp) Settings *current = SETTINGS("a=1", "b=2");
    _cleanup_(settings_unrefp) Settings *next = SETTINGS("b=2", "a=1");
    _cleanup_(settings_change_deinit) SettingsChange change = SETTINGS_CHANGE_NULL;
    settings_change_compute(&change, current, next);
    ck_assert_uint_eq(change.counts[PROFILE_KEPT], 2);
    ck_assert_uint_eq(change.n_entries, 2);
}
END_TEST

START_TEST(fixed_keys_stay)
{
    static const char *const KEYS[] = {"stream_window", "header_limit", "max_calls_per_connection",
                                       "log_format", "control_socket"};
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(settings_unrefp) Settings *current = SETTINGS("a=1");
    _cleanup_(settings_unrefp) Settings *next = SETTINGS("a=1");
    settings_keep_fixed(next, current, &problems);
    ck_assert_uint_eq(problems.n_entries, 0);
    current->stream_window = 4096;
    next->stream_window = 512;
    next->buffer_limit = 2048;
    next->header_limit = 7;
    next->max_calls_per_connection = 8;
    next->log_format_is_set = true;
    next->log_format = LOG_FORMAT_JSON;
    next->max_sessions = 9;
    free(next->control_socket);
    next->control_socket = mem_copy_string("/elsewhere");
    settings_keep_fixed(next, current, &problems);
    ck_assert_uint_eq(problems.n_errors, 0);
    ck_assert_uint_eq(problems.n_entries, sizeof KEYS / sizeof KEYS[0]);
    for (size_t i = 0; i < problems.n_entries; i++) {
        ck_assert(strncmp(problems.entries[i].sentence, KEYS[i], strlen(KEYS[i])) == 0);
        ck_assert_ptr_nonnull(strstr(problems.entries[i].sentence, "restart"));
    }
    ck_assert_uint_eq(next->stream_window, 4096);
    ck_assert_uint_eq(next->buffer_limit, 4096); /* never below it */
    ck_assert_uint_eq(next->header_limit, current->header_limit);
    ck_assert_uint_eq(next->max_calls_per_connection, current->max_calls_per_connection);
    ck_assert(!next->log_format_is_set);
    ck_assert_str_eq(next->control_socket, "/run/c.sock");
    ck_assert_uint_eq(next->max_sessions, 9); /* can change */
}
END_TEST

START_TEST(addresses)
{
    static char here[] = "127.0.0.1", there[] = "::1", path[] = "/s", profile[] = "p";
    const ListenSettings tcp = {.kind = LISTEN_TCP, .host = here, .port = 1};
    const ListenSettings same = {.kind = LISTEN_TCP, .host = here, .port = 1, .profile = profile};
    const ListenSettings others[] = {{.kind = LISTEN_TCP, .host = here, .port = 2},
                                     {.kind = LISTEN_TCP, .host = there, .port = 1},
                                     {.kind = LISTEN_UNIX, .path = path},
                                     {.kind = LISTEN_ABSTRACT, .path = path}};
    ck_assert(listen_is_same_address(&tcp, &same));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert(listen_is_same_address(&others[i], &others[i]));
        ck_assert(!listen_is_same_address(&tcp, &others[i]));
        ck_assert(!listen_is_same_address(&others[i], &others[(i + 1) % 4]));
    }
}
END_TEST

START_TEST(references)
{
    Settings *settings = SETTINGS("a=1");
    ck_assert_ptr_eq(settings_ref(settings), settings);
    ck_assert_ptr_null(settings_unref(settings));
    ck_assert_str_eq(settings->profiles[0].name, "a"); /* still there, as ASan would tell */
    ck_assert_ptr_null(settings_unref(settings));
    ck_assert_ptr_null(settings_unref(NULL));
}
END_TEST

/* ---- guests */

typedef struct GuestCase {
    GuestProfile guest;
    const char *sentence; /* a part of it; NULL: it is good */
} GuestCase;

static const GuestCase GUESTS[] = {
    {{"guest-1", "https://a.cloud.databricks.com/", "t", NULL, false}, NULL},
    {{"guest-1", "a.cloud.databricks.com", "t", "0712-a", false}, NULL},
    {{"guest-1", "https://a.cloud.databricks.com", "t", NULL, true}, NULL},
    {{"guest-1", "https://a.cloud.databricks.com", "t", "0712-a", true}, "serverless"},
    {{"guest-1", "https://a.cloud.databricks.com", "", NULL, false}, "token"},
    {{"guest-1", "https://a.cloud.databricks.com", "a\tb", NULL, false}, "token"},
    {{"guest-1", "https://a.cloud.databricks.com", "t", "a b", false}, "cluster_id"},
    {{"guest-1", "https://a.cloud.databricks.com", "t", "caf\xc3\xa9", false}, "cluster_id"},
    {{"guest-1", "http://a.example.com", "t", NULL, false}, "host"},
    {{"guest-1", "ftp://a.example.com", "t", NULL, false}, "host"},
    {{"guest-1", "", "t", NULL, false}, "host"},
};

START_TEST(guests)
{
    const GuestCase *guest_case = &GUESTS[_i];
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(settings_unrefp) Settings *settings = NULL;
    int error = settings_load_guest(&settings, &guest_case->guest, &problems);
    ck_assert_int_eq(error != 0, guest_case->sentence != NULL);
    if (error != 0) {
        const char *sentence = problems.entries[0].sentence;
        ck_assert_ptr_null(settings);
        ck_assert_uint_eq(problems.n_errors, 1);
        ck_assert_msg(strstr(sentence, guest_case->sentence) != NULL, "%s", sentence);
        ck_assert_msg(strstr(sentence, ":0:") == NULL, "%s", sentence);
        return;
    }
    const ProfileSettings *profile = &settings->profiles[0];
    ck_assert_uint_eq(settings->n_profiles, 1);
    ck_assert_str_eq(profile->name, "guest-1");
    ck_assert_str_eq(profile->host, "a.cloud.databricks.com");
    ck_assert(profile->use_tls && profile->databricks && profile->port == 443);
    ck_assert_pstr_eq(profile->cluster_id, guest_case->guest.cluster_id);
    ck_assert(profile->is_serverless == guest_case->guest.is_serverless);
    _cleanup_(secret_freep) Secret *token = secret_new("t", 1);
    ck_assert(secret_equal(profile->auth.token, token));
    ck_assert_uint_ge(profile->connections, 1); /* the defaults of a file's profile */
}
END_TEST

/* Servers that are not Databricks: the same rules as for `upstream` in a file. */
static const GuestCase GUESTS_ELSEWHERE[] = {
    {{"guest-1", "sc://spark.example.com", "t", NULL, false}, NULL},
    {{"guest-1", "SC://spark.example.com:15002/;use_ssl=true", "t", "0712-a", false}, NULL},
    {{"guest-1", "sc://spark.example.com/;token=u", "t", NULL, false}, "token"},
    {{"guest-1", "sc://spark.example.com", "t", NULL, true}, "serverless"},
    {{"guest-1", "sc://", "t", NULL, false}, "upstream"},
};

START_TEST(guests_elsewhere)
{
    const GuestCase *guest_case = &GUESTS_ELSEWHERE[_i];
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(settings_unrefp) Settings *settings = NULL;
    int error = settings_load_guest(&settings, &guest_case->guest, &problems);
    ck_assert_msg((error != 0) == (guest_case->sentence != NULL), "%s",
                  problems.n_entries > 0 ? problems.entries[0].sentence : "no problem");
    if (error != 0) {
        const char *sentence = problems.entries[0].sentence;
        ck_assert_msg(strstr(sentence, guest_case->sentence) != NULL, "%s", sentence);
        ck_assert_msg(strstr(sentence, ":0") == NULL, "%s", sentence);
        return;
    }
    const ProfileSettings *profile = &settings->profiles[0];
    ck_assert_str_eq(profile->host, "spark.example.com");
    ck_assert(profile->use_tls && !profile->databricks && profile->port == 15002);
    ck_assert_pstr_eq(profile->cluster_id, guest_case->guest.cluster_id);
    ck_assert_ptr_nonnull(profile->auth.token);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_change");
    TCase *tests = tcase_create("settings_change");
    tcase_add_test(tests, profiles);
    tcase_add_test(tests, nothing_changes);
    tcase_add_test(tests, fixed_keys_stay);
    tcase_add_test(tests, addresses);
    tcase_add_test(tests, references);
    tcase_add_loop_test(tests, guests, 0, (int)(sizeof GUESTS / sizeof GUESTS[0]));
    tcase_add_loop_test(tests, guests_elsewhere, 0,
                        (int)(sizeof GUESTS_ELSEWHERE / sizeof GUESTS_ELSEWHERE[0]));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
