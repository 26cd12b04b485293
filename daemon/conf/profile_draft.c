#include "conf/profile_draft.h"

#include <stdarg.h>
#include <string.h>

void draft_deinit(Draft *draft)
{
    upstream_url_deinit(&draft->url);
    given_deinit(&draft->destination);
    given_deinit(&draft->token);
    given_deinit(&draft->cluster);
}

void draft_fail(Draft *draft, const char *format, ...)
{
    Text sentence = TEXT_NULL;
    va_list arguments;
    if (draft->profile->problem)
        return;
    va_start(arguments, format);
    text_vprintf(&sentence, format, arguments);
    va_end(arguments);
    draft->profile->problem = text_take(&sentence);
}

void draft_fail_value(Draft *draft, const char *key_name, const Given *given, const char *complaint)
{
    const ConfigKey *key = config_key_find(CONFIG_PROFILE, key_name);
    _cleanup_(mem_freep) char *label = given_label(given, key);
    draft_fail(draft, "%s: %s", label, complaint);
}

Given draft_find_in_section(const Draft *draft, const char *key)
{
    return given_from_entry(draft->loader->config, ini_section_find(draft->section, key));
}

static const char *base_variable(const char *key)
{
    static const char *const NAMES[][2] = {
        {"host", "DATABRICKS_HOST"}, {"token", "DATABRICKS_TOKEN"}, {"cluster_id", "DATABRICKS_CLUSTER_ID"}};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(NAMES[i][0], key) == 0)
            return NAMES[i][1];
    return NULL;
}

Given draft_find_in_base(const Draft *draft, const char *key)
{
    const Loader *loader = draft->loader;
    const char *variable = base_variable(key);
    if (!variable)
        return (Given)GIVEN_NULL;
    bool cluster_is_overridden = strcmp(draft->profile->name, "DEFAULT") == 0 && !loader->choice_is_named &&
                                 strcmp(key, "cluster_id") == 0;
    if (draft->base_is_environment || cluster_is_overridden) {
        Given given = given_from_variable(loader->source->environment, variable);
        if (given.text || draft->base_is_environment)
            return given;
    }
    Given given = given_from_entry(loader->databricks, ini_section_find(draft->base, key));
    if (given.text && *given.text == '\0') /* as in the SDK for Go: an empty value is none */
        given_deinit(&given);
    return given;
}

void draft_note(const Draft *draft, const char *key, const char *value, const Given *given)
{
    origins_add(draft->loader->settings->origins, draft->profile->name, key, value,
                given->text ? given->place : "built-in");
}

char *draft_where_to_write(const Draft *draft)
{
    Text place = TEXT_NULL;
    const char *path = draft->loader->databricks_path;
    if (path)
        text_printf(&place, "[%s] of %s or ", draft->profile->name, path);
    text_printf(&place, "[profile %s] of config.ini", draft->profile->name);
    return text_take(&place);
}

void draft_check_text(Draft *draft, const char *key, const Given *given, const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        if (*p >= 0x20 && *p < 0x7f)
            continue;
        draft_fail_value(draft, key, given,
                         "has a character that a header cannot carry, perhaps from pasting; retype it");
        return;
    }
}
