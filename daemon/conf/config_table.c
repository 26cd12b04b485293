#include "conf/config_table.h"

#include <ctype.h>
#include <string.h>

#include "conf/config_types.h"
#include "conf/settings.h"
#include "conf/suggestion.h"

#define KIB    ((uint64_t)1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define SECOND ((uint64_t)1000)

#define DAEMON(name, type, member, initial, least, most, help)                                               \
    {                                                                                                        \
        CONFIG_SPARKBOUNCER, name, &(type), offsetof(Settings, member), initial, least, most, help, NULL     \
    }
#define DAEMON_UNSET(name, type, offset, example, help)                                                      \
    {                                                                                                        \
        CONFIG_SPARKBOUNCER, name, &(type), offset, NULL, 0, 0, help, example                                \
    }
#define PROFILE(name, type, member, initial, least, most, help)                                              \
    {                                                                                                        \
        CONFIG_PROFILE, name, &(type), offsetof(ProfileSettings, member), initial, least, most, help, NULL   \
    }
#define PROFILE_UNSET(name, type, offset, example, help)                                                     \
    {                                                                                                        \
        CONFIG_PROFILE, name, &(type), offset, NULL, 0, 0, help, example                                     \
    }

const ConfigKey CONFIG_KEYS[] = {
    DAEMON("listen", CONFIG_LISTENS, listens, "127.0.0.1:15002", 0, 0,
           "Where clients connect: HOST:PORT, unix:, unix:/path or abstract:NAME, each with ;profile=NAME or "
           "without, separated by commas"),
    DAEMON_UNSET("profile", CONFIG_NAME, 0, "dev",
                 "The profile of calls that name none; else DATABRICKS_CONFIG_PROFILE, else as the "
                 "Databricks SDKs choose"),
    DAEMON("allow_remote", CONFIG_BOOLEAN, allow_remote, "no", 0, 0,
           "Listen on more than loopback addresses: whoever reaches them uses your tokens"),
    DAEMON("socket_mode", CONFIG_MODE, socket_mode, "0600", 0, 0, "Permissions of unix sockets"),
    DAEMON_UNSET("control_socket", CONFIG_PATH, offsetof(Settings, control_socket),
                 "/run/sparkbouncer/control.sock",
                 "Where status, wait and stop reach the daemon; unset: in $XDG_RUNTIME_DIR/sparkbouncer"),
    DAEMON_UNSET(
        "databricks_config_file", CONFIG_FILE, 0, "~/.databrickscfg",
        "The file shared with Databricks' tools; unset: DATABRICKS_CONFIG_FILE, else ~/.databrickscfg"),
    DAEMON("log_level", CONFIG_LOG_LEVEL, log_level, "info", 0, 0,
           "The least important level that is logged"),
    DAEMON("log_format", CONFIG_LOG_FORMAT, log_format, "auto", 0, 0,
           "auto: text on a terminal, journal under systemd"),
    DAEMON("log_calls", CONFIG_LOG_CALLS, log_calls, "debug", 0, 0,
           "The level of the line that each ended call gets"),
    DAEMON("drain_timeout", CONFIG_DURATION, drain_timeout_ms, "30s", 0, 24 * 3600 * SECOND,
           "How long running calls may take to end when the daemon stops"),
    DAEMON("stream_window", CONFIG_SIZE, stream_window, "4MiB", 64 * KIB, 64 * MIB,
           "Bytes that one call may hold in the daemon, each way"),
    DAEMON("buffer_limit", CONFIG_SIZE, buffer_limit, "256MiB", MIB, 64 * GIB,
           "Bytes that all calls together may hold before their windows shrink"),
    DAEMON("header_limit", CONFIG_SIZE, header_limit, "16KiB", 4 * KIB, 64 * KIB,
           "Bytes of the headers of one call"),
    DAEMON("max_client_connections", CONFIG_COUNT, max_client_connections, "20000", 1, 1000000,
           "Connections of clients at the same time"),
    DAEMON("max_calls_per_connection", CONFIG_COUNT, max_calls_per_connection, "1000", 1, 100000,
           "Calls at the same time on one client's connection"),
    DAEMON("max_sessions", CONFIG_COUNT, max_sessions, "10000", 1, 1000000,
           "Spark sessions remembered at the same time"),
    DAEMON("coalesce_releases", CONFIG_BOOLEAN, coalesce_releases, "yes", 0, 0,
           "Answer ReleaseExecute here and send on only the newest of an operation"),

    PROFILE_UNSET("host", CONFIG_HOST, 0, "https://dbc-a1b2345c-d6e7.cloud.databricks.com",
                  "The Databricks workspace"),
    PROFILE_UNSET("token", CONFIG_SECRET, 0, "dapi...",
                  "The access token; this file must then be yours alone (chmod 600)"),
    PROFILE_UNSET("token_file", CONFIG_FILE, 0, "/run/secrets/databricks-token",
                  "A file that has the token and nothing else"),
    PROFILE_UNSET("cluster_id", CONFIG_NAME, 0, "0712-123456-abcdefgh", "The cluster that calls go to"),
    PROFILE_UNSET("upstream", CONFIG_URL, 0, "sc://spark.example.com:15002/;use_ssl=true",
                  "In place of host: any Spark Connect server"),
    PROFILE_UNSET("ca_file", CONFIG_PATH, offsetof(ProfileSettings, ca_file), "/etc/ssl/certs/company.pem",
                  "Certificates to trust in place of the system's"),
    PROFILE("cluster_choice", CONFIG_CLUSTER_CHOICE, cluster_choice, "profile", 0, 0,
            "Who says which cluster: this profile, or a client that names one"),
    PROFILE("warm", CONFIG_BOOLEAN, warm, "no", 0, 0, "Connect at start, not at the first call"),
    PROFILE("connections", CONFIG_COUNT, connections, "2", 1, 64, "Connections to the server that are kept"),
    PROFILE("max_connections", CONFIG_COUNT, max_connections, "16", 1, 1024,
            "Connections to the server when they are busy"),
    PROFILE("connect_timeout", CONFIG_DURATION, connect_timeout_ms, "20s", SECOND / 10, 600 * SECOND,
            "How long connecting may take, TLS included"),
    PROFILE_UNSET("session", CONFIG_SESSION, offsetof(ProfileSettings, session), "etl",
                  "The named session that all clients share who name none; unset: each has its own"),
    PROFILE("resume_timeout", CONFIG_DURATION, resume_timeout_ms, "270s", 0, 24 * 3600 * SECOND,
            "How long results that broke off are tried to go on; servers keep them for 5 minutes"),
};

const size_t CONFIG_N_KEYS = sizeof CONFIG_KEYS / sizeof CONFIG_KEYS[0];

const ConfigKey *config_key_find(ConfigSection section, const char *name)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        if (CONFIG_KEYS[i].section == section && strcmp(CONFIG_KEYS[i].name, name) == 0)
            return &CONFIG_KEYS[i];
    return NULL;
}

const char *config_key_suggest(ConfigSection section, const char *typed)
{
    Suggestion suggestion = SUGGESTION_FOR(typed);
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        if (CONFIG_KEYS[i].section == section)
            suggestion_offer(&suggestion, CONFIG_KEYS[i].name);
    return suggestion.name;
}

char *config_key_variable(const ConfigKey *key)
{
    Text name = TEXT_NULL;
    text_printf(&name, "SPARKBOUNCER_%s", key->name);
    for (char *p = name.bytes; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return text_take(&name);
}

char *config_key_flag(const ConfigKey *key)
{
    Text name = TEXT_NULL;
    text_printf(&name, "--%s", key->name);
    for (char *p = name.bytes; *p; p++)
        if (*p == '_')
            *p = '-';
    return text_take(&name);
}
