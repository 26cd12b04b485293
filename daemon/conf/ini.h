#pragma once

/*
 * Ini: reads `[section]` and `key = value` lines, strictly. Values come out whole and literal, trimmed and no
 * more: no inline comments, no quotes, no escapes, of any length. That is what the Databricks SDK for Python
 * does; where the SDKs differ, or a line could be misread, a problem says so. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "conf/problems.h"

typedef struct IniOptions {
    bool fold_keys;          /* keys become lower case */
    bool skip_continuations; /* an over-indented line is skipped with a warning; else it is an error */
} IniOptions;

/* One section header (key and value are NULL) or one entry; the strings last for the call only. */
typedef struct IniLine {
    const char *section;
    const char *key;
    const char *value;
    unsigned number;
} IniLine;

typedef void (*IniHandler)(void *user, const IniLine *line);

/*
 * Calls `handler` for each header and entry in `bytes`, which must end in a NUL at bytes[length] and is
 * written to. What cannot be read is skipped and added to the problems, which name it `path`:line. 0, or
 * -EINVAL when an error was added.
 */
int ini_read(char *bytes, size_t length, const char *path, const IniOptions *options, IniHandler handler,
             void *user, Problems *problems) _must_check_;

/* Whether `value` has what some readers take for a comment: `#` or `;` after a blank. */
bool ini_value_has_comment(const char *value);
/* Trims blanks, tabs and no-break spaces (pasted from web pages) at both ends; writes the new end into
 * `string`. */
char *ini_trim(char *string);
