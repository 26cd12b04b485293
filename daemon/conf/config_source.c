#include <ctype.h>
#include <string.h>

#include "conf/auth_attribute.h"
#include "conf/file.h"
#include "conf/loader.h"
#include "conf/suggestion.h"

#define DAEMON_SECTION "sparkbouncer"
#define SYSTEM_CONFIG  "/etc/sparkbouncer/config.ini"

void loader_check_flags(Loader *loader)
{
    for (size_t i = 0; i < loader->source->n_flags; i++) {
        const char *typed = loader->source->flags[i].key;
        if (config_key_find(CONFIG_SPARKBOUNCER, typed))
            continue;
        const char *name = config_key_suggest(CONFIG_SPARKBOUNCER, typed);
        _cleanup_(mem_freep) char *meant =
            name ? config_key_flag(config_key_find(CONFIG_SPARKBOUNCER, name)) : NULL;
        problems_add_error(loader->problems,
                           meant ? "--%s: unknown option; did you mean %s?"
                                 : "--%s: unknown option; see sparkbouncer --help%s",
                           typed, meant ? meant : "");
    }
}

/* Only a warning, and only for what looks like a slip: others may use the prefix for their own ends. */
void loader_check_variables(Loader *loader)
{
    static const char PREFIX[] = "SPARKBOUNCER_";
    for (Environment p = loader->source->environment; p && *p; p++) {
        if (strncmp(*p, PREFIX, strlen(PREFIX)) != 0)
            continue;
        const char *start = *p + strlen(PREFIX);
        _cleanup_(mem_freep) char *typed = mem_copy_bytes_as_string(start, strcspn(start, "="));
        for (char *c = typed; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        const char *name = config_key_suggest(CONFIG_SPARKBOUNCER, typed);
        if (!name || config_key_find(CONFIG_SPARKBOUNCER, typed))
            continue;
        _cleanup_(mem_freep) char *meant = config_key_variable(config_key_find(CONFIG_SPARKBOUNCER, name));
        problems_add_warning(loader->problems, "%.*s: unknown variable; did you mean %s?",
                             (int)strcspn(*p, "="), *p, meant);
    }
}

const char *config_profile_name(const IniSection *section)
{
    if (strncmp(section->name, "profile ", 8) != 0 || strchr(" \t", section->name[8]))
        return NULL;
    return strcmp(section->name + 8, "__settings__") == 0 ? NULL : section->name + 8;
}

const IniSection *config_find_profile(const IniDocument *config, const char *name)
{
    for (size_t i = 0; config && i < config->n_sections; i++) {
        const char *found = config_profile_name(&config->sections[i]);
        if (found && strcmp(found, name) == 0)
            return &config->sections[i];
    }
    return NULL;
}

static void complain_about_section(Loader *loader, const IniSection *section)
{
    Suggestion suggestion = SUGGESTION_FOR(section->name);
    suggestion_offer(&suggestion, DAEMON_SECTION);
    if (suggestion.name)
        problems_add_error(loader->problems, "%s:%u: unknown section [%s]; did you mean [%s]?",
                           loader->config->path, section->line, section->name, suggestion.name);
    else if (strcmp(section->name, "profile") == 0)
        problems_add_error(loader->problems, "%s:%u: [profile] needs a name; write [profile dev]",
                           loader->config->path, section->line);
    else
        problems_add_error(loader->problems,
                           "%s:%u: unknown section [%s]; there are [" DAEMON_SECTION "] and [profile NAME]",
                           loader->config->path, section->line, section->name);
}

static void check_entry(Loader *loader, const IniSection *section, ConfigSection kind, const IniEntry *entry)
{
    const char *path = loader->config->path;
    const ConfigKey *key = config_key_find(kind, entry->key);
    if (key) {
        if (key->type->is_free && ini_value_has_comment(entry->value))
            problems_add_warning(
                loader->problems,
                "%s:%u: the # or ; in the value of %s starts no comment, it is a part of the "
                "value; give the comment its own line",
                path, entry->line, entry->key);
        return;
    }
    const char *meant = config_key_suggest(kind, entry->key);
    ConfigSection other = kind == CONFIG_PROFILE ? CONFIG_SPARKBOUNCER : CONFIG_PROFILE;
    if (!meant && config_key_find(other, entry->key))
        problems_add_error(loader->problems, "%s:%u: %s does not belong into [%s] but into %s", path,
                           entry->line, entry->key, section->name,
                           other == CONFIG_PROFILE ? "[profile NAME]" : "[" DAEMON_SECTION "]");
    else if (meant)
        problems_add_error(loader->problems, "%s:%u: unknown key \"%s\" in [%s]; did you mean %s?", path,
                           entry->line, entry->key, section->name, meant);
    else
        problems_add_error(loader->problems, "%s:%u: unknown key \"%s\" in [%s]", path, entry->line,
                           entry->key, section->name);
}

static bool holds_secret(const IniSection *section)
{
    const IniEntry *upstream = ini_section_find(section, "upstream");
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++)
        if (AUTH_ATTRIBUTES[i].is_secret && ini_section_find(section, AUTH_ATTRIBUTES[i].name))
            return true;
    return upstream && strstr(upstream->value, "token=");
}

static bool check_section(Loader *loader, const IniSection *section)
{
    bool is_profile = config_profile_name(section) != NULL;
    if (!is_profile && strcmp(section->name, DAEMON_SECTION) != 0) {
        complain_about_section(loader, section);
        return false;
    }
    for (size_t i = 0; i < section->n_entries; i++)
        check_entry(loader, section, is_profile ? CONFIG_PROFILE : CONFIG_SPARKBOUNCER, &section->entries[i]);
    return is_profile && holds_secret(section);
}

static char *join_path(const char *directory, const char *name)
{
    Text path = TEXT_NULL;
    text_printf(&path, "%s/%s", directory, name);
    return text_take(&path);
}

/* $XDG_CONFIG_HOME or ~/.config; NULL: neither. */
static char *user_config_path(Environment environment)
{
    const char *config_home = environment_get(environment, "XDG_CONFIG_HOME");
    const char *home = environment_get(environment, "HOME");
    if (config_home)
        return join_path(config_home, "sparkbouncer/config.ini");
    return home ? join_path(home, ".config/sparkbouncer/config.ini") : NULL;
}

static int open_config(Loader *loader)
{
    static const IniOptions OPTIONS = {.fold_keys = false, .skip_continuations = false};
    const char *chosen = loader->source->config_file;
    _cleanup_(mem_freep) char *user = chosen ? NULL : user_config_path(loader->source->environment);
    int r = INI_DOCUMENT_MISSING;
    if (chosen || user)
        loader_note_file(loader, chosen ? chosen : user);
    if (!chosen)
        loader_note_file(loader, SYSTEM_CONFIG);
    if (chosen || user)
        r = ini_document_load(&loader->config, chosen ? chosen : user, &OPTIONS, loader->problems);
    if (r == INI_DOCUMENT_MISSING && chosen)
        problems_add_error(loader->problems, "--config %s: there is no such file", chosen);
    else if (r == INI_DOCUMENT_MISSING)
        r = ini_document_load(&loader->config, SYSTEM_CONFIG, &OPTIONS, loader->problems);
    return r;
}

void loader_read_config(Loader *loader)
{
    (void)open_config(loader); /* what is wrong is in the problems; what could be read is checked too */
    const IniDocument *config = loader->config;
    bool has_secret = false;
    for (size_t i = 0; config && i < config->n_sections; i++)
        has_secret = check_section(loader, &config->sections[i]) || has_secret;
    if (has_secret)
        file_warn_if_shared(config->path, config->mode, loader->problems);
}

/* The last flag counts; of --listen all do. */
static Given find_flag(const Loader *loader, const ConfigKey *key)
{
    const SettingsSource *source = loader->source;
    _cleanup_(text_deinit) Text joined = TEXT_NULL;
    bool is_list = strcmp(key->name, "listen") == 0, is_there = false;
    for (size_t i = 0; i < source->n_flags; i++) {
        if (strcmp(source->flags[i].key, key->name) != 0)
            continue;
        if (!is_list)
            text_clear(&joined);
        else if (is_there)
            text_append(&joined, ", ");
        text_append(&joined, source->flags[i].value);
        is_there = true;
    }
    if (!is_there)
        return (Given)GIVEN_NULL;
    _cleanup_(mem_freep) char *place = config_key_flag(key);
    return given_new(GIVEN_FLAG, text_string(&joined), place);
}

Given loader_find(const Loader *loader, const ConfigKey *key)
{
    Given given = find_flag(loader, key);
    if (given.text)
        return given;
    _cleanup_(mem_freep) char *variable = config_key_variable(key);
    given = given_from_variable(loader->source->environment, variable);
    if (given.text)
        return given;
    const IniSection *section = ini_document_find(loader->config, DAEMON_SECTION);
    given = given_from_entry(loader->config, ini_section_find(section, key->name));
    if (given.text)
        return given;
    return key->default_text ? given_new(GIVEN_BUILT_IN, key->default_text, "built-in") : (Given)GIVEN_NULL;
}

bool loader_apply(Loader *loader, const ConfigKey *key, const Given *given, void *target)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    if (*given->text == '\0')
        text_append(&complaint, "the value is missing");
    else if (!key->type->store ||
             key->type->store(target, key, given->text, loader->source->environment, &complaint) == 0)
        return true;
    bool has_comment = given->kind == GIVEN_FILE && !key->type->is_free && ini_value_has_comment(given->text);
    _cleanup_(mem_freep) char *label = given_label(given, key);
    problems_add_error(loader->problems, "%s: %s%s", label, text_string(&complaint),
                       has_comment ? " (a comment takes a line of its own)" : "");
    return false;
}
