/* Settings as a whole: precedence, profiles, the choice among them, and how they are described. */

#include <check.h>
#include <jansson.h>

#include "conf/config_table.h"
#include "settings_input.h"

START_TEST(all_errors_at_once)
{
    Settings *settings = NULL;
    Problems problems = PROBLEMS_NULL;
    Input input = {DAEMON("lisen = :1\nlog_level = loud\nmax_sessions = 0"), .flags = {{"socket_mode", "x"}}};
    ck_assert_int_lt(load(&settings, &input, &problems), 0);
    ck_assert_uint_eq(problems.n_errors, 4);
    problems_deinit(&problems);
}
END_TEST

START_TEST(defaults)
{
    Input input = {0};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_uint_eq(settings->n_listens, 1);
    ck_assert_str_eq(settings->listens[0].host, "127.0.0.1");
    ck_assert_uint_eq(settings->listens[0].port, 15002);
    ck_assert_ptr_null(settings->default_profile);
    ck_assert_str_eq(settings->control_socket, "/run/user/7/sparkbouncer/control.sock");
    ck_assert(!settings->allow_remote && !settings->log_format_is_set && settings->coalesce_releases);
    ck_assert(settings->log_calls_is_on && settings->log_calls == LOG_LEVEL_DEBUG);
    ck_assert_int_eq(settings->log_level, LOG_LEVEL_INFO);
    ck_assert_uint_eq(settings->socket_mode, 0600);
    ck_assert_uint_eq(settings->drain_timeout_ms, 30000);
    ck_assert_uint_eq(settings->stream_window, 4 << 20);
    ck_assert_uint_eq(settings->buffer_limit, 256 << 20);
    ck_assert_uint_eq(settings->spool_limit, (size_t)16 << 30);
    ck_assert_str_eq(settings->spool_folder, "/var/tmp");
    ck_assert_uint_eq(settings->header_limit, 16 << 10);
    ck_assert_uint_eq(settings->max_client_connections, 20000);
    ck_assert_uint_eq(settings->max_calls_per_connection, 1000);
    ck_assert_uint_eq(settings->max_sessions, 10000);
}
END_TEST

START_TEST(precedence)
{
    Input input = {DAEMON("log_level = error\nmax_sessions = 1\nlog_format = json\nlog_calls = off"),
                   .variables = {"SPARKBOUNCER_LOG_LEVEL=warning", "SPARKBOUNCER_MAX_SESSIONS=2",
                                 "SPARKBOUNCER_LOG_FORMAT="},
                   .flags = {{"log_level", "debug"}, {"listen", ":1"}, {"listen", "unix:/x"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_int_eq(settings->log_level, LOG_LEVEL_DEBUG);
    ck_assert_uint_eq(settings->max_sessions, 2);
    ck_assert(settings->log_format_is_set && settings->log_format == LOG_FORMAT_JSON);
    ck_assert(!settings->log_calls_is_on);
    ck_assert_uint_eq(settings->n_listens, 2);
}
END_TEST

START_TEST(remote_when_allowed)
{
    Input input = {DAEMON("listen = 0.0.0.0:1\nallow_remote = yes")};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(settings->listens[0].host, "0.0.0.0");
}
END_TEST

/* The profile of ~/.databrickscfg with what config.ini adds. */
START_TEST(merged_profile)
{
    Input input = {
        .config = "[profile dev]\ncluster_id = new\nconnections = 20\nwarm = on\ncluster_choice = client\n",
        .databricks = "[DEFAULT]\ntoken = inherited?\n[dev]\nhost = https://H.example/\ntoken = t==\n"
                      "cluster_id = old\nwarehouse_id = x\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(
        &input,
        "warning: profile DEFAULT: there is no host; "
        "put host = https://... into [DEFAULT] of @/.databrickscfg or [profile DEFAULT] of config.ini");
    const ProfileSettings *dev = settings_find_profile(settings, "dev");
    ck_assert_ptr_null(dev->problem);
    ck_assert_str_eq(dev->host, "h.example");
    ck_assert(dev->port == 443 && dev->use_tls && dev->databricks && dev->warm);
    ck_assert_str_eq(secret_reveal(dev->auth.token), "t==");
    ck_assert_str_eq(dev->cluster_id, "new");
    ck_assert(dev->connections == 20 && dev->max_connections == 20);
    ck_assert(dev->cluster_choice == CLUSTER_CHOICE_CLIENT && dev->connect_timeout_ms == 20000);
    ck_assert_ptr_null(dev->ca_file);
    ck_assert_ptr_null(settings_find_profile(settings, "nobody"));
}
END_TEST

START_TEST(starting_clusters_is_opt_in)
{
    Input input = {
        .config = "[profile a]\nhost = https://a\ntoken = t\n"
                  "[profile b]\nhost = https://b\ntoken = t\nautostart = ask\n"
                  "[profile c]\nhost = https://c\ntoken = t\nautostart = yes\ncluster_start_timeout = 5m\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_int_eq(settings_find_profile(settings, "a")->autostart, AUTOSTART_NEVER);
    ck_assert_uint_eq(settings_find_profile(settings, "a")->cluster_start_timeout_ms, 15 * 60 * 1000);
    ck_assert_int_eq(settings_find_profile(settings, "b")->autostart, AUTOSTART_ASK);
    ck_assert_int_eq(settings_find_profile(settings, "c")->autostart, AUTOSTART_YES);
    ck_assert_uint_eq(settings_find_profile(settings, "c")->cluster_start_timeout_ms, 5 * 60 * 1000);
}
END_TEST

START_TEST(what_is_found_out_about_dead_peers)
{
    Input input = {
        .config = "[sparkbouncer]\norphan_grace = no\nsession_idle_timeout = 2h\n"
                  "[profile a]\nhost = https://a\ntoken = t\n"
                  "[profile b]\nhost = https://b\ntoken = t\nkeepalive = no\nhttp2_ping = 5m\n"
                  "[profile c]\nhost = https://c\ntoken = t\nhttp2_ping = 30s\nhttp2_ping_force = yes\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_uint_eq(settings->orphan_grace_ms, 0);
    ck_assert_uint_eq(settings->session_idle_timeout_ms, 2 * 3600 * 1000);
    ck_assert_uint_eq(settings_find_profile(settings, "a")->keepalive_ms, 60 * 1000);
    ck_assert_uint_eq(settings_find_profile(settings, "a")->http2_ping_ms, 0);
    ck_assert_uint_eq(settings_find_profile(settings, "b")->keepalive_ms, 0);
    ck_assert_uint_eq(settings_find_profile(settings, "b")->http2_ping_ms, 5 * 60 * 1000);
    ck_assert_uint_eq(settings_find_profile(settings, "c")->http2_ping_ms, 30 * 1000);
}
END_TEST

START_TEST(what_is_read_ahead)
{
    Input input = {.config = "[sparkbouncer]\nspool_limit = 2GiB\n"
                             "[profile a]\nhost = https://a\ntoken = t\n"
                             "[profile b]\nhost = https://b\ntoken = t\nspool = 1GiB\n"
                             "[profile c]\nhost = https://c\ntoken = t\nspool = 0\n",
                   .variables = {"TMPDIR=/scratch"}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_uint_eq(settings->spool_limit, (size_t)2 << 30);
    ck_assert_str_eq(settings->spool_folder, "/scratch");
    ck_assert_uint_eq(settings_find_profile(settings, "a")->spool, 0);
    ck_assert_uint_eq(settings_find_profile(settings, "b")->spool, (size_t)1 << 30);
    ck_assert_uint_eq(settings_find_profile(settings, "c")->spool, 0);
}
END_TEST

START_TEST(where_it_is_read_ahead_to)
{
    static const Input inputs[] = {
        {DAEMON("spool_folder = /data/spool"), .variables = {"TMPDIR=/scratch"}},
        {.variables = {"SPARKBOUNCER_SPOOL_FOLDER=/data/spool", "TMPDIR=/scratch"}},
        {.variables = {"TMPDIR=data/spool"}},
    };
    _cleanup_(settings_freep) Settings *settings = load_good(&inputs[_i], "");
    ck_assert_str_eq(settings->spool_folder, _i == 2 ? "/var/tmp" : "/data/spool");
}
END_TEST

START_TEST(same_host_keeps_token)
{
    Input input = {.config = "[profile dev]\nhost = https://h.example:443\n",
                   .databricks = "[dev]\nhost = https://H.example/\ntoken = t\ncluster_id = c\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(secret_reveal(settings->profiles[0].auth.token), "t");
    ck_assert_str_eq(settings->profiles[0].cluster_id, "c");
}
END_TEST

START_TEST(moved_host_with_token)
{
    Input input = {.config = "[profile dev]\nhost = https://new\ntoken = n\n",
                   .databricks = "[dev]\nhost = https://old\ntoken = t\ncluster_id = c\n"};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(secret_reveal(settings->profiles[0].auth.token), "n");
    ck_assert_ptr_null(settings->profiles[0].cluster_id);
}
END_TEST

static const struct {
    const char *lines;
    const char *described; /* host port tls token cluster */
    const char *warnings;
} UPSTREAMS[] = {
    {"upstream = sc://localhost", "localhost 15002 plain - -", ""},
    {"upstream = sc://h:1/;use_ssl=true", "h 1 tls - -", ""},
    {"upstream = sc://h:1", "h 1 plain - -", ""},
    {"upstream = sc://h:1/;token=a%3D", "h 1 tls a= -", ""},
    {"upstream = sc://localhost:1/\ntoken = b", "localhost 1 plain b -", ""},
    {"upstream = sc://h/;use_ssl=false;token=a", "h 15002 plain a -",
     "warning: " INI ":2: use_ssl=false sends the token of profile p over the network unencrypted"},
    {"upstream = sc://h:443/;token=a;use_ssl=true;x-databricks-cluster-id=c", "h 443 tls a c", ""},
    {"upstream = sc://h\ntoken_file = ~/token", "h 15002 tls from-file -", ""},
    {"upstream = sc://h\ntoken = a # b", "h 15002 tls a # b -",
     "warning: " INI
     ":3: the # or ; in the value of token starts no comment, it is a part of the value; give the "
     "comment its own line"},
};

START_TEST(upstreams)
{
    _cleanup_(text_deinit) Text config = TEXT_NULL, described = TEXT_NULL;
    text_printf(&config, "[profile p]\n%s\n", UPSTREAMS[_i].lines);
    Input input = {.config = text_string(&config)};
    write_file("@/token", "\n from-file \r\n");
    _cleanup_(settings_freep) Settings *settings = load_good(&input, UPSTREAMS[_i].warnings);
    const ProfileSettings *p = &settings->profiles[0];
    ck_assert(!p->problem && !p->databricks);
    text_printf(&described, "%s %u %s %s %s", p->host, p->port, p->use_tls ? "tls" : "plain",
                p->auth.token ? secret_reveal(p->auth.token) : "-", p->cluster_id ? p->cluster_id : "-");
    ck_assert_str_eq(text_string(&described), UPSTREAMS[_i].described);
    ck_assert_str_eq(settings->default_profile, "p");
}
END_TEST

START_TEST(local_upstream)
{
    Input input = {.config =
                       "[sparkbouncer]\nlocal_spark = run --port {port}\n[profile p]\nupstream = local\n"
                       "[profile q]\nupstream = sc://h\nfallback = local\n",
                   .databricks = "[p]\nhost = https://p\ntoken = unused\n",
                   .flags = {{"profile", "p"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    const ProfileSettings *p = settings_find_profile(settings, "p"),
                          *q = settings_find_profile(settings, "q");
    ck_assert(p->is_local && !p->problem && !p->use_tls && p->auth.n_chain == 0);
    ck_assert_int_eq(p->fallback, FALLBACK_NO);
    ck_assert(!q->is_local);
    ck_assert_int_eq(q->fallback, FALLBACK_LOCAL);
    ck_assert_str_eq(settings->local_spark, "run --port {port}");
    ck_assert_uint_eq(settings->local_idle_timeout_ms, 600000);
    _cleanup_(mem_freep) char *text = settings_describe(settings, false);
    ck_assert_ptr_nonnull(strstr(text, "upstream = local  "));
    ck_assert_ptr_null(strstr(text, "--port")); /* a command may have a secret in it */
}
END_TEST

START_TEST(what_is_wrong_is_a_warning_with_a_fallback)
{
    Input input = {.config = "[profile p]\nfallback = local\n", .flags = {{"profile", "p"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(
        &input,
        "warning: profile p: there is no host; put host = https://... into [p] of @/.databrickscfg or "
        "[profile p] of config.ini (fallback = local: new sessions get a local Spark server)");
    ck_assert_ptr_nonnull(settings->profiles[0].problem);
    ck_assert_int_eq(settings->profiles[0].fallback, FALLBACK_LOCAL);
}
END_TEST

START_TEST(profile_of_a_local_server)
{
    _cleanup_(settings_freep) Settings *settings = settings_new_local("a label", 4711, "sesame");
    const ProfileSettings *p = &settings->profiles[0];
    ck_assert_str_eq(p->name, "a label");
    ck_assert_str_eq(p->host, "127.0.0.1");
    ck_assert_uint_eq(p->port, 4711);
    ck_assert(!p->use_tls && !p->is_local && p->fallback == FALLBACK_NO);
    ck_assert_str_eq(secret_reveal(p->auth.token), "sesame");
}
END_TEST

#define TWO "[a]\nhost=https://a\ntoken=t\n[b]\nhost=https://b\ntoken=t\n"

static const struct {
    Input input;
    const char *name; /* of the default profile; NULL: none */
} CHOICES[] = {
    {{.databricks = TWO}, NULL},
    {{.databricks = "[a]\nhost=https://a\ntoken=t\n[DEFAULT]\n"}, "a"},
    {{.databricks = TWO "[DEFAULT]\nhost=https://d\ntoken=t\n"}, "DEFAULT"},
    {{.databricks = TWO "[default]\nhost=https://d\ntoken=t\n"}, NULL},
    {{.databricks = TWO "[DEFAULT]\nhost=https://d\ntoken=t\n[__settings__]\ndefault_profile = b\n"}, "b"},
    {{.databricks = TWO "[__settings__]\ndefault_profile =\n"}, NULL},
    {{.databricks = TWO, .variables = {"DATABRICKS_PROFILE=a"}}, "a"},
    {{.databricks = TWO, .variables = {"DATABRICKS_PROFILE=a", "DATABRICKS_CONFIG_PROFILE=b"}}, "b"},
    {{DAEMON("profile = a"), .databricks = TWO, .variables = {"DATABRICKS_CONFIG_PROFILE=b"}}, "a"},
    {{DAEMON("profile = a"), .databricks = TWO, .variables = {"SPARKBOUNCER_PROFILE=b"}}, "b"},
    {{.databricks = TWO, .variables = {"SPARKBOUNCER_PROFILE=b"}, .flags = {{"profile", "a"}}}, "a"},
    {{.databricks = TWO, .variables = {"DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x"}}, "DEFAULT"},
};

START_TEST(choices)
{
    _cleanup_(settings_freep) Settings *settings = load_good(&CHOICES[_i].input, "");
    if (CHOICES[_i].name)
        ck_assert_str_eq(settings->default_profile, CHOICES[_i].name);
    else
        ck_assert_ptr_null(settings->default_profile);
}
END_TEST

#define DEFAULT_SECTION "[DEFAULT]\nhost=https://d\ntoken=t\ncluster_id=c\n"

static const struct {
    Input input;
    const char *described; /* host token cluster of DEFAULT */
    const char *warnings;
} ENVIRONMENTS[] = {
    {{.variables = {"DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x"}, .databricks = DEFAULT_SECTION},
     "e x -",
     ""},
    {{.variables = {"DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x", "DATABRICKS_CLUSTER_ID=y"}},
     "e x y",
     ""},
    {{.variables = {"DATABRICKS_CLUSTER_ID=y"}, .databricks = DEFAULT_SECTION}, "d t y", ""},
    {{.variables = {"DATABRICKS_TOKEN=x"}, .databricks = DEFAULT_SECTION},
     "- - -",
     "warning: profile DEFAULT: DATABRICKS_TOKEN is set and DATABRICKS_HOST is not, and then the file is not "
     "looked at, as in the SDKs; set DATABRICKS_HOST, or unset DATABRICKS_TOKEN"},
    {{.variables = {"DATABRICKS_HOST=https://e"}, .databricks = DEFAULT_SECTION}, "e - -", ""},
    {{.variables = {"DATABRICKS_HOST=https://e", "DATABRICKS_TOKEN=x", "DATABRICKS_CLUSTER_ID=y"},
      .databricks = DEFAULT_SECTION,
      .flags = {{"profile", "DEFAULT"}}},
     "d t c",
     ""},
};

START_TEST(environments)
{
    _cleanup_(text_deinit) Text described = TEXT_NULL;
    _cleanup_(settings_freep) Settings *settings =
        load_good(&ENVIRONMENTS[_i].input, ENVIRONMENTS[_i].warnings);
    const ProfileSettings *p = settings_find_profile(settings, "DEFAULT");
    text_printf(&described, "%s %s %s", p->host ? p->host : "-",
                p->auth.token ? secret_reveal(p->auth.token) : "-", p->cluster_id ? p->cluster_id : "-");
    ck_assert_str_eq(text_string(&described), ENVIRONMENTS[_i].described);
}
END_TEST

START_TEST(problem_of_an_unused_profile)
{
    Input input = {.databricks = "[a]\nhost=https://a\ntoken=t\n[b]\nauth_type=azure-cli\n",
                   .flags = {{"profile", "a"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_ptr_nonnull(
        strstr(settings_find_profile(settings, "b")->problem, "profile b: there is no host; put host = "));
}
END_TEST

START_TEST(mistyped_variable)
{
    Input input = {.variables = {"SPARKBOUNCER_LISTENS=:1", "SPARKBOUNCER_IMAGE_BUILT_BY=me"}};
    _cleanup_(settings_freep) Settings *settings = load_good(
        &input, "warning: SPARKBOUNCER_LISTENS: unknown variable; did you mean SPARKBOUNCER_LISTEN?");
    ck_assert_uint_eq(settings->listens[0].port, 15002);
}
END_TEST

START_TEST(long_token)
{
    char token[4001];
    _cleanup_(text_deinit) Text content = TEXT_NULL;
    memset(token, 'x', 4000);
    token[4000] = '\0';
    text_printf(&content, "[a]\nhost=https://a\ntoken = %s\n", token);
    Input input = {.databricks = text_string(&content)};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(secret_reveal(settings->profiles[0].auth.token), token);
}
END_TEST

START_TEST(missing_config_file)
{
    Settings *settings = NULL;
    Problems problems = PROBLEMS_NULL;
    SettingsSource source = {.config_file = "/nowhere/x.ini"};
    ck_assert_int_lt(settings_load(&settings, &source, &problems), 0);
    ck_assert_str_eq(problems.entries[0].sentence, "--config /nowhere/x.ini: there is no such file");
    problems_deinit(&problems);
}
END_TEST

START_TEST(control_sockets)
{
    const char *const environment[] = {"XDG_RUNTIME_DIR=/r", "SPARKBOUNCER_LOG_LEVEL=loud", NULL};
    const SettingsFlag flags[] = {{"control_socket", "/c.sock"}};
    SettingsSource source = {.config_file = "/nowhere", .environment = environment};
    _cleanup_(mem_freep) char *usual = settings_control_socket(&source);
    ck_assert_str_eq(usual, "/r/sparkbouncer/control.sock");
    source.flags = flags;
    source.n_flags = 1;
    _cleanup_(mem_freep) char *chosen = settings_control_socket(&source);
    ck_assert_str_eq(chosen, "/c.sock");
}
END_TEST

START_TEST(description)
{
    Input input = {.config = "[sparkbouncer]\nlisten = unix:, [::1]:1;profile=lab\n[profile lab]\nupstream = "
                             "sc://h/;token=sesame\n",
                   .databricks = "[dev]\nhost = https://a\ntoken = sesame\n",
                   .flags = {{"profile", "dev"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    _cleanup_(mem_freep) char *text = settings_describe(settings, false);
    _cleanup_(mem_freep) char *json = settings_describe(settings, true);
    ck_assert_ptr_null(strstr(text, "sesame"));
    ck_assert_ptr_null(strstr(json, "sesame"));
    ck_assert_ptr_nonnull(strstr(text, "\n[profile dev]\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "listen = unix:/run/user/7/sparkbouncer/sparkbouncer.sock, [::1]:1;profile=lab"));
    ck_assert_ptr_nonnull(strstr(text, "host = https://a  "));
    json_t *root = json_loads(json, 0, NULL);
    const char *value = NULL, *origin = NULL, *token = NULL, *host = NULL, *type = NULL, *upstream = NULL;
    ck_assert_int_eq(json_unpack(root, "{s:{s:{s:s,s:s}}, s:[{s:s, s:s, s:n, s:{s:{s:s}}}, {s:s}]}",
                                 "sparkbouncer", "profile", "value", &value, "origin", &origin, "profiles",
                                 "host", &host, "auth_type", &type, "error", "origins", "token", "value",
                                 &token, "host", &upstream),
                     0);
    ck_assert_str_eq(value, "dev");
    ck_assert_str_eq(origin, "--profile");
    ck_assert_str_eq(host, "https://a");
    ck_assert_str_eq(type, "pat");
    ck_assert_str_eq(token, "set");
    ck_assert_str_eq(upstream, "sc://h:15002/;use_ssl=true");
    json_decref(root);
}
END_TEST

/* `check` shows what it can also when something is wrong. */
START_TEST(description_of_what_is_wrong)
{
    write_file("@/.databrickscfg", "[p]\nhost = https://h\ntoken = t\nclient_id = c\n");
    _cleanup_(mem_freep) char *home = in_directory("HOME=@");
    const char *const environment[] = {home, "DATABRICKS_CONFIG_PROFILE=p", NULL};
    SettingsSource source = {.environment = environment};
    Problems problems = PROBLEMS_NULL;
    _cleanup_(mem_freep) char *json = NULL;
    ck_assert_int_lt(settings_check(&json, &source, true, &problems), 0);
    json_t *root = json_loads(json, 0, NULL);
    const char *name = NULL, *host = NULL, *error = NULL;
    ck_assert_int_eq(json_unpack(root, "{s:[{s:s, s:s, s:s, s:n}]}", "profiles", "name", &name, "host", &host,
                                 "error", &error, "auth_type"),
                     0);
    ck_assert_str_eq(name, "p");
    ck_assert_str_eq(host, "https://h");
    ck_assert_ptr_nonnull(strstr(error, "more than one authorization method configured: oauth and pat"));
    ck_assert_str_eq(problems.entries[0].sentence, error);
    json_decref(root);
    problems_deinit(&problems);
}
END_TEST

/* config/sparkbouncer.ini is settings_sample(); with SPARKBOUNCER_WRITE_SAMPLE set this writes it anew. */
START_TEST(sample_file)
{
    _cleanup_(text_deinit) Text path = TEXT_NULL, content = TEXT_NULL;
    _cleanup_(mem_freep) char *sample = settings_sample();
    const char *slash = strrchr(__FILE__, '/');
    text_append_bytes(&path, __FILE__, (size_t)(slash - __FILE__));
    text_append(&path, "/../../config/sparkbouncer.ini");
    bool writes = getenv("SPARKBOUNCER_WRITE_SAMPLE") != NULL;
    FILE *file = fopen(text_string(&path), writes ? "w" : "r");
    ck_assert_ptr_nonnull(file);
    if (writes)
        fputs(sample, file);
    for (int c; !writes && (c = fgetc(file)) != EOF;)
        text_append_bytes(&content, &(char){(char)c}, 1);
    fclose(file);
    /* Too long for the message of ck_assert_str_eq(). */
    ck_assert_msg(writes || strcmp(text_string(&content), sample) == 0,
                  "config/sparkbouncer.ini is not the sample");
}
END_TEST

/* With the comment signs of its values removed the sample must be valid, but for its example profile. */
START_TEST(sample_is_valid)
{
    _cleanup_(text_deinit) Text config = TEXT_NULL;
    _cleanup_(mem_freep) char *sample = settings_sample();
    char *rest = sample;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(line, "#[profile", 9) == 0)
            break;
        bool is_used = line[0] == '#' && line[1] != ' ' && strncmp(line, "#profile", 8) != 0 &&
                       strncmp(line, "#databricks_config", 18) != 0;
        text_printf(&config, "%s\n", is_used ? line + 1 : line);
    }
    Input input = {.config = text_string(&config)};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(settings->control_socket, "/run/sparkbouncer/control.sock");
}
END_TEST

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, all_errors_at_once);
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, precedence);
    tcase_add_test(tests, remote_when_allowed);
    tcase_add_test(tests, merged_profile);
    tcase_add_test(tests, starting_clusters_is_opt_in);
    tcase_add_test(tests, what_is_found_out_about_dead_peers);
    tcase_add_test(tests, what_is_read_ahead);
    tcase_add_loop_test(tests, where_it_is_read_ahead_to, 0, 3);
    tcase_add_test(tests, same_host_keeps_token);
    tcase_add_test(tests, moved_host_with_token);
    tcase_add_test(tests, local_upstream);
    tcase_add_test(tests, what_is_wrong_is_a_warning_with_a_fallback);
    tcase_add_test(tests, profile_of_a_local_server);
    tcase_add_loop_test(tests, upstreams, 0, LENGTH(UPSTREAMS));
    tcase_add_loop_test(tests, choices, 0, LENGTH(CHOICES));
    tcase_add_loop_test(tests, environments, 0, LENGTH(ENVIRONMENTS));
    tcase_add_test(tests, problem_of_an_unused_profile);
    tcase_add_test(tests, mistyped_variable);
    tcase_add_test(tests, long_token);
    tcase_add_test(tests, missing_config_file);
    tcase_add_test(tests, control_sockets);
    tcase_add_test(tests, description);
    tcase_add_test(tests, description_of_what_is_wrong);
    tcase_add_test(tests, sample_file);
    tcase_add_test(tests, sample_is_valid);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
