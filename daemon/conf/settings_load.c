#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "conf/address.h"
#include "conf/listen.h"
#include "conf/loader.h"

void loader_deinit(Loader *loader)
{
    settings_free(loader->settings);
    ini_document_free(loader->config);
    ini_document_free(loader->databricks);
    free(loader->databricks_path);
    given_deinit(&loader->choice);
    free(loader->environment_profile);
}

/* What follows from the value, where that says more than the value itself. */
static void append_effective(const Loader *loader, const ConfigKey *key, Text *effective)
{
    const Settings *settings = loader->settings;
    if (strcmp(key->name, "control_socket") == 0)
        text_append(effective, settings->control_socket ? settings->control_socket : "");
    if (strcmp(key->name, "spool_folder") == 0)
        text_append(effective, settings->spool_folder ? settings->spool_folder : "");
    if (strcmp(key->name, "databricks_config_file") == 0 && loader->databricks_path)
        text_append(effective, loader->databricks_path);
    for (size_t i = 0; strcmp(key->name, "listen") == 0 && i < settings->n_listens; i++) {
        if (i > 0)
            text_append(effective, ", ");
        listen_append(effective, &settings->listens[i]);
    }
}

/* What the environment says where nothing is given. */
static void apply_nothing(Loader *loader, const ConfigKey *key)
{
    Environment environment = loader->source->environment;
    if (strcmp(key->name, "control_socket") == 0)
        loader->settings->control_socket = path_default_control_socket(environment);
    if (strcmp(key->name, "spool_folder") == 0)
        loader->settings->spool_folder = path_temporary_directory(environment);
}

static void apply_key(Loader *loader, const ConfigKey *key)
{
    _cleanup_(given_deinit) Given given = loader_find(loader, key);
    _cleanup_(text_deinit) Text effective = TEXT_NULL;
    if (given.text)
        (void)loader_apply(loader, key, &given, loader->settings); /* else it is in the problems */
    else
        apply_nothing(loader, key);
    if (key->type->is_secret && given.text)
        text_append(&effective, "set");
    append_effective(loader, key, &effective);
    origins_add(loader->settings->origins, NULL, key->name,
                effective.length ? text_string(&effective) : given.text,
                given.text ? given.place : "built-in");
}

/* `profile` is not among them: loader_choose_profile() sees to it. */
static void apply_daemon_keys(Loader *loader)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        if (CONFIG_KEYS[i].section == CONFIG_SPARKBOUNCER && strcmp(CONFIG_KEYS[i].name, "profile") != 0)
            apply_key(loader, &CONFIG_KEYS[i]);
}

/* The beginning of a sentence about a daemon key that has been stored. free(). */
static char *label_of(const Loader *loader, const char *name)
{
    const ConfigKey *key = config_key_find(CONFIG_SPARKBOUNCER, name);
    _cleanup_(given_deinit) Given given = loader_find(loader, key);
    if (!given.text)
        given = given_new(GIVEN_BUILT_IN, "", name);
    return given_label(&given, key);
}

static void check_listen(Loader *loader, const ListenSettings *listen)
{
    const Settings *settings = loader->settings;
    _cleanup_(mem_freep) char *label = label_of(loader, "listen");
    if (listen->kind == LISTEN_TCP && !settings->allow_remote && !address_is_loopback(listen->host))
        problems_add_error(loader->problems,
                           "%s: %s is not a loopback address, and whoever reaches it uses your tokens; write "
                           "127.0.0.1, or allow_remote = yes",
                           label, listen->host);
    if (listen->profile && !settings_find_profile(settings, listen->profile))
        loader_complain_missing(loader, label, listen->profile);
}

static void check_daemon(Loader *loader)
{
    const Settings *settings = loader->settings;
    const size_t limit = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    for (size_t i = 0; i < settings->n_listens; i++)
        check_listen(loader, &settings->listens[i]);
    if (settings->buffer_limit < settings->stream_window) {
        _cleanup_(mem_freep) char *label = label_of(loader, "buffer_limit");
        problems_add_error(loader->problems, "%s: must not be below stream_window", label);
    }
    if (settings->control_socket && strlen(settings->control_socket) > limit) {
        _cleanup_(mem_freep) char *label = label_of(loader, "control_socket");
        problems_add_error(loader->problems, "%s: the path of a unix socket may have %zu bytes", label,
                           limit);
    }
}

static bool is_bound(const Settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->n_listens; i++)
        if (settings->listens[i].profile && strcmp(settings->listens[i].profile, name) == 0)
            return true;
    return false;
}

/* ~/.databrickscfg may hold profiles that are not for us; one that we were told to use must work, or have
 * something to fall back to. */
static void check_profiles(Loader *loader)
{
    const Settings *settings = loader->settings;
    for (size_t i = 0; i < settings->n_profiles; i++) {
        const ProfileSettings *profile = &settings->profiles[i];
        bool is_default = settings->default_profile && strcmp(settings->default_profile, profile->name) == 0;
        if (!profile->problem)
            continue;
        if (profile->fallback == FALLBACK_LOCAL)
            problems_add_warning(loader->problems,
                                 "%s (fallback = local: new sessions get a local Spark server)",
                                 profile->problem);
        else if ((is_default && loader->choice_is_named) || is_bound(settings, profile->name) ||
                 config_find_profile(loader->config, profile->name))
            problems_add_error(loader->problems, "%s", profile->problem);
        else if (is_default)
            problems_add_warning(loader->problems, "%s", profile->problem);
    }
}

void loader_note_file(Loader *loader, const char *path)
{
    Settings *settings = loader->settings;
    if (!settings)
        return; /* only something small is looked for */
    settings->files = mem_resize(settings->files, (settings->n_files + 1) * sizeof settings->files[0]);
    settings->files[settings->n_files++] = mem_copy_string(path);
}

static void note_token_files(Loader *loader)
{
    for (size_t i = 0; i < loader->settings->n_profiles; i++)
        if (loader->settings->profiles[i].auth.token_file)
            loader_note_file(loader, loader->settings->profiles[i].auth.token_file);
}

static int load(Loader *loader)
{
    size_t n_errors = loader->problems->n_errors;
    loader->settings = mem_new(Settings);
    loader->settings->origins = mem_new(SettingsOrigins);
    loader->settings->n_references = 1;
    loader_check_flags(loader);
    loader_check_variables(loader);
    loader_read_config(loader);
    loader_read_databricks(loader);
    apply_daemon_keys(loader);
    loader_choose_profile(loader);
    loader_resolve_profiles(loader);
    check_daemon(loader);
    check_profiles(loader);
    note_token_files(loader);
    return loader->problems->n_errors > n_errors ? -EINVAL : 0;
}

int settings_load(Settings **ret_settings, const SettingsSource *source, Problems *problems)
{
    _cleanup_(loader_deinit) Loader loader = {.source = source, .problems = problems, .choice = GIVEN_NULL};
    int r = load(&loader);
    if (r == 0)
        *ret_settings = steal(loader.settings);
    return r;
}

int settings_check(char **ret_description, const SettingsSource *source, bool json, Problems *problems)
{
    _cleanup_(loader_deinit) Loader loader = {.source = source, .problems = problems, .choice = GIVEN_NULL};
    int r = load(&loader);
    *ret_description = settings_describe(loader.settings, json);
    return r;
}

void settings_check_servable(const Settings *settings, Problems *problems)
{
    if (settings->n_profiles == 0)
        problems_add_error(problems, "there is no profile to serve; write host and token into "
                                     "~/.databrickscfg, or a section [profile NAME] with upstream = sc://… "
                                     "into config.ini");
}

char *settings_control_socket(const SettingsSource *source)
{
    Problems ignored = PROBLEMS_NULL;
    _cleanup_(loader_deinit) Loader loader = {.source = source, .problems = &ignored, .choice = GIVEN_NULL};
    loader_read_config(&loader);
    _cleanup_(given_deinit) Given given =
        loader_find(&loader, config_key_find(CONFIG_SPARKBOUNCER, "control_socket"));
    problems_deinit(&ignored);
    return given.text && *given.text ? path_expand(given.text, source->environment)
                                     : path_default_control_socket(source->environment);
}
