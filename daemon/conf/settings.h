#pragma once

/*
 * Settings: everything the daemon was told, as one immutable value. Loaded whole or not at all, from flags,
 * SPARKBOUNCER_* variables, config.ini, ~/.databrickscfg and built-in defaults, in that order of precedence.
 * No I/O after loading; any thread.
 *
 * Profiles are the sections of ~/.databrickscfg and the [profile X] of config.ini, which add to them key by
 * key; a token (and a cluster_id) is only used for the host that it was written beside. Which one is the
 * default: --profile, SPARKBOUNCER_PROFILE, `profile` of config.ini, DATABRICKS_CONFIG_PROFILE,
 * DATABRICKS_PROFILE, then `default_profile` of [__settings__], DEFAULT, the only one there is.
 *
 * DATABRICKS_HOST, _TOKEN and _CLUSTER_ID are for the case that none of the first five names a profile: with
 * DATABRICKS_HOST the three of them take the place of [DEFAULT], which then is the default profile;
 * DATABRICKS_CLUSTER_ID alone replaces the one of [DEFAULT]; DATABRICKS_TOKEN alone is not used, as it might
 * go to a host that it was not made for. A daemon outlives the shell that started it, so named profiles never
 * depend on the three.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "conf/problems.h"

typedef enum ListenKind { LISTEN_TCP, LISTEN_UNIX, LISTEN_ABSTRACT } ListenKind;

/* One address to listen on. */
typedef struct ListenSettings {
    ListenKind kind;
    char *host;    /* TCP: a numeric address or a name; else NULL */
    uint16_t port; /* TCP: 0 takes any free one */
    char *path;    /* unix: absolute path; abstract: the name without its NUL; else NULL */
    char *profile; /* every call that comes in here uses it; NULL: the client may choose */
    char *text;    /* as it was written, for messages */
} ListenSettings;

typedef enum ClusterChoice { CLUSTER_CHOICE_PROFILE, CLUSTER_CHOICE_CLIENT } ClusterChoice;

/* The ways of getting a credential, as Databricks' SDKs name them in auth_type; `exec` is ours. */
typedef enum AuthType {
    AUTH_PAT, /* a token as it is, also for servers that are not Databricks */
    AUTH_OAUTH_M2M,
    AUTH_DATABRICKS_CLI,
    AUTH_METADATA_SERVICE,
    AUTH_GITHUB_OIDC,
    AUTH_ENV_OIDC,
    AUTH_FILE_OIDC,
    AUTH_AZURE_MSI,
    AUTH_AZURE_CLIENT_SECRET,
    AUTH_AZURE_CLI,
    AUTH_GOOGLE_CREDENTIALS,
    AUTH_GOOGLE_ID,
    AUTH_EXEC,
    N_AUTH_TYPES
} AuthType;

/* Where a profile's credential comes from: the attributes of unified auth, NULL where not given. */
typedef struct AuthSettings {
    AuthType chain[N_AUTH_TYPES]; /* to be tried in this order; one, when auth_type says so */
    size_t n_chain;               /* 0: nothing is sent */
    bool is_forced;               /* auth_type says so: its own error counts */

    Secret *token;     /* AUTH_PAT */
    char *token_file;  /* AUTH_PAT: where it was read from, to be read again when that changes */
    char *token_place; /* AUTH_PAT: where it was found, for messages: "FILE:LINE", "DATABRICKS_TOKEN" */

    char *client_id;
    Secret *client_secret;
    char *scopes; /* separated by blanks */
    char *account_id, *workspace_id, *group_id;
    char *discovery_url;
    char *token_audience;

    Secret *oidc_token;        /* AUTH_ENV_OIDC: the variable's value at start */
    char *oidc_token_filepath; /* AUTH_FILE_OIDC: read at every mint */
    char *github_request_url;  /* ACTIONS_ID_TOKEN_REQUEST_URL */
    Secret *github_request_token;

    char *azure_client_id, *azure_tenant_id, *azure_workspace_resource_id, *azure_environment;
    Secret *azure_client_secret;

    char *databricks_cli_path;    /* as given; NULL: looked for in PATH */
    char *databricks_cli_profile; /* what the CLI is given with --profile; NULL: --host */
    char *metadata_service_url;
    char *google_service_account;
    Secret *google_credentials; /* JSON, or the path of a file with it */
    char *exec;                 /* a command line for the shell */
} AuthSettings;

/* "oauth-m2m" */
const char *auth_type_name(AuthType type);
bool auth_type_from_name(const char *name, AuthType *ret_type);
void auth_settings_deinit(AuthSettings *auth);

/* Where the calls of one profile go and what they carry. */
typedef struct ProfileSettings {
    char *name;
    char *problem; /* NULL: usable. Else one sentence that says why not and what to do; the rest may be unset.
                    */

    char *host; /* name or numeric address, without scheme; never empty when usable */
    uint16_t port;
    bool use_tls;
    bool databricks; /* from a Databricks `host`, not from `upstream` */
    AuthSettings auth;
    char *cluster_id;
    bool is_serverless; /* serverless_compute_id: x-databricks-session-id in place of a cluster id */
    char *proxy;        /* for REST and token endpoints; NULL: as the environment says */
    uint64_t credential_timeout_ms; /* that a call may wait for a credential */
    ClusterChoice cluster_choice;
    char *ca_file; /* NULL: the system's roots */

    bool warm;                /* connect at start, not at the first call */
    unsigned connections;     /* wished size of the pool, >= 1 */
    unsigned max_connections; /* >= connections */
    uint64_t connect_timeout_ms;
    char *session;              /* the named session of calls that name none; NULL: each client has its own */
    uint64_t resume_timeout_ms; /* that a result stream may be broken before it is given up */
} ProfileSettings;

typedef struct Settings {
    ListenSettings *listens;
    size_t n_listens;
    ProfileSettings *profiles;
    size_t n_profiles;
    char *default_profile; /* NULL when there is none; then a call without a profile is refused */

    bool allow_remote;
    mode_t socket_mode; /* of unix sockets */
    char *control_socket;

    LogLevel log_level;
    bool log_format_is_set; /* false: text on a terminal, journal under systemd */
    LogFormat log_format;
    bool log_calls_is_on;
    LogLevel log_calls; /* level of the line that each ended call gets */

    uint64_t drain_timeout_ms;
    size_t stream_window; /* bytes a stream may hold in the daemon, each way */
    size_t buffer_limit;  /* bytes all streams together may hold before windows shrink */
    size_t header_limit;  /* bytes of one header list */
    unsigned max_client_connections;
    unsigned max_calls_per_connection;
    unsigned max_sessions;
    bool coalesce_releases;

    struct SettingsOrigins *origins; /* for settings_describe(); private to conf, may be NULL */
} Settings;

/* One `--key value` of the command line; `key` is spelled as in config.ini. */
typedef struct SettingsFlag {
    const char *key;
    const char *value;
} SettingsFlag;

/* Where settings come from; everything is borrowed. */
typedef struct SettingsSource {
    const char *config_file; /* --config; NULL: $XDG_CONFIG_HOME/sparkbouncer/config.ini,
                                /etc/sparkbouncer/config.ini */
    const SettingsFlag *flags;
    size_t n_flags;
    const char *const *environment; /* as environ; NULL-terminated */
} SettingsSource;

/*
 * Reads, checks and resolves everything. 0 and *ret_settings (settings_free) when there is no error; -EINVAL
 * and at least one error in `problems` otherwise. Warnings may be added either way.
 */
int settings_load(Settings **ret_settings, const SettingsSource *source, Problems *problems) _must_check_;
/*
 * Only what finding the control socket takes (precedence as above; errors in unrelated keys are ignored), for
 * the commands that talk to a running daemon. Never NULL; free().
 */
char *settings_control_socket(const SettingsSource *source);
Settings *settings_free(Settings *settings);
DEFINE_CLEANUP(Settings *, settings_free);

/* NULL when there is no such profile. */
const ProfileSettings *settings_find_profile(const Settings *settings, const char *name);

/* What `check` prints: each effective value with its origin (file:line, flag, variable, built-in), as text or
 * JSON. free(). Tokens appear only as "set" and their origin. */
char *settings_describe(const Settings *settings, bool json);
