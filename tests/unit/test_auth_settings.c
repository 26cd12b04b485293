/* Which ways of logging in apply to a profile, in which order, and what they are given. */

#include <check.h>

#include "conf/auth_attribute.h"
#include "conf/config_table.h"
#include "settings_input.h"

#define AWS    "[p]\nhost = https://h\n"
#define AZURE  "[p]\nhost = https://adb-1.2.azuredatabricks.net\n"
#define NAMED  "DATABRICKS_CONFIG_PROFILE=p"
#define GITHUB "ACTIONS_ID_TOKEN_REQUEST_URL=https://g/?x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=gt"

/* The ways by name, `!` before one that auth_type forces. free(). */
static char *describe_chain(const AuthSettings *auth)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < auth->n_chain; i++)
        text_printf(&text, "%s%s%s", i ? " " : "", auth->is_forced ? "!" : "",
                    auth_type_name(auth->chain[i]));
    return text_take(&text);
}

static const struct {
    const char *databricks;
    const char *variables[4];
    const char *chain;
} CHAINS[] = {
    {AWS, {NULL}, "databricks-cli"},
    {AWS "token = t\n", {NULL}, "pat"},
    {AWS "auth_type = PAT\ntoken = t\n", {NULL}, "!pat"},
    {AWS "client_id = c\nclient_secret = s\n", {NULL}, "oauth-m2m"},
    {AWS "client_id = c\n", {NULL}, "databricks-cli"},
    {AWS "auth_type = databricks-cli\ntoken = t\nclient_id = c\n", {NULL}, "!databricks-cli"},
    {AWS "token = t\nclient_id = c\nclient_secret = s\nauth_type = oauth-m2m\n", {NULL}, "!oauth-m2m"},
    {AWS "metadata_service_url = http://127.0.0.1:1/x\n", {NULL}, "metadata-service"},
    {AWS "oidc_token_filepath = /jwt\n", {NULL}, "file-oidc"},
    {AWS "databricks_id_token_filepath = /jwt\n", {NULL}, "file-oidc"},
    {AWS "oidc_token_env = JWT\n", {"JWT=j"}, "env-oidc"},
    {AWS "auth_type = env-oidc\n", {"DATABRICKS_OIDC_TOKEN=j"}, "!env-oidc"},
    {AWS "google_credentials = {}\n", {NULL}, "google-credentials"},
    {AWS "google_service_account = a@b\n", {NULL}, "google-id"},
    {AWS "group_id = 7\nclient_id = c\nclient_secret = s\n", {NULL}, "oauth-m2m"},
    {AWS "token =\nclient_id = c\nclient_secret = s\n", {NULL}, "oauth-m2m"},
    {AWS "auth_type = azure-cli\nazure_workspace_resource_id = /s/x\n", {NULL}, "!azure-cli"},
    {AZURE, {NULL}, "databricks-cli azure-cli"},
    {AZURE "azure_tenant_id = t\n", {NULL}, "azure-cli databricks-cli"},
    {AZURE "azure_use_msi = yes\nazure_client_id = c\n", {NULL}, "azure-msi"},
    {AZURE "azure_use_msi = no\ntoken = t\n", {NULL}, "pat"},
    {AZURE "azure_client_id = c\nazure_client_secret = s\n", {NULL}, "azure-client-secret"},
    /* the environment, for the default profile */
    {AWS, {NAMED, "DATABRICKS_AUTH_TYPE=databricks-cli"}, "!databricks-cli"},
    {AWS, {NAMED, GITHUB}, "github-oidc databricks-cli"},
    {AWS "auth_type = github-oidc\n", {GITHUB}, "!github-oidc"},
    {AWS "token = t\n", {NAMED, "DATABRICKS_HOST=https://h:443/"}, "pat"},
    {AWS, {NAMED, "DATABRICKS_HOST=https://h", "DATABRICKS_TOKEN=t"}, "pat"},
    {AWS, {NAMED, "DATABRICKS_HOST=https://h", "DATABRICKS_TOKEN=t", "DATABRICKS_OIDC_TOKEN=j"}, "pat"},
    {AWS "token = t\n", {NAMED, "DATABRICKS_OIDC_TOKEN=j"}, "pat"},
};

START_TEST(chains)
{
    Input input = {.databricks = CHAINS[_i].databricks};
    memcpy(input.variables, CHAINS[_i].variables, sizeof CHAINS[_i].variables);
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const ProfileSettings *p = settings_find_profile(settings, "p");
    ck_assert_msg(!p->problem, "%s", p->problem);
    _cleanup_(mem_freep) char *chain = describe_chain(&p->auth);
    ck_assert_str_eq(chain, CHAINS[_i].chain);
}
END_TEST

/* The environment speaks for the default profile, and for no other. */
START_TEST(others_do_not_depend_on_the_environment)
{
    Input input = {.databricks = "[p]\nhost = https://h\n[q]\nhost = https://q\ncluster_id = c\n",
                   .variables = {NAMED, "DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x",
                                 "DATABRICKS_CLUSTER_ID=y", "DATABRICKS_OIDC_TOKEN=j"}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const ProfileSettings *p = settings_find_profile(settings, "p");
    const ProfileSettings *q = settings_find_profile(settings, "q");
    ck_assert_str_eq(p->host, "e");
    ck_assert_str_eq(p->cluster_id, "y");
    ck_assert_str_eq(p->auth.token_place, "DATABRICKS_TOKEN");
    ck_assert_str_eq(q->host, "q");
    ck_assert_str_eq(q->cluster_id, "c");
    ck_assert_ptr_null(q->auth.token);
    ck_assert(q->auth.n_chain == 1 && q->auth.chain[0] == AUTH_DATABRICKS_CLI);
}
END_TEST

/* A profile that we name ourselves depends on no shell. */
START_TEST(our_choice_shuts_the_environment_out)
{
    Input input = {
        .databricks = AWS "token = t\n",
        .variables = {"DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x", "DATABRICKS_AUTH_TYPE=azure-cli"},
        .flags = {{"profile", "p"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(settings->profiles[0].host, "h");
    ck_assert_str_eq(secret_reveal(settings->profiles[0].auth.token), "t");
}
END_TEST

/* A profile's name alone, with everything else in variables. */
START_TEST(environment_without_a_file)
{
    Input input = {.variables = {NAMED, "DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x"}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(settings->default_profile, "p");
    ck_assert_str_eq(settings->profiles[0].host, "e");
}
END_TEST

START_TEST(default_profile_of_the_file_with_variables)
{
    Input input = {.databricks = "[__settings__]\ndefault_profile = p\n" AWS "token = t\n",
                   .variables = {"DATABRICKS_CLUSTER_ID=y", "DATABRICKS_ACCOUNT_ID=a"}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(settings->profiles[0].cluster_id, "y");
    ck_assert_str_eq(settings->profiles[0].auth.account_id, "a");
}
END_TEST

START_TEST(all_attributes)
{
    Input input = {.config = "[profile p]\nproxy = http://pw.proxy:3128\ncredential_timeout = 5s\n"
                             "audience = aud\nauth_type = oauth-m2m\n",
                   .databricks =
                       AZURE "client_id = ci\nclient_secret = cs\nscopes = a,b  c\naccount_id = ai\n"
                             "workspace_id = wi\ngroup_id = gi\ndiscovery_url = https://d/x\n"
                             "azure_client_id = aci\nazure_tenant_id = ati\n"
                             "azure_environment = AzurePublicCloud\n"
                             "databricks_cli_path = ~/databricks\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const ProfileSettings *p = settings_find_profile(settings, "p");
    const AuthSettings *auth = &p->auth;
    _cleanup_(mem_freep) char *cli = in_directory("@/databricks"), *file = in_directory("@/.databrickscfg");
    ck_assert_ptr_null(p->problem);
    ck_assert_str_eq(auth->client_id, "ci");
    ck_assert_str_eq(secret_reveal(auth->client_secret), "cs");
    ck_assert_str_eq(auth->scopes, "a b c");
    ck_assert_str_eq(auth->account_id, "ai");
    ck_assert_str_eq(auth->workspace_id, "wi");
    ck_assert_str_eq(auth->group_id, "gi");
    ck_assert_str_eq(auth->discovery_url, "https://d/x");
    ck_assert_str_eq(auth->token_audience, "aud");
    ck_assert_str_eq(auth->azure_client_id, "aci");
    ck_assert_str_eq(auth->azure_tenant_id, "ati");
    ck_assert_str_eq(auth->azure_environment, "PUBLIC");
    ck_assert_str_eq(auth->databricks_cli_path, cli);
    ck_assert_str_eq(auth->databricks_cli_profile, "p");
    ck_assert_str_eq(auth->databricks_config_file, file);
    ck_assert_str_eq(p->proxy, "http://pw.proxy:3128");
    ck_assert_uint_eq(p->credential_timeout_ms, 5000);
    _cleanup_(mem_freep) char *text = settings_describe(settings, false);
    ck_assert_ptr_null(strstr(text, "pw.proxy"));
    ck_assert_ptr_null(strstr(text, "= cs"));
    ck_assert_ptr_nonnull(strstr(text, "auth_type = oauth-m2m "));
}
END_TEST

static const char *const QUERIES[][3] = {
    /* host, workspace, account */
    {"https://h/?o=123", "123", "-"}, {"https://h/x?a=b-c&workspace_id=7#o=8", "7", "b-c"},
    {"https://h?o=abc", "-", "-"},    {"https://h?o=&w=5", "5", "-"},
    {"https://h?to=1", "-", "-"},     {"https://h", "-", "-"},
};

START_TEST(queries)
{
    _cleanup_(text_deinit) Text content = TEXT_NULL;
    text_printf(&content, "[p]\nhost = %s\n", QUERIES[_i][0]);
    Input input = {.databricks = text_string(&content)};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const AuthSettings *auth = &settings->profiles[0].auth;
    ck_assert_str_eq(settings->profiles[0].host, "h");
    ck_assert_str_eq(auth->workspace_id ? auth->workspace_id : "-", QUERIES[_i][1]);
    ck_assert_str_eq(auth->account_id ? auth->account_id : "-", QUERIES[_i][2]);
}
END_TEST

/* A file that belongs to other tools makes us run nothing. */
START_TEST(commands_are_in_our_file_alone)
{
    Input input = {.databricks = AWS "exec = touch /tmp/x\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_ptr_null(settings->profiles[0].auth.exec);
    ck_assert(settings->profiles[0].auth.chain[0] == AUTH_DATABRICKS_CLI);
}
END_TEST

/* What no way uses is not kept, least of all a secret. */
START_TEST(unused_secrets_are_dropped)
{
    Input input = {.databricks = AWS "auth_type = databricks-cli\ntoken = t\nclient_secret = s\n"
                                     "azure_client_secret = a\ngoogle_credentials = g\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const AuthSettings *auth = &settings->profiles[0].auth;
    ck_assert(!auth->token && !auth->client_secret && !auth->azure_client_secret &&
              !auth->google_credentials);
}
END_TEST

/* The CLI would take the host of the profile, so that this must be ours. */
static const struct {
    Input input;
    const char *name; /* "-": --host */
} CLI_PROFILES[] = {
    {{.databricks = AWS}, "p"},
    {{.databricks = "[DEFAULT]\nhost = https://h\n"}, "DEFAULT"},
    {{.config = "[profile p]\ncluster_id = c\n", .databricks = AWS}, "p"},
    {{.config = "[profile p]\nhost = https://other\n", .databricks = AWS}, "-"},
    {{.config = "[profile p]\nhost = https://h\n"}, "-"},
    {{.variables = {"DATABRICKS_HOST=https://h"}, .databricks = "[DEFAULT]\nhost = https://h\n"}, "-"},
    {{.variables = {NAMED, "DATABRICKS_HOST=https://other"}, .databricks = AWS}, "-"},
};

START_TEST(cli_profiles)
{
    _cleanup_(settings_freep) Settings *settings = load_good(&CLI_PROFILES[_i].input, "");
    const AuthSettings *auth = &settings->profiles[0].auth;
    ck_assert_str_eq(auth->databricks_cli_profile ? auth->databricks_cli_profile : "-",
                     CLI_PROFILES[_i].name);
    ck_assert(!auth->databricks_config_file == !auth->databricks_cli_profile);
}
END_TEST

START_TEST(variables_of_github)
{
    Input input = {.databricks = AWS "auth_type = github-oidc\n", .variables = {GITHUB}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const AuthSettings *auth = &settings->profiles[0].auth;
    ck_assert_str_eq(auth->github_request_url, "https://g/?x");
    ck_assert_str_eq(secret_reveal(auth->github_request_token), "gt");
}
END_TEST

/* Where a static token was found, and the file that may change. */
static const struct {
    const char *lines;
    const char *place, *file; /* "-": NULL */
} TOKEN_PLACES[] = {
    {"host = https://h\ntoken = t", INI ":3", "-"},
    {"host = https://h\ntoken_file = @/token", "@/token", "@/token"},
    {"host = https://h\ntoken_file = credential:token", "@/token", "@/token"},
    {"upstream = sc://h/;token=t", INI ":2", "-"},
};

START_TEST(token_places)
{
    _cleanup_(text_deinit) Text config = TEXT_NULL;
    text_printf(&config, "[profile p]\n%s\n", TOKEN_PLACES[_i].lines);
    Input input = {.config = text_string(&config), .variables = {"CREDENTIALS_DIRECTORY=@"}};
    write_file("@/token", "t\n");
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const AuthSettings *auth = &settings->profiles[0].auth;
    _cleanup_(mem_freep) char *place = in_directory(TOKEN_PLACES[_i].place);
    _cleanup_(mem_freep) char *file = in_directory(TOKEN_PLACES[_i].file);
    ck_assert_str_eq(secret_reveal(auth->token), "t");
    ck_assert_str_eq(auth->token_place, place);
    ck_assert_str_eq(auth->token_file ? auth->token_file : "-", file);
}
END_TEST

static const struct {
    Input input;
    const char *described; /* cluster, serverless */
} COMPUTES[] = {
    {{.databricks = AWS "serverless_compute_id = auto\n"}, "- auto"},
    {{.databricks = AWS "cluster_id = c\n"}, "c -"},
    {{.config = "[profile p]\ncluster_id = d\n", .databricks = AWS "serverless_compute_id = auto\n"}, "d -"},
    {{.config = "[profile p]\nserverless_compute_id = auto\n", .databricks = AWS "cluster_id = c\n"},
     "- auto"},
    {{.variables = {NAMED, "DATABRICKS_SERVERLESS_COMPUTE_ID=auto"}, .databricks = AWS}, "- auto"},
};

START_TEST(computes)
{
    _cleanup_(text_deinit) Text described = TEXT_NULL;
    _cleanup_(settings_freep) Settings *settings = load_good(&COMPUTES[_i].input, "");
    const ProfileSettings *p = &settings->profiles[0];
    text_printf(&described, "%s %s", p->cluster_id ? p->cluster_id : "-", p->is_serverless ? "auto" : "-");
    ck_assert_str_eq(text_string(&described), COMPUTES[_i].described);
}
END_TEST

START_TEST(upstreams_with_a_command)
{
    Input input = {.config = "[profile p]\nupstream = sc://h\nexec = vault\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const ProfileSettings *p = &settings->profiles[0];
    ck_assert(p->use_tls && p->auth.n_chain == 1 && p->auth.chain[0] == AUTH_EXEC);
    ck_assert_str_eq(p->auth.exec, "vault");
}
END_TEST

/* Each attribute has its row in the table of keys, and is found under both names. */
START_TEST(attributes_are_keys)
{
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++) {
        const AuthAttribute *attribute = &AUTH_ATTRIBUTES[i];
        const ConfigKey *key = config_key_find(CONFIG_PROFILE, attribute->name);
        ck_assert_msg(key != NULL, "%s", attribute->name);
        ck_assert_msg(!attribute->is_secret || key->type->is_secret, "%s", attribute->name);
        if (attribute->alias)
            ck_assert_ptr_eq(config_key_find(CONFIG_PROFILE, attribute->alias), key);
    }
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("auth_settings");
    TCase *tests = tcase_create("auth_settings");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, chains, 0, LENGTH(CHAINS));
    tcase_add_test(tests, others_do_not_depend_on_the_environment);
    tcase_add_test(tests, our_choice_shuts_the_environment_out);
    tcase_add_test(tests, environment_without_a_file);
    tcase_add_test(tests, default_profile_of_the_file_with_variables);
    tcase_add_test(tests, all_attributes);
    tcase_add_loop_test(tests, queries, 0, LENGTH(QUERIES));
    tcase_add_test(tests, commands_are_in_our_file_alone);
    tcase_add_test(tests, unused_secrets_are_dropped);
    tcase_add_loop_test(tests, cli_profiles, 0, LENGTH(CLI_PROFILES));
    tcase_add_test(tests, variables_of_github);
    tcase_add_loop_test(tests, token_places, 0, LENGTH(TOKEN_PLACES));
    tcase_add_loop_test(tests, computes, 0, LENGTH(COMPUTES));
    tcase_add_test(tests, upstreams_with_a_command);
    tcase_add_test(tests, attributes_are_keys);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
