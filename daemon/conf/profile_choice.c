#include <string.h>

#include "conf/auth_attribute.h"
#include "conf/databrickscfg.h"
#include "conf/loader.h"
#include "conf/suggestion.h"

#define LISTED_PROFILES 20 /* in a sentence; more help nobody */

/* The path by our own setting; NULL when that is not set. Missing is an error there. */
static char *own_path(Loader *loader, Given *ret_given)
{
    const ConfigKey *key = config_key_find(CONFIG_SPARKBOUNCER, "databricks_config_file");
    *ret_given = loader_find(loader, key);
    if (!ret_given->text || !*ret_given->text)
        return NULL;
    return path_expand(ret_given->text, loader->source->environment);
}

void loader_read_databricks(Loader *loader)
{
    Environment environment = loader->source->environment;
    _cleanup_(given_deinit) Given given = GIVEN_NULL;
    char *own = own_path(loader, &given);
    loader->databricks_path = own ? own : databrickscfg_path(environment);
    if (!loader->databricks_path)
        return;
    loader_note_file(loader, loader->databricks_path);
    int r = databrickscfg_load(&loader->databricks, loader->databricks_path, loader->problems);
    if (r != INI_DOCUMENT_MISSING)
        return;
    if (own) {
        const ConfigKey *key = config_key_find(CONFIG_SPARKBOUNCER, "databricks_config_file");
        _cleanup_(mem_freep) char *label = given_label(&given, key);
        problems_add_error(loader->problems, "%s: there is no such file", label);
    } else if (environment_get(environment, "DATABRICKS_CONFIG_FILE")) {
        problems_add_warning(loader->problems, "DATABRICKS_CONFIG_FILE=%s: there is no such file",
                             loader->databricks_path);
    }
}

/* Once a name. */
static void add_profile(Settings *settings, const char *name)
{
    if (settings_find_profile(settings, name))
        return;
    settings->profiles =
        mem_resize(settings->profiles, (settings->n_profiles + 1) * sizeof settings->profiles[0]);
    settings->profiles[settings->n_profiles++] = (ProfileSettings){.name = mem_copy_string(name)};
}

static void add_profiles(Loader *loader)
{
    const IniDocument *databricks = loader->databricks, *config = loader->config;
    Settings *settings = loader->settings;
    for (size_t i = 0; databricks && i < databricks->n_sections; i++)
        if (databrickscfg_is_profile(&databricks->sections[i]))
            add_profile(settings, databricks->sections[i].name);
    if (loader->environment_is_on)
        add_profile(settings, "DEFAULT");
    for (size_t i = 0; config && i < config->n_sections; i++)
        if (config_profile_name(&config->sections[i]))
            add_profile(settings, config_profile_name(&config->sections[i]));
}

void loader_resolve_profiles(Loader *loader)
{
    for (size_t i = 0; i < loader->settings->n_profiles; i++)
        loader_resolve_profile(loader, &loader->settings->profiles[i]);
}

void loader_complain_missing(Loader *loader, const char *label, const char *name)
{
    const Settings *settings = loader->settings;
    _cleanup_(text_deinit) Text names = TEXT_NULL;
    Suggestion suggestion = SUGGESTION_FOR(name);
    for (size_t i = 0; i < settings->n_profiles; i++) {
        suggestion_offer(&suggestion, settings->profiles[i].name);
        if (i < LISTED_PROFILES)
            text_printf(&names, "%s%s", i ? ", " : "", settings->profiles[i].name);
    }
    if (settings->n_profiles > LISTED_PROFILES)
        text_append(&names, ", ...");
    if (suggestion.name)
        problems_add_error(loader->problems, "%s: no profile \"%s\"; did you mean %s? There are: %s", label,
                           name, suggestion.name, text_string(&names));
    else if (settings->n_profiles > 0)
        problems_add_error(loader->problems, "%s: no profile \"%s\"; there are: %s", label, name,
                           text_string(&names));
    else
        problems_add_error(loader->problems, "%s: no profile \"%s\", nor any other; add [%s] to %s", label,
                           name, name, loader->databricks_path ? loader->databricks_path : "config.ini");
}

/* By our flag, variable or key. */
static Given find_ours(Loader *loader)
{
    const ConfigKey *key = config_key_find(CONFIG_SPARKBOUNCER, "profile");
    Given given = loader_find(loader, key);
    if (!given.text || !loader_apply(loader, key, &given, loader->settings))
        given_deinit(&given);
    return given;
}

/* By the variables of Databricks' tools. */
static Given find_theirs(const Loader *loader)
{
    Environment environment = loader->source->environment;
    Given given = given_from_variable(environment, "DATABRICKS_CONFIG_PROFILE");
    return given.text ? given : given_from_variable(environment, "DATABRICKS_PROFILE");
}

static Given find_unnamed(const Loader *loader)
{
    const Settings *settings = loader->settings;
    const IniEntry *entry = databrickscfg_default_profile(loader->databricks);
    if (loader->environment_is_on)
        return given_new(GIVEN_VARIABLE, "DEFAULT",
                         auth_attribute_login_variable(loader->source->environment));
    if (entry)
        return given_from_entry(loader->databricks, entry);
    if (settings_find_profile(settings, "DEFAULT"))
        return given_new(GIVEN_BUILT_IN, "DEFAULT", "built-in");
    if (settings->n_profiles == 1)
        return given_new(GIVEN_BUILT_IN, settings->profiles[0].name, "the only profile");
    return (Given)GIVEN_NULL;
}

/* The sentence begins with what named the profile. */
static void complain_missing_choice(Loader *loader)
{
    const Given *choice = &loader->choice;
    const ConfigKey *key = config_key_find(CONFIG_SPARKBOUNCER, "profile");
    _cleanup_(mem_freep) char *label = given_label(choice, key);
    bool is_ours = loader->choice_is_named;
    loader_complain_missing(loader, is_ours ? label : choice->place, choice->text);
}

/* Without a file the SDKs take a named profile for nothing more than a name: the environment says it all. */
static void add_nameless(Loader *loader)
{
    if (!loader->databricks && auth_attribute_login_variable(loader->source->environment))
        add_profile(loader->settings, loader->choice.text);
}

void loader_choose_profile(Loader *loader)
{
    Settings *settings = loader->settings;
    bool is_ours;
    loader->choice = find_ours(loader);
    is_ours = loader->choice.text != NULL;
    if (!is_ours)
        loader->choice = find_theirs(loader);
    loader->choice_is_named = loader->choice.text != NULL;
    loader->environment_is_on =
        !loader->choice_is_named && auth_attribute_login_variable(loader->source->environment);
    add_profiles(loader);
    if (!loader->choice_is_named)
        loader->choice = find_unnamed(loader);
    else if (!is_ours)
        add_nameless(loader);
    const Given *choice = &loader->choice;
    if (choice->text && settings_find_profile(settings, choice->text))
        settings->default_profile = mem_copy_string(choice->text);
    else if (choice->text)
        complain_missing_choice(loader);
    if (settings->default_profile && !is_ours)
        loader->environment_profile = mem_copy_string(settings->default_profile);
    origins_add(settings->origins, NULL, "profile", choice->text, choice->text ? choice->place : "built-in");
}
