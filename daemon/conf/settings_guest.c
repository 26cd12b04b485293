#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/loader.h"

/* A guest is read as if it were the one section of a file, so that the same rules hold for it. */
#define MAX_ENTRIES 5

static void add_entry(IniSection *section, const char *key, const char *value)
{
    if (value)
        section->entries[section->n_entries++] =
            (IniEntry){.key = mem_copy_string(key), .value = mem_copy_string(value)};
}

static IniDocument *empty_document(const char *label)
{
    IniDocument *document = mem_new(IniDocument);
    Text name = TEXT_NULL;
    text_printf(&name, "profile %s", label);
    document->path = mem_copy_string(label);
    document->sections = mem_new(IniSection);
    document->n_sections = 1;
    document->sections->name = text_take(&name);
    document->sections->entries = mem_alloc_zeroed(MAX_ENTRIES, sizeof(IniEntry));
    return document;
}

static IniDocument *document_of(const GuestProfile *guest)
{
    IniDocument *document = empty_document(guest->label);
    add_entry(document->sections, "host", guest->host);
    add_entry(document->sections, "token", guest->token);
    add_entry(document->sections, "cluster_id", guest->cluster_id);
    add_entry(document->sections, "auth_type", "pat");
    add_entry(document->sections, "serverless_compute_id", guest->is_serverless ? "auto" : NULL);
    return document;
}

/* "LABEL:0: host = x: ..." speaks of a line that nobody has written. */
static const char *without_line(const GuestProfile *guest, const char *sentence)
{
    size_t length = strlen(guest->label);
    bool has_line =
        strncmp(sentence, guest->label, length) == 0 && strncmp(sentence + length, ":0: ", 4) == 0;
    return has_line ? sentence + length + 4 : sentence;
}

/* The document is taken over. NULL, and what is wrong in *ret_problem (free()). */
static Settings *load_one(const char *label, IniDocument *document, Problems *found, char **ret_problem)
{
    static const SettingsSource NOTHING = {.config_file = NULL};
    _cleanup_(loader_deinit) Loader loader = {.source = &NOTHING,
                                              .problems = found,
                                              .settings = mem_new(Settings),
                                              .config = document,
                                              .choice = GIVEN_NULL};
    loader.settings->origins = mem_new(SettingsOrigins);
    ProfileSettings *profile = loader.settings->profiles = mem_new(ProfileSettings);
    loader.settings->n_profiles = 1;
    profile->name = mem_copy_string(label);
    loader_resolve_profile(&loader, profile);
    const char *sentence = profile->problem;
    for (size_t i = 0; i < found->n_entries && !sentence; i++)
        if (found->entries[i].is_error)
            sentence = found->entries[i].sentence;
    *ret_problem = sentence ? mem_copy_string(sentence) : NULL;
    if (sentence)
        return NULL;
    loader.settings->n_references = 1;
    return steal(loader.settings);
}

int settings_load_guest(Settings **ret_settings, const GuestProfile *guest, Problems *problems)
{
    if (guest->cluster_id && guest->is_serverless) {
        problems_add_error(problems, "cluster_id and serverless are both given; a call goes to one of them");
        return -EINVAL;
    }
    _cleanup_(problems_deinit) Problems found = PROBLEMS_NULL;
    _cleanup_(mem_freep) char *sentence = NULL;
    Settings *settings = load_one(guest->label, document_of(guest), &found, &sentence);
    if (!settings) {
        problems_add_error(problems, "%s", without_line(guest, sentence));
        return -EINVAL;
    }
    *ret_settings = settings;
    return 0;
}

Settings *settings_new_local(const char *label, uint16_t port, const char *token)
{
    char address[64];
    _cleanup_(problems_deinit) Problems found = PROBLEMS_NULL;
    _cleanup_(mem_freep) char *sentence = NULL;
    IniDocument *document = empty_document(label);
    (void)snprintf(address, sizeof address, "sc://127.0.0.1:%u", port);
    add_entry(document->sections, "upstream", address);
    add_entry(document->sections, "token", token);
    Settings *settings = load_one(label, document, &found, &sentence);
    if (!settings)
        abort(); /* there is nothing in it that could be wrong */
    return settings;
}
