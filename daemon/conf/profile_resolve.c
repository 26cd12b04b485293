#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "conf/address.h"
#include "conf/databrickscfg.h"
#include "conf/profile_draft.h"

#define PING_LEAST_MS (5 * 60 * 1000)

static bool stands_alone(const ConfigKey *key)
{
    return key->section == CONFIG_PROFILE && key->type->store;
}

static Given find_own(const Draft *draft, const ConfigKey *key)
{
    Given given = draft_find_in_section(draft, key->name);
    return given.text || !key->default_text ? given
                                            : given_new(GIVEN_BUILT_IN, key->default_text, "built-in");
}

static void apply_own_keys(Draft *draft)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const ConfigKey *key = &CONFIG_KEYS[i];
        if (!stands_alone(key))
            continue;
        _cleanup_(given_deinit) Given given = find_own(draft, key);
        if (given.text)
            (void)loader_apply(draft->loader, key, &given, draft->profile); /* else it is in the problems */
    }
}

/* max_connections follows connections unless both are given. */
static void check_pool(Draft *draft)
{
    ProfileSettings *profile = draft->profile;
    _cleanup_(given_deinit) Given most = draft_find_in_section(draft, "max_connections");
    if (profile->connections <= profile->max_connections)
        return;
    if (!most.text)
        profile->max_connections = profile->connections;
    else
        problems_add_error(draft->loader->problems,
                           "%s: max_connections = %u: must not be below connections = %u", most.place,
                           profile->max_connections, profile->connections);
}

static void check_ca_file(Draft *draft)
{
    ProfileSettings *profile = draft->profile;
    _cleanup_(given_deinit) Given given = draft_find_in_section(draft, "ca_file");
    if (profile->ca_file && *profile->ca_file == '/' && access(profile->ca_file, R_OK) < 0)
        problems_add_error(draft->loader->problems, "%s: ca_file = %s: cannot be read: %s", given.place,
                           profile->ca_file, strerror(errno));
}

/* grpc-java, in which servers are written, closes a connection after the third ping that came too early. */
static void check_ping(Draft *draft)
{
    const ProfileSettings *profile = draft->profile;
    _cleanup_(given_deinit) Given given = draft_find_in_section(draft, "http2_ping");
    if (given.text && profile->http2_ping_ms > 0 && profile->http2_ping_ms < PING_LEAST_MS &&
        !profile->http2_ping_force)
        problems_add_error(draft->loader->problems,
                           "%s: http2_ping = %s: Spark servers close connections that ping more often than "
                           "every 5m; write 5m or more, or http2_ping_force = yes if yours does not",
                           given.place, given.text);
}

/* As PySpark has it: a token means TLS, unless use_ssl says otherwise or the host is this one. */
static void resolve_upstream_tls(Draft *draft)
{
    ProfileSettings *profile = draft->profile;
    if (!profile->host || profile->databricks)
        return;
    bool is_near = address_is_loopback(profile->host);
    bool has_token = profile->auth.n_chain > 0;
    profile->use_tls = draft->url.use_ssl_is_set ? draft->url.use_ssl : has_token && !is_near;
    if (has_token && !profile->use_tls && !is_near)
        problems_add_warning(draft->loader->problems,
                             "%s: use_ssl=false sends the token of profile %s over the network unencrypted",
                             draft->destination.given.place, profile->name);
}

/* The destination as `check` shows it, without what may be secret. */
static void note_destination(const Draft *draft)
{
    const ProfileSettings *profile = draft->profile;
    _cleanup_(text_deinit) Text address = TEXT_NULL;
    const char *key = draft->destination.given.text && !profile->databricks ? "upstream" : "host";
    if (profile->is_local) {
        text_append(&address, "local");
    } else if (profile->host) {
        bool is_ipv6 = strchr(profile->host, ':') != NULL;
        const char *scheme = !profile->databricks ? "sc" : profile->use_tls ? "https" : "http";
        text_printf(&address, is_ipv6 ? "%s://[%s]" : "%s://%s", scheme, profile->host);
        if (!profile->databricks || profile->port != 443)
            text_printf(&address, ":%u", profile->port);
        if (!profile->databricks && profile->use_tls)
            text_append(&address, "/;use_ssl=true");
    }
    draft_note(draft, key, profile->host ? text_string(&address) : NULL, &draft->destination.given);
}

static void note_own_keys(const Draft *draft)
{
    const ProfileSettings *profile = draft->profile;
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const ConfigKey *key = &CONFIG_KEYS[i];
        if (!stands_alone(key))
            continue;
        _cleanup_(given_deinit) Given given = find_own(draft, key);
        _cleanup_(text_deinit) Text raised = TEXT_NULL;
        bool is_raised = strcmp(key->name, "max_connections") == 0 && given.kind == GIVEN_BUILT_IN;
        if (is_raised) /* perhaps: see check_pool() */
            text_printf(&raised, "%u", profile->max_connections);
        const char *value = given.text && key->type->is_secret ? "set" : given.text;
        draft_note(draft, key->name, is_raised ? text_string(&raised) : value, &given);
    }
}

static void note_all(const Draft *draft)
{
    const ProfileSettings *profile = draft->profile;
    note_destination(draft);
    draft_note_auth(draft);
    draft_note_cluster(draft);
    note_own_keys(draft);
    if (profile->problem)
        draft_note(draft, "problem", profile->problem, &draft->destination.given);
}

static const IniSection *find_base(const Loader *loader, const char *name)
{
    const IniSection *section = ini_document_find(loader->databricks, name);
    return section && databrickscfg_is_profile(section) ? section : NULL;
}

void loader_resolve_profile(Loader *loader, ProfileSettings *profile)
{
    bool is_default = loader->environment_profile && strcmp(loader->environment_profile, profile->name) == 0;
    _cleanup_(draft_deinit) Draft draft = {
        .loader = loader,
        .section = config_find_profile(loader->config, profile->name),
        .base = is_default && loader->environment_is_on ? NULL : find_base(loader, profile->name),
        .has_environment = is_default,
        .profile = profile,
    };
    draft_resolve_destination(&draft);
    draft_resolve_auth(&draft);
    resolve_upstream_tls(&draft);
    draft_resolve_cluster(&draft);
    apply_own_keys(&draft);
    check_pool(&draft);
    check_ping(&draft);
    check_ca_file(&draft);
    note_all(&draft);
}
