#include "conf/settings.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "conf/listen.h"
#include "conf/origins.h"

static void profile_deinit(ProfileSettings *profile)
{
    free(profile->name);
    free(profile->problem);
    free(profile->host);
    auth_settings_deinit(&profile->auth);
    free(profile->cluster_id);
    free(profile->ca_file);
    free(profile->proxy);
    free(profile->session);
    free(profile->warm_template);
}

static bool is_same_destination(const ProfileSettings *a, const ProfileSettings *b)
{
    return text_is_same(a->host, b->host) && a->port == b->port && a->use_tls == b->use_tls &&
           a->databricks == b->databricks && a->is_local == b->is_local && a->fallback == b->fallback &&
           text_is_same(a->ca_file, b->ca_file) && text_is_same(a->proxy, b->proxy);
}

static bool is_same_cluster(const ProfileSettings *a, const ProfileSettings *b)
{
    return text_is_same(a->cluster_id, b->cluster_id) && a->is_serverless == b->is_serverless &&
           a->cluster_choice == b->cluster_choice && a->autostart == b->autostart &&
           a->cluster_start_timeout_ms == b->cluster_start_timeout_ms;
}

static bool is_same_pool(const ProfileSettings *a, const ProfileSettings *b)
{
    return a->warm == b->warm && a->connections == b->connections &&
           a->max_connections == b->max_connections && a->connect_timeout_ms == b->connect_timeout_ms &&
           a->credential_timeout_ms == b->credential_timeout_ms &&
           a->resume_timeout_ms == b->resume_timeout_ms && a->reattach_period_ms == b->reattach_period_ms &&
           a->keepalive_ms == b->keepalive_ms && a->http2_ping_ms == b->http2_ping_ms &&
           a->http2_ping_force == b->http2_ping_force;
}

bool profile_settings_equal(const ProfileSettings *a, const ProfileSettings *b)
{
    return text_is_same(a->name, b->name) && text_is_same(a->problem, b->problem) &&
           is_same_destination(a, b) && is_same_cluster(a, b) && is_same_pool(a, b) &&
           text_is_same(a->session, b->session) && a->warm_sessions == b->warm_sessions &&
           text_is_same(a->warm_template, b->warm_template) && a->revive == b->revive &&
           a->revive_limit == b->revive_limit && a->spool == b->spool &&
           auth_settings_equal(&a->auth, &b->auth);
}

Settings *settings_ref(Settings *settings)
{
    settings->n_references++;
    return settings;
}

Settings *settings_unref(Settings *settings)
{
    if (settings && settings->n_references > 1) {
        settings->n_references--;
        return NULL;
    }
    return settings_free(settings);
}

Settings *settings_free(Settings *settings)
{
    if (!settings)
        return NULL;
    assert(settings->n_references <= 1);
    for (size_t i = 0; i < settings->n_files; i++)
        free(settings->files[i]);
    free(settings->files);
    for (size_t i = 0; i < settings->n_listens; i++)
        listen_settings_deinit(&settings->listens[i]);
    for (size_t i = 0; i < settings->n_profiles; i++)
        profile_deinit(&settings->profiles[i]);
    free(settings->listens);
    free(settings->profiles);
    free(settings->default_profile);
    free(settings->control_socket);
    free(settings->spool_folder);
    free(settings->metadata_service);
    free(settings->local_spark);
    origins_free(settings->origins);
    free(settings);
    return NULL;
}

const ProfileSettings *settings_find_profile(const Settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->n_profiles; i++)
        if (strcmp(settings->profiles[i].name, name) == 0)
            return &settings->profiles[i];
    return NULL;
}
