#include "conf/ini_document.h"

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "conf/file.h"

/* Far above what people write by hand; they keep the searches below, which are linear, quick. */
#define FILE_LIMIT    (1024 * 1024)
#define SECTION_LIMIT 1000
#define ENTRY_LIMIT   1000

typedef struct Building {
    IniDocument *document;
    Problems *problems;
    bool is_full;
} Building;

static void value_free(char *value)
{
    secret_wipe(value, strlen(value));
    free(value);
}

IniDocument *ini_document_free(IniDocument *document)
{
    if (!document)
        return NULL;
    for (size_t i = 0; i < document->n_sections; i++) {
        IniSection *section = &document->sections[i];
        for (size_t j = 0; j < section->n_entries; j++) {
            free(section->entries[j].key);
            value_free(section->entries[j].value);
        }
        free(section->entries);
        free(section->name);
    }
    free(document->sections);
    free(document->path);
    free(document);
    return NULL;
}

const IniSection *ini_document_find(const IniDocument *document, const char *section)
{
    for (size_t i = 0; document && i < document->n_sections; i++)
        if (strcmp(document->sections[i].name, section) == 0)
            return &document->sections[i];
    return NULL;
}

const IniEntry *ini_section_find(const IniSection *section, const char *key)
{
    for (size_t i = 0; section && i < section->n_entries; i++)
        if (strcmp(section->entries[i].key, key) == 0)
            return &section->entries[i];
    return NULL;
}

/* Says once that the file has too much of something. */
static void complain_about_size(Building *building, const char *what, unsigned limit, unsigned line)
{
    if (!building->is_full)
        problems_add_error(building->problems, "%s:%u: more than %u %s; this cannot be a configuration file",
                           building->document->path, line, limit, what);
    building->is_full = true;
}

static IniSection *find_or_add_section(Building *building, const IniLine *line)
{
    IniDocument *document = building->document;
    const IniSection *found = ini_document_find(document, line->section);
    if (found)
        return &document->sections[found - document->sections];
    if (document->n_sections == SECTION_LIMIT) {
        complain_about_size(building, "sections", SECTION_LIMIT, line->number);
        return NULL;
    }
    document->sections =
        mem_resize(document->sections, (document->n_sections + 1) * sizeof document->sections[0]);
    IniSection *section = &document->sections[document->n_sections++];
    *section = (IniSection){.name = mem_copy_string(line->section), .line = line->number};
    return section;
}

static void replace_entry(Building *building, const IniSection *section, IniEntry *entry, const IniLine *line)
{
    problems_add_warning(building->problems,
                         "%s:%u: %s of [%s] was given in line %u already; the last one counts",
                         building->document->path, line->number, line->key, section->name, entry->line);
    value_free(entry->value);
    entry->value = mem_copy_string(line->value);
    entry->line = line->number;
}

static void on_line(void *user, const IniLine *line)
{
    Building *building = user;
    IniSection *section = find_or_add_section(building, line);
    if (!section || !line->key)
        return;
    const IniEntry *found = ini_section_find(section, line->key);
    if (found) {
        replace_entry(building, section, &section->entries[found - section->entries], line);
        return;
    }
    if (section->n_entries == ENTRY_LIMIT) {
        complain_about_size(building, "keys in a section", ENTRY_LIMIT, line->number);
        return;
    }
    section->entries = mem_resize(section->entries, (section->n_entries + 1) * sizeof section->entries[0]);
    section->entries[section->n_entries++] = (IniEntry){
        .key = mem_copy_string(line->key), .value = mem_copy_string(line->value), .line = line->number};
}

int ini_document_load(IniDocument **ret_document, const char *path, const IniOptions *options,
                      Problems *problems)
{
    _cleanup_(file_content_deinit) FileContent content = FILE_CONTENT_NULL;
    *ret_document = NULL;
    int r = file_read(&content, path, FILE_LIMIT, problems);
    if (r != 0)
        return r == FILE_MISSING ? INI_DOCUMENT_MISSING : r;
    IniDocument *document = mem_new(IniDocument);
    document->path = mem_copy_string(path);
    document->mode = content.mode;
    Building building = {.document = document, .problems = problems};
    r = ini_read(content.bytes, content.length, path, options, on_line, &building, problems);
    *ret_document = document;
    return r < 0 || building.is_full ? -EINVAL : 0;
}
