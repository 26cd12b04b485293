#include "conf/settings.h"

#include <string.h>

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
}

Settings *settings_free(Settings *settings)
{
    if (!settings)
        return NULL;
    for (size_t i = 0; i < settings->n_listens; i++)
        listen_settings_deinit(&settings->listens[i]);
    for (size_t i = 0; i < settings->n_profiles; i++)
        profile_deinit(&settings->profiles[i]);
    free(settings->listens);
    free(settings->profiles);
    free(settings->default_profile);
    free(settings->control_socket);
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
