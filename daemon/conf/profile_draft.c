#include "conf/profile_draft.h"

#include <stdarg.h>
#include <string.h>

void draft_deinit(Draft *draft)
{
    upstream_url_deinit(&draft->url);
    given_deinit(&draft->destination.given);
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++)
        given_deinit(&draft->attributes[i].given);
    given_deinit(&draft->oidc_token.given);
    given_deinit(&draft->left_behind);
    given_deinit(&draft->cluster);
    given_deinit(&draft->serverless);
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
    const AuthAttribute *attribute = auth_attribute_find(key);
    const IniEntry *entry = ini_section_find(draft->section, key);
    if (!entry && attribute && attribute->alias)
        entry = ini_section_find(draft->section, attribute->alias);
    return given_from_entry(draft->loader->config, entry);
}

/* What is no attribute of unified auth, but has a variable all the same. */
static const char *other_variable(const char *key)
{
    static const char *const NAMES[][2] = {{"host", "DATABRICKS_HOST"},
                                           {"cluster_id", "DATABRICKS_CLUSTER_ID"},
                                           {"serverless_compute_id", "DATABRICKS_SERVERLESS_COMPUTE_ID"}};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(NAMES[i][0], key) == 0)
            return NAMES[i][1];
    return NULL;
}

Given draft_find_in_environment(const Draft *draft, const char *key)
{
    const AuthAttribute *attribute = auth_attribute_find(key);
    Environment environment = draft->loader->source->environment;
    const char *variable = attribute ? attribute->variable : other_variable(key);
    if (!draft->has_environment || !variable)
        return (Given)GIVEN_NULL;
    Given given = given_from_variable(environment, variable);
    if (!given.text && attribute && attribute->variable_alias)
        given = given_from_variable(environment, attribute->variable_alias);
    return given;
}

Given draft_find_in_file(const Draft *draft, const char *key)
{
    const AuthAttribute *attribute = auth_attribute_find(key);
    const IniEntry *entry = ini_section_find(draft->base, key);
    if ((!entry || *entry->value == '\0') && attribute && attribute->alias)
        entry = ini_section_find(draft->base, attribute->alias);
    if (entry && *entry->value == '\0') /* as in the SDK for Go: an empty value is none */
        entry = NULL;
    if (attribute == &AUTH_ATTRIBUTES[ATTRIBUTE_EXEC]) /* is ours; nobody expects that file to run anything */
        entry = NULL;
    return given_from_entry(draft->loader->databricks, entry);
}

DraftValue draft_find_in_base(const Draft *draft, const char *key)
{
    Given given = draft_find_in_environment(draft, key);
    if (given.text)
        return (DraftValue){given, LAYER_ENVIRONMENT};
    return (DraftValue){draft_find_in_file(draft, key), LAYER_FILE};
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
