#pragma once

/*
 * Settings: everything the daemon was told, as one immutable value. Loaded whole or not at all, from flags,
 * SPARKBOUNCER_* variables, config.ini, ~/.databrickscfg and built-in defaults, in that order of precedence.
 * No I/O after loading; any thread.
 *
 * Profiles are the sections of ~/.databrickscfg and the [profile X] of config.ini, which add to them key by
 * key. Which one is the default: --profile, SPARKBOUNCER_PROFILE, `profile` of config.ini,
 * DATABRICKS_CONFIG_PROFILE, DATABRICKS_PROFILE, then `default_profile` of [__settings__], DEFAULT, the only
 * one there is.
 *
 * The variables of Databricks' tools (DATABRICKS_*, ARM_*, GOOGLE_CREDENTIALS, ACTIONS_*) speak for the
 * default profile alone, and only if none of the first three names it: then it is what the SDKs' own Config()
 * resolves here. A variable beats the file; and when nothing names a profile while a variable says where or
 * how to log in, the file is not looked at and the variables take the place of [DEFAULT]. A daemon outlives
 * the shell that started it, so all other profiles depend on no variable but one that they ask for
 * (oidc_token_env, auth_type = env-oidc or github-oidc). [profile X] stands above both.
 *
 * A secret belongs to the host that it was written beside, in the same source: a token from the environment
 * with a host from the file, or the other way round, is refused, as is [profile X] with a new host for an old
 * token. What stands in [profile X] without a host is for the host of [X] in the file.
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

/* Who may start a cluster that is off: it costs money. */
typedef enum Autostart {
    AUTOSTART_NEVER, /* nobody through the daemon */
    AUTOSTART_ASK,   /* a person, by `sparkbouncer start` */
    AUTOSTART_YES,   /* a call, too */
} Autostart;

/* What becomes of new sessions whose profile cannot be used or whose server cannot be reached. */
typedef enum FallbackChoice {
    FALLBACK_NO,    /* they are told why */
    FALLBACK_LOCAL, /* they get a local Spark server */
} FallbackChoice;

typedef enum ClusterChoice { CLUSTER_CHOICE_PROFILE, CLUSTER_CHOICE_CLIENT } ClusterChoice;

/*
 * The ways of getting a credential, as Databricks' SDKs name them in auth_type; `exec` is ours. With
 * auth_type only that one counts. Else attributes of two families are the SDKs' error "more than one
 * authorization method configured", and what is configured is used alone: as in Python, where it failing is
 * the end, and not as in Go, which would go on to whoever is logged in to the CLI. Only with nothing (or half
 * of something) configured is tried what can be found out at run time: github-oidc where GitHub's variables
 * are set (as in Go, without a client_id), databricks-cli and, on Azure, azure-cli: in Go's order, since a
 * login to this very workspace says more than one to the cloud; but azure-cli first if an attribute of Azure
 * is given.
 *
 * Where the SDKs differ otherwise: an empty value in a file is none (Go); azure_use_msi = no means no (Go); a
 * host may have a path, which is dropped, and a query, of which ?o= is the workspace_id and ?a= the
 * account_id (Go); an Azure workspace behind another name is known by
 * azure_workspace_resource_id (Go); keys are read in any case (Python) and under both SDKs' names; [DEFAULT]
 * is named to the CLI with --profile (Go).
 */
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

/* Where a profile's credential comes from: the attributes of unified auth, NULL where not given. Secrets that
 * no way of the chain uses are not kept. */
typedef struct AuthSettings {
    AuthType chain[N_AUTH_TYPES]; /* to be tried in this order; one, when auth_type says so */
    size_t n_chain;               /* 0: nothing is sent */
    bool is_forced;               /* auth_type says so: its own error counts */

    Secret *token;     /* AUTH_PAT */
    char *token_file;  /* AUTH_PAT: the path it was read from, to be read again when that changes; or NULL */
    char *token_place; /* AUTH_PAT: where it was found, for messages: "FILE:LINE", "DATABRICKS_TOKEN", or the
                          path of token_file */

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

    char *azure_client_id, *azure_tenant_id, *azure_workspace_resource_id;
    char *azure_environment; /* PUBLIC, USGOVERNMENT or CHINA */
    Secret *azure_client_secret;

    char *databricks_cli_path;    /* as given; NULL: looked for in PATH */
    char *databricks_cli_profile; /* what the CLI is given with --profile; NULL: --host */
    char *databricks_config_file; /* the file with that profile, as DATABRICKS_CONFIG_FILE; NULL with it */
    char *metadata_service_url;
    char *google_service_account;
    Secret *google_credentials; /* JSON, or the path of a file with it */
    char *exec;                 /* a command line for the shell */
} AuthSettings;

/* "oauth-m2m"; read in any case. */
const char *auth_type_name(AuthType type);
bool auth_type_from_name(const char *name, AuthType *ret_type);
void auth_settings_deinit(AuthSettings *auth);
/* Whether they get the same credential. token_place is no part of it: a line more above a token changes
 * nothing. Secrets are compared as secret_equal() does. */
bool auth_settings_equal(const AuthSettings *a, const AuthSettings *b);

/* Where the calls of one profile go and what they carry. */
typedef struct ProfileSettings {
    char *name;
    char *problem; /* NULL: usable. Else one sentence that says why not and what to do; the rest may be unset.
                    */

    char *host;    /* name or numeric address, without scheme; never empty when usable */
    bool is_local; /* upstream = local: the local Spark server, wherever it is; `host` is "local", no port */
    FallbackChoice fallback;
    uint16_t port;
    bool use_tls;
    bool databricks; /* from a Databricks `host`, not from `upstream` */
    bool is_shared;  /* has a section in ~/.databrickscfg, so that Databricks' own tools know its name */
    AuthSettings auth;
    char *cluster_id;
    bool is_serverless; /* serverless_compute_id: x-databricks-session-id in place of a cluster id */
    char *proxy;        /* for REST and token endpoints; NULL: as the environment says */
    uint64_t credential_timeout_ms; /* that a call may wait for a credential */
    ClusterChoice cluster_choice;
    Autostart autostart;
    uint64_t cluster_start_timeout_ms; /* that a start may take, and that calls wait for it */
    char *ca_file;                     /* NULL: the system's roots */

    bool warm;                /* connect at start, not at the first call */
    unsigned connections;     /* wished size of the pool, >= 1 */
    unsigned max_connections; /* >= connections */
    uint64_t connect_timeout_ms;
    uint64_t keepalive_ms;      /* of TCP; also until the peer counts as gone; 0: none */
    uint64_t http2_ping_ms;     /* between pings while calls run; 0: none */
    bool http2_ping_force;      /* less than 5 minutes is wanted */
    unsigned warm_sessions;     /* made ahead for each user */
    char *warm_template;        /* the named session that they are clones of; NULL: none */
    char *session;              /* the named session of calls that name none; NULL: each client has its own */
    uint64_t resume_timeout_ms; /* that a result stream may be broken before it is given up */
    uint64_t reattach_period_ms; /* of an operation whose client does not read; 0: never */
    size_t spool;                /* bytes of a result that may be read ahead to disk; 0: none */
    bool revive;                 /* make a session that the server has lost again */
    size_t revive_limit;         /* bytes kept of one session for that */
} ProfileSettings;

/* Whether a reload may leave connections and credentials of the one to the other: all but the places, which
 * are for messages, is the same. */
bool profile_settings_equal(const ProfileSettings *a, const ProfileSettings *b);

/* Counted by reference: what was made from one value outlives its successor's coming. */
typedef struct Settings {
    unsigned n_references;
    char **files; /* that this was read from, or would have been were they there; a change of one matters */
    size_t n_files;

    ListenSettings *listens;
    size_t n_listens;
    ProfileSettings *profiles;
    size_t n_profiles;
    char *default_profile; /* NULL when there is none; then a call without a profile is refused */

    bool allow_remote;
    mode_t socket_mode; /* of unix sockets */
    char *control_socket;
    char *metadata_service; /* "127.0.0.1:PORT"; NULL: none */

    LogLevel log_level;
    bool log_format_is_set; /* false: text on a terminal, journal under systemd */
    LogFormat log_format;
    bool log_calls_is_on;
    LogLevel log_calls; /* level of the line that each ended call gets */

    uint64_t drain_timeout_ms;
    size_t stream_window; /* bytes a stream may hold in the daemon, each way */
    size_t buffer_limit;  /* bytes all streams together may hold before windows shrink */
    size_t spool_limit;   /* bytes that all results read ahead may take on disk */
    char *spool_folder;   /* absolute */
    size_t header_limit;  /* bytes of one header list */
    unsigned max_client_connections;
    unsigned max_calls_per_connection;
    unsigned max_sessions;
    uint64_t session_idle_timeout_ms; /* without a call, after which a session is forgotten */
    uint64_t orphan_grace_ms;         /* 0: what a client leaves behind runs on */
    bool coalesce_releases;
    uint64_t guest_idle_timeout_ms; /* without a call, after which a guest profile is forgotten */
    char *local_spark; /* a command line for the shell with {port} in it; NULL: PySpark is looked for */
    uint64_t local_idle_timeout_ms; /* without a call, after which the local Spark server is stopped */

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
/* Adds an error when a daemon would have nothing to do: there is no profile. */
void settings_check_servable(const Settings *settings, Problems *problems);
/*
 * Only what finding the control socket takes (precedence as above; errors in unrelated keys are ignored), for
 * the commands that talk to a running daemon. Never NULL; free().
 */
char *settings_control_socket(const SettingsSource *source);
/*
 * A profile that somebody hands over at run time, as a value of its own with that one profile in it, named
 * `label`. Checked as one of a file is. 0 and *ret_settings, or -EINVAL and one error, which begins with the
 * label. The token is copied; wiping the caller's is up to the caller.
 */
typedef struct GuestProfile {
    const char *label; /* for logs, status and messages */
    const char *host;  /* https://... of a workspace, or sc://... of another server */
    const char *token;
    const char *cluster_id; /* NULL: none */
    bool is_serverless;
} GuestProfile;
int settings_load_guest(Settings **ret_settings, const GuestProfile *guest, Problems *problems) _must_check_;

/* The one profile of a server that we have started on 127.0.0.1, named `label`. The token is copied; wiping
 * the caller's is up to the caller. One reference, the caller's. */
Settings *settings_new_local(const char *label, uint16_t port, const char *token);

/* settings_load() gives one reference to its caller. */
Settings *settings_ref(Settings *settings);
/* Frees with the last one. Takes NULL; returns NULL. Loop thread, once it is shared. */
Settings *settings_unref(Settings *settings);
DEFINE_CLEANUP(Settings *, settings_unref);
/* The same for those who have shared it with nobody. */
Settings *settings_free(Settings *settings);
DEFINE_CLEANUP(Settings *, settings_free);

/* NULL when there is no such profile. */
const ProfileSettings *settings_find_profile(const Settings *settings, const char *name);

/*
 * What `check` prints: each effective value with its origin (file:line, flag, variable, built-in), as text or
 * JSON. In the latter `profiles` is a list of {name, host, auth_type, auth_types, cluster_id,
 * serverless_compute_id, error, origins}, null where there is none; auth_type is the first of those to be
 * tried. free(). Secrets appear only as "set" and their origin.
 */
char *settings_describe(const Settings *settings, bool json);
/* The same of settings that are only looked at: also of what could be read when there are errors. 0 or
 * -EINVAL as settings_load(); the description either way, to be freed. */
int settings_check(char **ret_description, const SettingsSource *source, bool json,
                   Problems *problems) _must_check_;
