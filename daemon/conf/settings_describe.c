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

/* The object for `name` in `parent`; borrowed. */
static json_t *json_section(json_t *parent, const char *name)
{
    json_t *section = json_object_get(parent, name);
    if (section)
        return section;
    section = json_object();
    (void)json_object_set_new_nocheck(parent, name, section);
    return section;
}

static char *describe_as_json(const SettingsOrigins *origins)
{
    json_t *root = json_object();
    json_t *profiles = json_section(root, "profiles");
    for (size_t i = 0; i < origins->n_entries; i++) {
        const Origin *entry = &origins->entries[i];
        json_t *section =
            entry->profile ? json_section(profiles, entry->profile) : json_section(root, "sparkbouncer");
        json_t *value = json_object();
        (void)json_object_set_new(value, "value", json_text(entry->value));
        (void)json_object_set_new(value, "origin", json_text(entry->place));
        (void)json_object_set_new(section, entry->key, value);
    }
    char *dumped = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return dumped ? dumped : mem_copy_string("{}");
}

char *settings_describe(const Settings *settings, bool json)
{
    const SettingsOrigins *origins = settings->origins ? settings->origins : &NONE;
    return json ? describe_as_json(origins) : describe_as_text(origins);
}
