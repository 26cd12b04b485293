#pragma once

/*
 * IniDocument: a whole INI file in memory. A repeated section continues the first one; of a repeated key the
 * last counts, and a warning says so. Values are wiped when freed. Pure but for reading the file; any thread.
 */

#include <sys/types.h>

#include "conf/ini.h"

typedef struct IniEntry {
    char *key;
    char *value;
    unsigned line;
} IniEntry;

typedef struct IniSection {
    char *name;
    unsigned line;
    IniEntry *entries;
    size_t n_entries;
} IniSection;

typedef struct IniDocument {
    char *path;
    mode_t mode; /* permission bits of the file */
    IniSection *sections;
    size_t n_sections;
} IniDocument;

/* Condition of ini_document_load(): there is no such file. */
#define INI_DOCUMENT_MISSING 1

/* 0 and *ret_document (ini_document_free); INI_DOCUMENT_MISSING; or -EINVAL when an error was added:
 * *ret_document then holds what could be read, or is NULL. */
int ini_document_load(IniDocument **ret_document, const char *path, const IniOptions *options,
                      Problems *problems) _must_check_;
IniDocument *ini_document_free(IniDocument *document);
DEFINE_CLEANUP(IniDocument *, ini_document_free);

/* These take NULL for the document or section; NULL when there is no such thing. */
const IniSection *ini_document_find(const IniDocument *document, const char *section);
const IniEntry *ini_section_find(const IniSection *section, const char *key);
