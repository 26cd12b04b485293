/*
 * One sentence for each wrong configuration. In inputs and sentences @ stands for the test's directory, which
 * is $HOME and $XDG_CONFIG_HOME of what is loaded.
 */

#include <check.h>

#include "settings_input.h"

#define P(lines) .config = "[profile p]\nhost = https://h\n" lines "\n"

static const struct {
    Input input;
    const char *sentence;
} WRONG[] = {
    /* names */
    {{DAEMON("lisen = :1")}, INI ":2: unknown key \"lisen\" in [sparkbouncer]; did you mean listen?"},
    {{DAEMON("Listen = :1")}, INI ":2: unknown key \"Listen\" in [sparkbouncer]; did you mean listen?"},
    {{DAEMON("colour = red")}, INI ":2: unknown key \"colour\" in [sparkbouncer]"},
    {{DAEMON("upstream = sc://x")},
     INI ":2: upstream does not belong into [sparkbouncer] but into [profile NAME]"},
    {{PROFILE("log_level = info")},
     INI ":3: log_level does not belong into [profile p] but into [sparkbouncer]"},
    {{PROFILE("clusterid = x")},
     INI ":3: unknown key \"clusterid\" in [profile p]; did you mean cluster_id?"},
    {{.config = "[sparkbounce]\n"}, INI ":1: unknown section [sparkbounce]; did you mean [sparkbouncer]?"},
    {{.config = "[profile]\n"}, INI ":1: [profile] needs a name; write [profile dev]"},
    {{.config = "[dev]\n"}, INI ":1: unknown section [dev]; there are [sparkbouncer] and [profile NAME]"},
    {{.config = "listen = :1\n"}, INI ":1: \"listen\" comes before the first [section]"},
    {{DAEMON("listen")}, INI ":2: neither [section] nor key = value; a comment starts with #"},
    {{.flags = {{"lissten", ":1"}}}, "--lissten: unknown option; did you mean --listen?"},
    {{.flags = {{"frobnicate", "1"}}}, "--frobnicate: unknown option; see sparkbouncer --help"},
    /* values */
    {{DAEMON("drain_timeout = 30")},
     INI ":2: drain_timeout = 30: a duration needs a unit, such as 20s, 500ms or 4m30s"},
    {{DAEMON("drain_timeout = 2d")},
     INI ":2: drain_timeout = 2d: write a duration such as 20s, 500ms or 4m30s"},
    {{DAEMON("drain_timeout = 25h")}, INI ":2: drain_timeout = 25h: must be between 0 and 24h"},
    {{DAEMON("drain_timeout = 30s ; half a minute")},
     INI
     ":2: drain_timeout = 30s ; half a minute: write a duration such as 20s, 500ms or 4m30s (a comment takes "
     "a line of its own)"},
    {{DAEMON("stream_window = 1KiB")}, INI ":2: stream_window = 1KiB: must be between 64KiB and 64MiB"},
    {{DAEMON("stream_window = 4MB")},
     INI ":2: stream_window = 4MB: sizes are in units of 1024: write KiB, MiB or GiB"},
    {{DAEMON("buffer_limit = 2MiB")}, INI ":2: buffer_limit = 2MiB: must not be below stream_window"},
    {{DAEMON("spool_limit = no")}, INI ":2: spool_limit = no: write a size such as 65536, 256KiB or 4MiB"},
    {{DAEMON("spool_limit = 1k")}, INI ":2: spool_limit = 1k: must be between 1MiB and 16384GiB"},
    {{DAEMON("spool_folder = tmp")}, INI ":2: spool_folder = tmp: the path must be absolute"},
    {{DAEMON("spool = 1GiB")}, INI ":2: spool does not belong into [sparkbouncer] but into [profile NAME]"},
    {{PROFILE("spool = yes")}, INI ":3: spool = yes: write a size such as 65536, 256KiB or 4MiB, or no"},
    {{PROFILE("spool = 64KiB")}, INI ":3: spool = 64KiB: must be between 1MiB and 1024GiB"},
    {{DAEMON("max_sessions = many")}, INI ":2: max_sessions = many: write a whole number"},
    {{DAEMON("max_sessions = 0")}, INI ":2: max_sessions = 0: must be between 1 and 1000000"},
    {{DAEMON("header_limit = 128k")}, INI ":2: header_limit = 128k: must be between 4KiB and 64KiB"},
    {{DAEMON("allow_remote = maybe")}, INI ":2: allow_remote = maybe: write yes or no"},
    {{DAEMON("socket_mode = rw")}, INI ":2: socket_mode = rw: write an octal mode such as 0600 or 0660"},
    {{DAEMON("log_level = loud")}, INI ":2: log_level = loud: write error, warning, info or debug"},
    {{DAEMON("log_format = xml")}, INI ":2: log_format = xml: write auto, text, json or journal"},
    {{DAEMON("log_calls = warning")}, INI ":2: log_calls = warning: write off, info or debug"},
    {{DAEMON("log_level =")}, INI ":2: log_level: the value is missing"},
    {{DAEMON("control_socket = run/c.sock")},
     INI ":2: control_socket = run/c.sock: the path must be absolute"},
    {{.variables = {"SPARKBOUNCER_DRAIN_TIMEOUT=30"}},
     "SPARKBOUNCER_DRAIN_TIMEOUT=30: a duration needs a unit, such as 20s, 500ms or 4m30s"},
    {{.flags = {{"log_level", "loud"}}}, "--log-level loud: write error, warning, info or debug"},
    {{DAEMON("databricks_config_file = @/nowhere")},
     INI ":2: databricks_config_file = @/nowhere: there is no such file"},
    {{DAEMON("local_spark = run --port 15002")},
     INI ":2: local_spark: write {port} where the command takes the port to listen on"},
    /* listening */
    {{DAEMON("listen = 0.0.0.0:15002")},
     INI ":2: listen = 0.0.0.0:15002: 0.0.0.0 is not a loopback address, and whoever reaches it uses your "
         "tokens; "
         "write 127.0.0.1, or allow_remote = yes"},
    {{.flags = {{"listen", "myhost:1"}}},
     "--listen myhost:1: myhost is not a loopback address, and whoever reaches it uses your tokens; write "
     "127.0.0.1, or allow_remote = yes"},
    {{DAEMON("listen = 15002")},
     INI
     ":2: listen = 15002: 15002: the port is missing: write 127.0.0.1:15002, unix:/path or abstract:NAME"},
    {{DAEMON("listen = :1;profile=dev"), .databricks = "[prod]\nhost=https://h\ntoken=t\n"},
     INI ":2: listen = :1;profile=dev: no profile \"dev\"; there are: prod"},
    /* choice of the profile */
    {{.databricks = "[dev]\nhost=https://h\ntoken=t\n[prod]\nhost=https://h\ntoken=t\n",
      .flags = {{"profile", "dve1"}}},
     "--profile dve1: no profile \"dve1\"; there are: dev, prod"},
    {{.databricks = "[develop]\nhost=https://h\ntoken=t\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=devlop"}},
     "DATABRICKS_CONFIG_PROFILE=devlop: no profile \"devlop\"; did you mean develop? There are: develop"},
    {{DAEMON("profile = dev")},
     INI ":2: profile = dev: no profile \"dev\", nor any other; add [dev] to @/.databrickscfg"},
    {{.databricks = "[__settings__]\ndefault_profile = x\n[dev]\nhost=https://h\ntoken=t\n"},
     "@/.databrickscfg:2: no profile \"x\"; there are: dev"},
    /* profiles */
    {{.config = "[profile p]\n"},
     "profile p: there is no host; put host = https://... into [p] of @/.databrickscfg or [profile p] of "
     "config.ini"},
    {{.config = "[profile p]\nhost = http://h\ntoken = t\n"},
     INI ":2: host: http:// would send the token unencrypted; write https://"},
    {{.config = "[profile p]\nupstream = local\ntoken = b\n"},
     INI ":3: token has no use with upstream = local (" INI ":2); remove one"},
    {{PROFILE("fallback = yes")}, INI ":3: fallback = yes: write no or local"},
    {{PROFILE("host = https://h")}, INI ":3: host and upstream (" INI ":2) exclude each other; remove one"},
    {{.config = "[profile p]\nupstream = spark:15002\n"}, INI ":2: upstream: write sc://host:port"},
    {{.config = "[profile p]\nupstream = sc://h/;tokn=secret\n"},
     INI ":2: upstream: \"tokn\" is not known here; known are use_ssl, token and x-databricks-cluster-id"},
    {{.config = "[profile p]\nupstream = sc://h/;token=a\ntoken = b\n"},
     INI ":3: token: there is a token in line 2 already; remove one"},
    {{PROFILE("token = a\ntoken_file = /b")},
     INI ":4: token_file: there is a token in line 3 already; remove one"},
    {{PROFILE("token_file = b")}, INI ":3: token_file = b: the path must be absolute"},
    {{PROFILE("token_file = @/token")}, INI ":3: token_file = @/token: there is no such file"},
    {{PROFILE("token =")}, INI ":3: token: the value is missing"},
    {{PROFILE("token = d\xc3\xa4pi")},
     INI ":3: token: has a character that a header cannot carry, perhaps from pasting; retype it"},
    {{PROFILE("cluster_id = a b")},
     INI ":3: cluster_id = a b: a cluster id has no blanks; a comment takes a line of its own"},
    {{PROFILE("cluster_choice = me")}, INI ":3: cluster_choice = me: write profile or client"},
    {{PROFILE("autostart = true")}, INI ":3: autostart = true: write never, ask or yes"},
    {{PROFILE("cluster_start_timeout = 1s")},
     INI ":3: cluster_start_timeout = 1s: must be between 10s and 2h"},
    {{PROFILE("connections = 65")}, INI ":3: connections = 65: must be between 1 and 64"},
    {{PROFILE("connections = 8\nmax_connections = 4")},
     INI ":4: max_connections = 4: must not be below connections = 8"},
    {{PROFILE("http2_ping = 1m")},
     INI ":3: http2_ping = 1m: Spark servers close connections that ping more often than every 5m; write 5m "
         "or more, or http2_ping_force = yes if yours does not"},
    {{PROFILE("keepalive = off")},
     INI ":3: keepalive = off: write a duration such as 20s, 500ms or 4m30s, or no"},
    {{PROFILE("keepalive = 10ms")}, INI ":3: keepalive = 10ms: must be between 1s and 1h"},
    {{DAEMON("orphan_grace = 1ms")}, INI ":2: orphan_grace = 1ms: must be between 100ms and 24h"},
    {{PROFILE("connect_timeout = 1ms")}, INI ":3: connect_timeout = 1ms: must be between 100ms and 10m"},
    {{PROFILE("ca_file = @/no.pem")},
     INI ":3: ca_file = @/no.pem: cannot be read: No such file or directory"},
    {{.config = "[profile p]\nhost = https://new\n", .databricks = "[p]\nhost = https://old\ntoken = t\n"},
     INI ":2: the host of profile p is changed here, but its token (@/.databrickscfg:3) was made for "
         "another; put "
         "a token into [profile p] as well"},
    {{.config = "[profile p]\nupstream = sc://new\n", .databricks = "[p]\nhost = https://old\ntoken = t\n"},
     INI ":2: the host of profile p is changed here, but its token (@/.databrickscfg:3) was made for "
         "another; put "
         "a token into [profile p] as well"},
    /* login */
    {{P("auth_type = oauth_m2m")},
     INI ":3: auth_type = oauth_m2m: unknown auth type; did you mean oauth-m2m?"},
    {{P("auth_type = kerberos")},
     INI ":3: auth_type = kerberos: unknown auth type; there are: pat, oauth-m2m, databricks-cli, "
         "metadata-service, github-oidc, env-oidc, file-oidc, azure-msi, azure-client-secret, azure-cli, "
         "google-credentials, google-id, exec"},
    {{P("auth_type = basic\nusername = u\npassword = p")},
     INI ":3: auth_type = basic: Databricks has ended logins by password; use a token or auth_type = "
         "databricks-cli"},
    {{P("username = u\npassword = p")},
     INI ":3: Databricks has ended logins by username and password; put token = ... or auth_type = "
         "databricks-cli in their place"},
    {{P("auth_type = external-browser")},
     INI ":3: auth_type = external-browser: a daemon opens no browser; run databricks auth login and write "
         "auth_type = databricks-cli"},
    {{P("auth_type = azure-devops-oidc")},
     INI ":3: auth_type = azure-devops-oidc: let the pipeline write its token into a file and use file-oidc"},
    {{P("auth_type =")}, INI ":3: auth_type: the value is missing"},
    {{P("auth_type = oauth-m2m\nclient_id = c")},
     INI ":3: auth_type oauth-m2m needs client_secret; put client_secret = ... into [p] of @/.databrickscfg "
         "or [profile p] of config.ini"},
    {{P("auth_type = pat")},
     INI ":3: auth_type pat needs token; put token = ... into [p] of @/.databrickscfg or [profile p] of "
         "config.ini"},
    {{P("auth_type = exec")},
     INI ":3: auth_type exec needs exec; put exec = ... into [p] of @/.databrickscfg or [profile p] of "
         "config.ini"},
    {{P("auth_type = file-oidc")},
     INI ":3: auth_type file-oidc needs oidc_token_filepath; put oidc_token_filepath = ... into [p] of "
         "@/.databrickscfg or [profile p] of config.ini"},
    {{P("auth_type = env-oidc")},
     INI ":3: auth_type env-oidc needs a token in the variable DATABRICKS_OIDC_TOKEN, or in the one that "
         "oidc_token_env names, when the daemon starts"},
    {{P("auth_type = github-oidc")},
     INI ":3: auth_type github-oidc needs the variables ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN; GitHub sets "
         "them for jobs with the permission id-token: write"},
    {{P("auth_type = azure-cli")},
     INI
     ":3: auth_type azure-cli is for Azure, and h is not there; give azure_workspace_resource_id if it is"},
    {{P("oidc_token_env = NO_SUCH")},
     INI ":3: oidc_token_env = NO_SUCH: there is no such variable in the environment of the daemon"},
    {{P("client_secret = s")}, INI ":3: client_secret needs client_id beside it"},
    {{P("azure_client_secret = s")}, INI ":3: azure_client_secret needs azure_client_id beside it"},
    {{P("azure_client_id = c\nazure_client_secret = s")},
     INI ":4: azure_client_secret is for Azure, and h is not there; give azure_workspace_resource_id if it "
         "is"},
    {{P("azure_use_msi = perhaps")}, INI ":3: azure_use_msi = perhaps: write yes or no"},
    {{P("azure_environment = MOON")},
     INI ":3: azure_environment = MOON: write PUBLIC, USGOVERNMENT or CHINA"},
    {{P("metadata_service_url = http://metadata.example.com/x")},
     INI ":3: metadata_service_url: write http://localhost:PORT/...; a metadata service runs on this "
         "machine"},
    {{P("discovery_url = http://h/x")},
     INI ":3: discovery_url = http://h/x: write a URL that starts with https://"},
    {{P("oidc_token_filepath = token")}, INI ":3: oidc_token_filepath = token: the path must be absolute"},
    {{P("audience =\ntoken = t")}, INI ":3: token_audience: the value is missing"},
    {{P("token = t\ngroup_id = 7")},
     INI ":4: group_id needs a login by OAuth: client_id and client_secret, or a token of an identity "
         "provider"},
    {{P("auth_type = pat\ntoken = t\ngroup_id = 7")},
     INI ":3: auth_type pat cannot log in as a group (group_id, " INI ":5); use oauth-m2m"},
    {{P("token_file = credential:spark")},
     INI ":3: token_file = credential:spark: there is no $CREDENTIALS_DIRECTORY; add LoadCredential= to the "
         "unit and start the daemon through it"},
    {{P("token_file = credential:../x")},
     INI ":3: token_file = credential:../x: write credential:NAME, with the name that LoadCredential= gives "
         "it"},
    {{P("proxy = proxy.example.com:3128")},
     INI ":3: proxy: write http://HOST:PORT, or https, socks5 or socks5h"},
    {{P("credential_timeout = 2h")}, INI ":3: credential_timeout = 2h: must be between 1s and 10m"},
    {{PROFILE("client_id = c\nclient_secret = s")},
     INI ":3: client_id is for a Databricks host, not for an upstream (" INI ":2); remove one"},
    {{PROFILE("auth_type = databricks-cli")},
     INI ":3: auth_type is for a Databricks host, not for an upstream (" INI ":2); remove one"},
    /* more than one login */
    {{P("token = t\nclient_id = c")},
     "profile p: more than one authorization method configured: oauth and pat (" INI ":4 and " INI ":3); "
     "keep one of them, or say with auth_type which to use"},
    {{.config = "[profile p]\nexec = vault\n", .databricks = "[p]\nhost = https://h\ntoken = t\n"},
     "profile p: more than one authorization method configured: exec and pat (" INI ":2 and "
     "@/.databrickscfg:3); keep one of them, or say with auth_type which to use"},
    {{.databricks = "[p]\nhost = https://h\ntoken = t\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "ARM_TENANT_ID=x"}},
     "profile p: more than one authorization method configured: azure and pat (ARM_TENANT_ID and "
     "@/.databrickscfg:3); keep one of them, or say with auth_type which to use"},
    {{P("token = t\nexec = e\ngoogle_credentials = g")},
     "profile p: more than one authorization method configured: exec and google and pat (" INI ":4 and " INI
     ":5 and " INI ":3); keep one of them, or say with auth_type which to use"},
    /* a secret belongs to its host */
    {{.config = "[profile p]\nhost = https://new\n",
      .databricks = "[p]\nhost = https://old\nclient_id = c\nclient_secret = s\n"},
     INI ":2: the host of profile p is changed here, but its client_secret (@/.databrickscfg:4) was made for "
         "another; put a client_secret into [profile p] as well"},
    {{.databricks = "[p]\nhost = https://h\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_TOKEN=x"}},
     "DATABRICKS_TOKEN: this token may not be for the host of profile p, which comes from "
     "@/.databrickscfg:2; set DATABRICKS_HOST beside it, or unset it"},
    {{.databricks = "[p]\nhost = https://h\ntoken = t\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_HOST=https://e"}},
     "DATABRICKS_HOST: the host of profile p is changed here, but its token (@/.databrickscfg:3) was made "
     "for another; set DATABRICKS_TOKEN as well, or unset DATABRICKS_HOST"},
    {{.databricks = "[p]\nhost = https://h\nclient_id = c\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_CLIENT_SECRET=x"}},
     "DATABRICKS_CLIENT_SECRET: this client_secret may not be for the host of profile p, which comes from "
     "@/.databrickscfg:2; set DATABRICKS_HOST beside it, or unset it"},
    {{.databricks = "[p]\nhost = https://h\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_OIDC_TOKEN=x"}},
     "DATABRICKS_OIDC_TOKEN: this token may not be for the host of profile p, which comes from "
     "@/.databrickscfg:2; set DATABRICKS_HOST beside it, or unset it"},
    {{.config = "[profile p]\ntoken = t\n",
      .databricks = "[p]\nhost = https://h\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_HOST=https://e"}},
     "DATABRICKS_HOST: the host of profile p is changed here, but its token (" INI ":2) was made for "
     "another; set DATABRICKS_TOKEN as well, or unset DATABRICKS_HOST"},
    {{.config = "[profile p]\nhost = https://h\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_TOKEN=x"}},
     INI ":2: the host of profile p is changed here, but its token (DATABRICKS_TOKEN) was made for another; "
         "put a token into [profile p] as well"},
    /* compute */
    {{P("cluster_id = c\nserverless_compute_id = auto")},
     "profile p: cluster_id (" INI ":3) and serverless_compute_id (" INI
     ":4) exclude each other; remove one"},
    {{.databricks = "[p]\nhost = https://h\nserverless_compute_id = auto\n",
      .variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_CLUSTER_ID=c"}},
     "profile p: cluster_id (DATABRICKS_CLUSTER_ID) and serverless_compute_id (@/.databrickscfg:3) exclude "
     "each other; remove one"},
    {{P("serverless_compute_id = yes")}, INI ":3: serverless_compute_id = yes: write auto"},
    {{PROFILE("serverless_compute_id = auto")},
     INI ":3: serverless_compute_id is for a Databricks host, not for an upstream"},
    /* the environment by itself */
    {{.databricks = "[q]\nhost = https://h\n", .variables = {"DATABRICKS_CONFIG_PROFILE=p"}},
     "DATABRICKS_CONFIG_PROFILE=p: no profile \"p\"; there are: q"},
    {{.variables = {"DATABRICKS_CONFIG_PROFILE=p", "DATABRICKS_TOKEN=x"}},
     "profile p: there is no host; put host = https://... into [p] of @/.databrickscfg or [profile p] of "
     "config.ini"},
};

START_TEST(wrong_inputs)
{
    Settings *settings = NULL;
    Problems problems = PROBLEMS_NULL;
    ck_assert_int_lt(load(&settings, &WRONG[_i].input, &problems), 0);
    ck_assert_ptr_null(settings);
    _cleanup_(mem_freep) char *found = sentences(&problems);
    ck_assert_str_eq(found, WRONG[_i].sentence);
    problems_deinit(&problems);
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("wrong_settings");
    TCase *tests = tcase_create("wrong_settings");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, wrong_inputs, 0, LENGTH(WRONG));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
