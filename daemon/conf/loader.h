#pragma once

/* Loader: what settings_load() knows while it works; private to conf. One call, one thread. */

#include "conf/given.h"
#include "conf/ini_document.h"
#include "conf/origins.h"
#include "conf/settings.h"

typedef struct Loader {
    const SettingsSource *source;
    Problems *problems;
    Settings *settings;

    IniDocument *config;     /* config.ini; NULL: none */
    IniDocument *databricks; /* ~/.databrickscfg; NULL: none */
    char *databricks_path;   /* also when there is no such file; NULL: no home */

    Given choice;              /* the default profile's name */
    bool choice_is_named;      /* by flag, variable or config.ini: it must be there and usable */
    bool environment_is_on;    /* variables that say where or how to log in stand in for [DEFAULT] */
    char *environment_profile; /* the one that variables of Databricks' tools speak for; NULL: none */
} Loader;

void loader_deinit(Loader *loader);
/* Adds to settings->files. */
void loader_note_file(Loader *loader, const char *path);

/* config_source.c: config.ini and the precedence of its sources. */
void loader_check_flags(Loader *loader);
void loader_check_variables(Loader *loader);
void loader_read_config(Loader *loader);
/* The value of a key of [sparkbouncer]: flag, variable, file, built-in. */
Given loader_find(const Loader *loader, const ConfigKey *key);
/* Stores a value, or adds the error. False after an error. */
bool loader_apply(Loader *loader, const ConfigKey *key, const Given *given, void *target);
/* The X of a section named "profile X"; NULL for other sections. */
const char *config_profile_name(const IniSection *section);
/* NULL when `config` is NULL or has no such section. */
const IniSection *config_find_profile(const IniDocument *config, const char *name);

/* profile_choice.c: which profiles there are, and the default one. */
void loader_read_databricks(Loader *loader);
/* Adds all profiles by name, and sets the default one, which decides what the environment may do. */
void loader_choose_profile(Loader *loader);
void loader_resolve_profiles(Loader *loader);
/* Adds the error that says which profiles there are. */
void loader_complain_missing(Loader *loader, const char *label, const char *name);

/* profile_resolve.c: fills in a profile that has its name, usable or with its problem. */
void loader_resolve_profile(Loader *loader, ProfileSettings *profile);
