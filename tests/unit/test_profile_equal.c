/* Equality of profiles: each field that connections or credentials depend on makes a difference. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf/settings.h"

/* A field by what it holds. */
typedef enum FieldKind {
    FIELD_TEXT,
    FIELD_SECRET,
    FIELD_BOOLEAN,
    FIELD_PORT,
    FIELD_COUNT,
    FIELD_MS
} FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t offset;
} Field;

#define FIELD(kind, member)                                                                                  \
    {                                                                                                        \
#member, FIELD_##kind, offsetof(ProfileSettings, member)                                             \
    }

/* clang-format off */
static const Field FIELDS[] = {
    FIELD(TEXT, name), FIELD(TEXT, problem), FIELD(TEXT, host), FIELD(PORT, port), FIELD(BOOLEAN, use_tls),
    FIELD(MS, resume_timeout_ms), FIELD(MS, reattach_period_ms), FIELD(BOOLEAN, revive), FIELD(MS, revive_limit), FIELD(MS, spool), FIELD(MS, keepalive_ms), FIELD(MS, http2_ping_ms),
    FIELD(BOOLEAN, http2_ping_force), FIELD(TEXT, session), FIELD(COUNT, warm_sessions),
    FIELD(TEXT, warm_template), FIELD(BOOLEAN, databricks), FIELD(BOOLEAN, is_local),
    FIELD(TEXT, cluster_id),
    FIELD(BOOLEAN, is_serverless), FIELD(TEXT, proxy),
    FIELD(COUNT, autostart), FIELD(MS, cluster_start_timeout_ms),
    FIELD(MS, credential_timeout_ms), FIELD(TEXT, ca_file), FIELD(BOOLEAN, warm), FIELD(COUNT, connections),
    FIELD(COUNT, max_connections), FIELD(MS, connect_timeout_ms), FIELD(BOOLEAN, auth.is_forced),
    FIELD(SECRET, auth.token), FIELD(TEXT, auth.token_file), FIELD(TEXT, auth.client_id),
    FIELD(SECRET, auth.client_secret), FIELD(TEXT, auth.scopes), FIELD(TEXT, auth.account_id),
    FIELD(TEXT, auth.workspace_id), FIELD(TEXT, auth.group_id), FIELD(TEXT, auth.discovery_url),
    FIELD(TEXT, auth.token_audience), FIELD(SECRET, auth.oidc_token), FIELD(TEXT, auth.oidc_token_filepath),
    FIELD(TEXT, auth.github_request_url), FIELD(SECRET, auth.github_request_token),
    FIELD(TEXT, auth.azure_client_id), FIELD(TEXT, auth.azure_tenant_id),
    FIELD(TEXT, auth.azure_workspace_resource_id), FIELD(TEXT, auth.azure_environment),
    FIELD(SECRET, auth.azure_client_secret), FIELD(TEXT, auth.databricks_cli_path),
    FIELD(TEXT, auth.databricks_cli_profile), FIELD(TEXT, auth.databricks_config_file), FIELD(TEXT, auth.metadata_service_url),
    FIELD(TEXT, auth.google_service_account), FIELD(SECRET, auth.google_credentials), FIELD(TEXT, auth.exec),
};
/* clang-format on */

#define N_FIELDS ((int)(sizeof FIELDS / sizeof FIELDS[0]))

static void set(ProfileSettings *profile, const Field *field, const char *text)
{
    void *target = (char *)profile + field->offset;
    switch (field->kind) {
    case FIELD_TEXT: *(char **)target = mem_copy_string(text); break;
    case FIELD_SECRET: *(Secret **)target = secret_new(text, strlen(text)); break;
    case FIELD_BOOLEAN: *(bool *)target = strcmp(text, "one") == 0; break;
    case FIELD_PORT: *(uint16_t *)target = (uint16_t)strlen(text); break;
    case FIELD_COUNT: *(unsigned *)target = (unsigned)strlen(text); break;
    case FIELD_MS: *(uint64_t *)target = strlen(text); break;
    }
}

static void clear(ProfileSettings *profile)
{
    auth_settings_deinit(&profile->auth);
    free(profile->name);
    free(profile->problem);
    free(profile->host);
    free(profile->cluster_id);
    free(profile->session);
    free(profile->warm_template);
    free(profile->proxy);
    free(profile->ca_file);
}

START_TEST(a_field_makes_the_difference)
{
    const Field *field = &FIELDS[_i];
    ProfileSettings a = {0}, b = {0}, c = {0};
    set(&a, field, "one");
    set(&b, field, "one");
    set(&c, field, "another");
    ck_assert_msg(profile_settings_equal(&a, &b), "%s", field->name);
    ck_assert_msg(!profile_settings_equal(&a, &c), "%s", field->name);
    clear(&a);
    clear(&b);
    clear(&c);
}
END_TEST

START_TEST(unset_differs_from_set)
{
    ProfileSettings a = {0}, b = {.auth.client_id = mem_copy_string("")};
    ck_assert(!profile_settings_equal(&a, &b));
    ck_assert(!profile_settings_equal(&b, &a));
    clear(&b);
}
END_TEST

START_TEST(order_of_the_chain)
{
    ProfileSettings a = {.auth = {.chain = {AUTH_DATABRICKS_CLI, AUTH_AZURE_CLI}, .n_chain = 2}};
    ProfileSettings b = {.auth = {.chain = {AUTH_AZURE_CLI, AUTH_DATABRICKS_CLI}, .n_chain = 2}};
    ProfileSettings c = {.auth = {.chain = {AUTH_DATABRICKS_CLI, AUTH_AZURE_CLI}, .n_chain = 1}};
    ck_assert(profile_settings_equal(&a, &a));
    ck_assert(!profile_settings_equal(&a, &b));
    ck_assert(!profile_settings_equal(&a, &c));
}
END_TEST

START_TEST(a_cluster_that_clients_may_choose)
{
    ProfileSettings a = {.cluster_choice = CLUSTER_CHOICE_PROFILE},
                    b = {.cluster_choice = CLUSTER_CHOICE_CLIENT};
    ck_assert(!profile_settings_equal(&a, &b));
}
END_TEST

START_TEST(the_place_does_not_count)
{
    ProfileSettings a = {.auth.token_place = mem_copy_string("f:1")};
    ProfileSettings b = {.auth.token_place = mem_copy_string("f:2")};
    ck_assert(profile_settings_equal(&a, &b));
    clear(&a);
    clear(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("profile_equal");
    TCase *tests = tcase_create("profile_equal");
    tcase_add_loop_test(tests, a_field_makes_the_difference, 0, N_FIELDS);
    tcase_add_test(tests, unset_differs_from_set);
    tcase_add_test(tests, order_of_the_chain);
    tcase_add_test(tests, a_cluster_that_clients_may_choose);
    tcase_add_test(tests, the_place_does_not_count);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
