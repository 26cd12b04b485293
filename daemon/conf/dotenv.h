#pragma once

/*
 * Dotenv: a project's `.env`, read as python-dotenv reads it with its defaults: `export`, quotes, comments,
 * escapes and line feeds in quotes, and ${NAME} or ${NAME:-default}, which mean the environment's variable
 * first, then an earlier line. Only blanks of ASCII count as such. Values may be secrets: they are wiped when
 * freed. Pure; any thread.
 */

#include <stddef.h>

#include "conf/paths.h"
#include "conf/problems.h"

typedef struct DotenvEntry {
    char *name;
    char *value; /* NULL: a name without an equals sign */
    unsigned line;
} DotenvEntry;

typedef struct Dotenv {
    DotenvEntry *entries; /* each name once, with its last value */
    size_t n_entries;
} Dotenv;

#define DOTENV_NULL                                                                                          \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }

/* Reads `length` bytes into `dotenv`, which must be empty. A statement that cannot be read is left out, with
 * a warning that names `path` and the line, not the text. */
void dotenv_parse(Dotenv *dotenv, const char *bytes, size_t length, const char *path, Environment environment,
                  Problems *problems);
void dotenv_deinit(Dotenv *dotenv);

/* NULL when there is no such name. */
const DotenvEntry *dotenv_find(const Dotenv *dotenv, const char *name);
