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

/* Where the calls of one profile go and what they carry. */
typedef struct ProfileSettings {
    char *name;
    char *problem; /* NULL: usable. Else one sentence that says why not and what to do; the rest may be unset.
                    */

    char *host; /* name or numeric address, without scheme; never empty when usable */
    uint16_t port;
    bool use_tls;
    bool databricks; /* from a Databricks `host`, not from `upstream` */
    Secret *token;   /* NULL: none is sent */
    char *cluster_id;
    ClusterChoice cluster_choice;
    char *ca_file; /* NULL: the system's roots */

    bool warm;                /* connect at start, not at the first call */
    unsigned connections;     /* wished size of the pool, >= 1 */
    unsigned max_connections; /* >= connections */
    uint64_t connect_timeout_ms;
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
