#include "conf/config_table.h"

#include <ctype.h>
#include <string.h>

#include "conf/auth_attribute.h"
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
    DAEMON("metadata_service", CONFIG_LOCAL_SERVICE, metadata_service, "no", 0, 0,
           "127.0.0.1:PORT (0: any) lets other Databricks tools of yours share the logins; status has the "
           "address"),
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
           "Bytes that one call may hold in the daemon, each way; results that come from far away four times "
           "that"),
    DAEMON("buffer_limit", CONFIG_SIZE, buffer_limit, "256MiB", MIB, 64 * GIB,
           "Bytes that all calls together may hold before their windows shrink"),
    DAEMON("spool_limit", CONFIG_SIZE, spool_limit, "16GiB", MIB, 16 * 1024 * GIB,
           "Bytes on disk that the results of all calls together may take; see spool"),
    DAEMON_UNSET("spool_folder", CONFIG_PATH, offsetof(Settings, spool_folder), "/var/tmp",
                 "Where these temporary files are; unset: $TMPDIR, else /var/tmp"),
    DAEMON("header_limit", CONFIG_SIZE, header_limit, "16KiB", 4 * KIB, 64 * KIB,
           "Bytes of the headers of one call"),
    DAEMON("max_client_connections", CONFIG_COUNT, max_client_connections, "20000", 1, 1000000,
           "Connections of clients at the same time"),
    DAEMON("max_calls_per_connection", CONFIG_COUNT, max_calls_per_connection, "1000", 1, 100000,
           "Calls at the same time on one client's connection"),
    DAEMON("max_sessions", CONFIG_COUNT, max_sessions, "10000", 1, 1000000,
           "Spark sessions remembered at the same time"),
    DAEMON("session_idle_timeout", CONFIG_DURATION, session_idle_timeout_ms, "60m", SECOND / 10,
           30 * 24 * 3600 * SECOND, "How long a session without a call is remembered; servers keep them 60m"),
    DAEMON("orphan_grace", CONFIG_DURATION_OR_NO, orphan_grace_ms, "60s", SECOND / 10, 24 * 3600 * SECOND,
           "How long a client whose connection is gone may take to come back before what it runs is "
           "interrupted; no: never"),
    DAEMON("coalesce_releases", CONFIG_BOOLEAN, coalesce_releases, "yes", 0, 0,
           "Answer ReleaseExecute here and send on only the newest of an operation; answer ReleaseSession "
           "before the server has"),
    DAEMON("guest_idle_timeout", CONFIG_DURATION, guest_idle_timeout_ms, "24h", SECOND / 10,
           30 * 24 * 3600 * SECOND, "How long a profile handed over at run time is kept without a call"),
    DAEMON_UNSET(
        "local_spark", CONFIG_SERVER_COMMAND, offsetof(Settings, local_spark),
        "exec /opt/spark/sbin/my-connect-server --port {port}",
        "A command line for the shell that runs a local Spark Connect server (4.0 or later) on 127.0.0.1 "
        "and {port}, which asks for the token in SPARK_CONNECT_AUTHENTICATE_TOKEN; unset: PySpark's "
        "own, by SPARK_HOME, PYSPARK_PYTHON, VIRTUAL_ENV or python3"),
    DAEMON("local_idle_timeout", CONFIG_DURATION, local_idle_timeout_ms, "10m", SECOND / 10,
           7 * 24 * 3600 * SECOND, "How long the local Spark server is kept without a call"),

    PROFILE_UNSET("host", CONFIG_HOST, 0, "https://dbc-a1b2345c-d6e7.cloud.databricks.com",
                  "The Databricks workspace"),
    PROFILE_UNSET("token", CONFIG_SECRET, 0, "dapi...",
                  "The access token; this file must then be yours alone (chmod 600)"),
    PROFILE_UNSET("token_file", CONFIG_FILE, 0, "/run/secrets/databricks-token",
                  "A file that has the token and nothing else; credential:NAME is what systemd's "
                  "LoadCredential=NAME:... puts into $CREDENTIALS_DIRECTORY"),
    PROFILE_UNSET(
        "exec", CONFIG_COMMAND, 0, "vault kv get -field=token secret/databricks",
        "A command line for the shell that prints a token, or JSON with access_token and expires_on "
        "or expiry"),
    PROFILE_UNSET("auth_type", CONFIG_NAME, 0, "oauth-m2m",
                  "The only way to log in: pat, oauth-m2m, databricks-cli, metadata-service, github-oidc, "
                  "env-oidc, file-oidc, azure-msi, azure-client-secret, azure-cli, google-credentials, "
                  "google-id or exec; unset: what is configured, else databricks-cli and on Azure azure-cli"),
    PROFILE_UNSET("client_id", CONFIG_NAME, 0, "1a2b3c4d-0000-0000-0000-0123456789ab",
                  "oauth-m2m, and token exchange: the service principal"),
    PROFILE_UNSET("client_secret", CONFIG_SECRET, 0, "dose...", "oauth-m2m: its secret"),
    PROFILE_UNSET("scopes", CONFIG_TEXT, 0, "all-apis", "Scopes of OAuth, separated by blanks or commas"),
    PROFILE_UNSET("account_id", CONFIG_NAME, 0, "1a2b3c4d-0000-0000-0000-0123456789ab",
                  "The account of Databricks"),
    PROFILE_UNSET("workspace_id", CONFIG_NAME, 0, "1234567890123456",
                  "The workspace, on hosts that serve several"),
    PROFILE_UNSET("group_id", CONFIG_NAME, 0, "1234567890", "The group to log in as a member of, by OAuth"),
    PROFILE_UNSET(
        "discovery_url", CONFIG_HOST, 0,
        "https://dbc-a1b2345c-d6e7.cloud.databricks.com/oidc/.well-known/oauth-authorization-server",
        "Where the endpoints of OAuth are told, if not by the host"),
    PROFILE_UNSET("token_audience", CONFIG_TEXT, 0, "https://github.com/my-org",
                  "github-oidc: the audience of the token to be exchanged (also: audience)"),
    PROFILE_UNSET("oidc_token_env", CONFIG_NAME, 0, "DATABRICKS_OIDC_TOKEN",
                  "env-oidc: the variable that has the token to be exchanged"),
    PROFILE_UNSET("oidc_token_filepath", CONFIG_FILE, 0, "/var/run/secrets/tokens/databricks",
                  "file-oidc: the file that has the token to be exchanged (also: "
                  "databricks_id_token_filepath)"),
    PROFILE_UNSET("azure_workspace_resource_id", CONFIG_TEXT, 0,
                  "/subscriptions/S/resourceGroups/G/providers/Microsoft.Databricks/workspaces/W",
                  "Azure: the resource id of the workspace"),
    PROFILE_UNSET("azure_use_msi", CONFIG_TRUTH, 0, "yes", "azure-msi: use the machine's managed identity"),
    PROFILE_UNSET("azure_client_id", CONFIG_NAME, 0, "1a2b3c4d-0000-0000-0000-0123456789ab",
                  "azure-client-secret and azure-msi: the application"),
    PROFILE_UNSET("azure_client_secret", CONFIG_SECRET, 0, "...", "azure-client-secret: its secret"),
    PROFILE_UNSET("azure_tenant_id", CONFIG_NAME, 0, "1a2b3c4d-0000-0000-0000-0123456789ab",
                  "Azure: the tenant; unset: asked of the workspace"),
    PROFILE_UNSET("azure_environment", CONFIG_NAME, 0, "PUBLIC",
                  "Azure: PUBLIC, USGOVERNMENT or CHINA; unset: by the host's name"),
    PROFILE_UNSET("databricks_cli_path", CONFIG_FILE, 0, "/usr/local/bin/databricks",
                  "databricks-cli: the program; unset: databricks in PATH"),
    PROFILE_UNSET("metadata_service_url", CONFIG_HIDDEN_URL, 0, "http://localhost:8020/0123456789ab",
                  "metadata-service: its address, with the secret path"),
    PROFILE_UNSET("google_service_account", CONFIG_TEXT, 0, "name@project.iam.gserviceaccount.com",
                  "google-id: the account to act as"),
    PROFILE_UNSET("google_credentials", CONFIG_SECRET, 0, "/etc/sparkbouncer/google.json",
                  "google-credentials: the key of a service account, as JSON or as a file with it"),
    PROFILE_UNSET("username", CONFIG_NAME, 0, "ada@example.com",
                  "Known so that it can be refused: Databricks has ended logins by password"),
    PROFILE_UNSET("password", CONFIG_SECRET, 0, "...", "See username"),
    PROFILE_UNSET("proxy", CONFIG_PROXY, offsetof(ProfileSettings, proxy), "http://proxy.example.com:3128",
                  "The proxy for requests about tokens and clusters; unset: as https_proxy and no_proxy say"),
    PROFILE("credential_timeout", CONFIG_DURATION, credential_timeout_ms, "60s", SECOND, 600 * SECOND,
            "How long a call may wait for a token"),
    PROFILE_UNSET("cluster_id", CONFIG_NAME, 0, "0712-123456-abcdefgh", "The cluster that calls go to"),
    PROFILE_UNSET("serverless_compute_id", CONFIG_NAME, 0, "auto",
                  "In place of cluster_id: auto, for serverless compute"),
    PROFILE_UNSET("upstream", CONFIG_URL, 0, "sc://spark.example.com:15002/;use_ssl=true",
                  "In place of host: any Spark Connect server; or local: one that is started here when it is "
                  "needed"),
    PROFILE("fallback", CONFIG_FALLBACK, fallback, "no", 0, 0,
            "local: new sessions get a local Spark server while this profile cannot be used or reached; its "
            "tables and sessions are its own, and gone when it stops"),
    PROFILE_UNSET("ca_file", CONFIG_PATH, offsetof(ProfileSettings, ca_file), "/etc/ssl/certs/company.pem",
                  "Certificates to trust in place of the system's"),
    PROFILE("cluster_choice", CONFIG_CLUSTER_CHOICE, cluster_choice, "profile", 0, 0,
            "Who says which cluster: this profile, or a client that names one"),
    PROFILE("autostart", CONFIG_AUTOSTART, autostart, "never", 0, 0,
            "Who may start a cluster that is off: nobody, sparkbouncer start, or any call"),
    PROFILE("cluster_start_timeout", CONFIG_DURATION, cluster_start_timeout_ms, "15m", 10 * SECOND,
            2 * 3600 * SECOND, "How long a cluster may take to start, and calls wait for it"),
    PROFILE("warm", CONFIG_BOOLEAN, warm, "no", 0, 0, "Connect at start, not at the first call"),
    PROFILE("connections", CONFIG_COUNT, connections, "2", 1, 64, "Connections to the server that are kept"),
    PROFILE("max_connections", CONFIG_COUNT, max_connections, "16", 1, 1024,
            "Connections to the server when they are busy"),
    PROFILE("connect_timeout", CONFIG_DURATION, connect_timeout_ms, "20s", SECOND / 10, 600 * SECOND,
            "How long connecting may take, TLS included"),
    PROFILE("keepalive", CONFIG_DURATION_OR_NO, keepalive_ms, "60s", SECOND, 3600 * SECOND,
            "How long a server may be silent before TCP asks whether it is there, and leave data "
            "unacknowledged"),
    PROFILE("http2_ping", CONFIG_DURATION_OR_NO, http2_ping_ms, "no", SECOND, 24 * 3600 * SECOND,
            "How often a connection with running calls gets an HTTP/2 ping; 5m or more, or the server closes "
            "it"),
    PROFILE("http2_ping_force", CONFIG_BOOLEAN, http2_ping_force, "no", 0, 0,
            "Allow http2_ping below 5m, for servers that do not mind"),
    PROFILE_UNSET("session", CONFIG_SESSION, offsetof(ProfileSettings, session), "etl",
                  "The named session that all clients share who name none; unset: each has its own"),
    PROFILE("warm_sessions", CONFIG_COUNT, warm_sessions, "0", 0, 16,
            "Sessions made ahead for each user, for a faster start; those in use end with the daemon"),
    PROFILE_UNSET("warm_template", CONFIG_SESSION, offsetof(ProfileSettings, warm_template), "prepared",
                  "The named session that they are clones of (Spark 4.1); unset: they are empty"),
    PROFILE("resume_timeout", CONFIG_DURATION, resume_timeout_ms, "270s", 0, 24 * 3600 * SECOND,
            "How long results that broke off are tried to go on; servers keep them for 5 minutes"),
    PROFILE(
        "reattach_period", CONFIG_DURATION_OR_NO, reattach_period_ms, "180s", SECOND / 10, 24 * 3600 * SECOND,
        "How often a query is reattached whose client does not read on; servers give it up after 5 minutes"),
    PROFILE("spool", CONFIG_SIZE_OR_NO, spool, "no", MIB, 1024 * GIB,
            "What one call's results may take in a temporary file while its client reads slowly, so that the "
            "cluster can finish; no: they wait at the server"),
    PROFILE("revive", CONFIG_BOOLEAN, revive, "no", 0, 0,
            "Make settings and temporary views again in a new session when the server has lost one"),
    PROFILE("revive_limit", CONFIG_SIZE, revive_limit, "1MiB", 64 * KIB, 64 * MIB,
            "What is kept of one session for that"),
};

const size_t CONFIG_N_KEYS = sizeof CONFIG_KEYS / sizeof CONFIG_KEYS[0];

const ConfigKey *config_key_find(ConfigSection section, const char *name)
{
    const AuthAttribute *attribute = section == CONFIG_PROFILE ? auth_attribute_find(name) : NULL;
    const char *real = attribute ? attribute->name : name;
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        if (CONFIG_KEYS[i].section == section && strcmp(CONFIG_KEYS[i].name, real) == 0)
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
