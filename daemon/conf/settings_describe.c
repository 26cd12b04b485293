#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "conf/origins.h"
#include "conf/settings.h"

static const SettingsOrigins NONE = {NULL, 0};

static bool is_same_section(const Origin *a, const Origin *b)
{
    if (!a->profile || !b->profile)
        return a->profile == b->profile;
    return strcmp(a->profile, b->profile) == 0;
}

static char *describe_as_text(const SettingsOrigins *origins)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < origins->n_entries; i++) {
        const Origin *entry = &origins->entries[i];
        bool is_first = i == 0 || !is_same_section(entry, entry - 1);
        if (is_first && entry->profile)
            text_printf(&text, "\n[profile %s]\n", entry->profile);
        else if (is_first)
            text_append(&text, "[sparkbouncer]\n");
        Text pair = TEXT_NULL;
        text_printf(&pair, "%s = %s", entry->key, entry->value ? entry->value : "(not set)");
        text_printf(&text, "%-54s  # %s\n", text_string(&pair), entry->place);
        text_deinit(&pair);
    }
    return text_take(&text);
}

/* Values of flags and variables may be any bytes; JSON has only text. */
static json_t *json_text(const char *string)
{
    if (!string)
        return json_null();
    json_t *json = json_string(string);
    if (json)
        return json;
    _cleanup_(text_deinit) Text ascii = TEXT_NULL;
    for (const char *p = string; *p; p++)
        text_append_bytes(&ascii, (unsigned char)*p < 0x80 ? p : "?", 1);
    return json_string(text_string(&ascii));
}

/* The values of one section with their origins. */
static json_t *json_origins(const SettingsOrigins *origins, const char *profile)
{
    json_t *section = json_object();
    for (size_t i = 0; i < origins->n_entries; i++) {
        const Origin *entry = &origins->entries[i];
        if (profile ? !entry->profile || strcmp(entry->profile, profile) != 0 : entry->profile != NULL)
            continue;
        json_t *value = json_object();
        (void)json_object_set_new(value, "value", json_text(entry->value));
        (void)json_object_set_new(value, "origin", json_text(entry->place));
        (void)json_object_set_new(section, entry->key, value);
    }
    return section;
}

static const char *value_of(const SettingsOrigins *origins, const char *profile, const char *key)
{
    for (size_t i = 0; i < origins->n_entries; i++) {
        const Origin *entry = &origins->entries[i];
        if (entry->profile && strcmp(entry->profile, profile) == 0 && strcmp(entry->key, key) == 0)
            return entry->value;
    }
    return NULL;
}

static json_t *json_auth_types(const AuthSettings *auth)
{
    json_t *types = json_array();
    for (size_t i = 0; i < auth->n_chain; i++)
        (void)json_array_append_new(types, json_string(auth_type_name(auth->chain[i])));
    return types;
}

/* What the SDKs' own Config has for the same files and variables, under the same names. */
static json_t *json_profile(const SettingsOrigins *origins, const ProfileSettings *profile)
{
    const AuthSettings *auth = &profile->auth;
    const char *name = profile->name;
    const char *type = auth->n_chain > 0 ? auth_type_name(auth->chain[0]) : NULL;
    json_t *json = json_object();
    (void)json_object_set_new(json, "name", json_text(name));
    (void)json_object_set_new(json, "host",
                              json_text(value_of(origins, name, profile->databricks ? "host" : "upstream")));
    (void)json_object_set_new(json, "auth_type", json_text(type));
    (void)json_object_set_new(json, "auth_types", json_auth_types(auth));
    (void)json_object_set_new(json, "cluster_id", json_text(profile->cluster_id));
    (void)json_object_set_new(json, "serverless_compute_id",
                              json_text(profile->is_serverless ? "auto" : NULL));
    (void)json_object_set_new(json, "error", json_text(profile->problem));
    (void)json_object_set_new(json, "origins", json_origins(origins, name));
    return json;
}

static char *describe_as_json(const Settings *settings, const SettingsOrigins *origins)
{
    json_t *root = json_object(), *profiles = json_array();
    (void)json_object_set_new(root, "sparkbouncer", json_origins(origins, NULL));
    (void)json_object_set_new(root, "default_profile", json_text(settings->default_profile));
    for (size_t i = 0; i < settings->n_profiles; i++)
        (void)json_array_append_new(profiles, json_profile(origins, &settings->profiles[i]));
    (void)json_object_set_new(root, "profiles", profiles);
    char *dumped = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return dumped ? dumped : mem_copy_string("{}");
}

char *settings_describe(const Settings *settings, bool json)
{
    const SettingsOrigins *origins = settings->origins ? settings->origins : &NONE;
    return json ? describe_as_json(settings, origins) : describe_as_text(origins);
}
