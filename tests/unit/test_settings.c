/*
 * Settings as a whole: precedence, profiles, and one sentence for each wrong input. In inputs and sentences @
 * stands for the test's directory, which is $HOME and $XDG_CONFIG_HOME of what is loaded.
 */

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/config_table.h"
#include "conf/settings.h"

static char directory[64];

/* The files and variables of one test. */
typedef struct Input {
    const char *config;       /* of config.ini */
    const char *databricks;   /* of ~/.databrickscfg; NULL: there is none */
    const char *variables[4]; /* "NAME=value" */
    SettingsFlag flags[3];
} Input;

static char *in_directory(const char *text)
{
    Text expanded = TEXT_NULL;
    for (const char *p = text; *p; p++)
        if (*p == '@')
            text_append(&expanded, directory);
        else
            text_append_bytes(&expanded, p, 1);
    return text_take(&expanded);
}

static void write_file(const char *name, const char *content)
{
    _cleanup_(mem_freep) char *path = in_directory(name);
    _cleanup_(mem_freep) char *expanded = in_directory(content);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(expanded, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static void set_up(void)
{
    strcpy(directory, "/tmp/test_settings.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    _cleanup_(mem_freep) char *sub = in_directory("@/sparkbouncer");
    ck_assert_int_eq(mkdir(sub, 0700), 0);
}

static void tear_down(void)
{
    static const char *const NAMES[] = {"@/sparkbouncer/config.ini", "@/.databrickscfg", "@/token",
                                        "@/sparkbouncer"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        _cleanup_(mem_freep) char *path = in_directory(NAMES[i]);
        (void)remove(path);
    }
    (void)rmdir(directory);
}

static int load(Settings **ret_settings, const Input *input, Problems *problems)
{
    char *variables[4] = {NULL};
    const char *environment[9] = {NULL};
    size_t n = 0, n_flags = 0;
    _cleanup_(mem_freep) char *home = in_directory("HOME=@");
    _cleanup_(mem_freep) char *config_home = in_directory("XDG_CONFIG_HOME=@");
    environment[n++] = home;
    environment[n++] = config_home;
    environment[n++] = "XDG_RUNTIME_DIR=/run/user/7";
    for (size_t i = 0; i < 4 && input->variables[i]; i++)
        environment[n++] = variables[i] = in_directory(input->variables[i]);
    while (n_flags < 3 && input->flags[n_flags].key)
        n_flags++;
    write_file("@/sparkbouncer/config.ini", input->config ? input->config : "");
    if (input->databricks)
        write_file("@/.databrickscfg", input->databricks);
    SettingsSource source = {.flags = input->flags, .n_flags = n_flags, .environment = environment};
    int r = settings_load(ret_settings, &source, problems);
    for (size_t i = 0; i < 4; i++)
        free(variables[i]);
    return r;
}

/* All sentences, by lines, with @ for the directory. free(). */
static char *sentences(const Problems *problems)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < problems->n_entries; i++) {
        const char *p = problems->entries[i].sentence;
        const char *found;
        text_append(&text, i ? "\n" : "");
        text_append(&text, problems->entries[i].is_error ? "" : "warning: ");
        for (; (found = strstr(p, directory)) != NULL; p = found + strlen(directory)) {
            text_append_bytes(&text, p, (size_t)(found - p));
            text_append(&text, "@");
        }
        text_append(&text, p);
    }
    return text_take(&text);
}

/* Must load; `warnings` are the only problems. */
static Settings *load_good(const Input *input, const char *warnings)
{
    Settings *settings = NULL;
    Problems problems = PROBLEMS_NULL;
    int r = load(&settings, input, &problems);
    _cleanup_(mem_freep) char *found = sentences(&problems);
    ck_assert_str_eq(found, warnings);
    ck_assert_int_eq(r, 0);
    problems_deinit(&problems);
    return settings;
}

#define INI            "@/sparkbouncer/config.ini"
#define DAEMON(line)   .config = "[sparkbouncer]\n" line "\n"
#define PROFILE(lines) .config = "[profile p]\nupstream = sc://localhost\n" lines "\n"

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
    {{.config = "[profile p]\nhost = https://h\n"},
     "profile p: there is no token; put token = ... into [p] of @/.databrickscfg or [profile p] of "
     "config.ini"},
    {{.config = "[profile p]\nhost = http://h\ntoken = t\n"},
     INI ":2: host: http:// would send the token unencrypted; write https://"},
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
    {{.databricks = "[p]\nhost = https://h\nauth_type = databricks-cli\n", .flags = {{"profile", "p"}}},
     "profile p: auth_type databricks-cli is not supported yet; put token = ... into [profile p] of "
     "config.ini"},
    {{DAEMON("listen = :1;profile=p"), .databricks = "[p]\nhost = h\nclient_secret = s\n[q]\n"},
     "warning: @/.databrickscfg:2: host has no scheme; taken for https://h\n"
     "profile p: auth_type oauth-m2m (client_secret) is not supported yet; put token = ... into [profile p] "
     "of "
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
                      "cluster_id = old\nazure_tenant_id = x\n"};
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
     "d t c",
     "warning: DATABRICKS_TOKEN: not used without DATABRICKS_HOST, as it might go to a host that it was not "
     "made for"},
    {{.variables = {"DATABRICKS_HOST=https://e"}, .databricks = DEFAULT_SECTION},
     "e - -",
     "warning: profile DEFAULT: there is no token; set DATABRICKS_TOKEN beside DATABRICKS_HOST"},
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
    text_printf(&described, "%s %s %s", p->host, p->auth.token ? secret_reveal(p->auth.token) : "-",
                p->cluster_id ? p->cluster_id : "-");
    ck_assert_str_eq(text_string(&described), ENVIRONMENTS[_i].described);
}
END_TEST

START_TEST(problem_of_an_unused_profile)
{
    Input input = {.databricks = "[a]\nhost=https://a\ntoken=t\n[b]\nhost=https://b\nauth_type=azure-cli\n",
                   .flags = {{"profile", "a"}}};
    _cleanup_(settings_freep) Settings *settings = load_good(&input, "");
    ck_assert_str_eq(
        settings_find_profile(settings, "b")->problem,
        "profile b: auth_type azure-cli is not supported yet; put token = ... into [profile b] of "
        "config.ini");
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
    const char *value = NULL, *origin = NULL, *token = NULL, *upstream = NULL;
    ck_assert_int_eq(json_unpack(root, "{s:{s:{s:s,s:s}}, s:{s:{s:{s:s}}, s:{s:{s:s}}}}", "sparkbouncer",
                                 "profile", "value", &value, "origin", &origin, "profiles", "dev", "token",
                                 "value", &token, "lab", "upstream", "value", &upstream),
                     0);
    ck_assert_str_eq(value, "dev");
    ck_assert_str_eq(origin, "--profile");
    ck_assert_str_eq(token, "set");
    ck_assert_str_eq(upstream, "sc://h:15002/;use_ssl=true");
    json_decref(root);
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
    ck_assert_str_eq(writes ? sample : text_string(&content), sample);
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
    tcase_add_loop_test(tests, wrong_inputs, 0, LENGTH(WRONG));
    tcase_add_test(tests, all_errors_at_once);
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, precedence);
    tcase_add_test(tests, remote_when_allowed);
    tcase_add_test(tests, merged_profile);
    tcase_add_test(tests, starting_clusters_is_opt_in);
    tcase_add_test(tests, same_host_keeps_token);
    tcase_add_test(tests, moved_host_with_token);
    tcase_add_loop_test(tests, upstreams, 0, LENGTH(UPSTREAMS));
    tcase_add_loop_test(tests, choices, 0, LENGTH(CHOICES));
    tcase_add_loop_test(tests, environments, 0, LENGTH(ENVIRONMENTS));
    tcase_add_test(tests, problem_of_an_unused_profile);
    tcase_add_test(tests, mistyped_variable);
    tcase_add_test(tests, long_token);
    tcase_add_test(tests, missing_config_file);
    tcase_add_test(tests, control_sockets);
    tcase_add_test(tests, description);
    tcase_add_test(tests, sample_file);
    tcase_add_test(tests, sample_is_valid);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
