#pragma once

/*
 * Library: functions of a shared library that is opened by name when it is needed, and not linked, because
 * what it brings along costs a daemon memory that most never use. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct LibrarySymbol {
    const char *name;
    size_t offset; /* of the function pointer in the structure that is filled in */
} LibrarySymbol;

/* Fills in the pointers of `target` from what dlopen() gave. False when one is missing: dlerror() says which.
 */
bool library_find_symbols(void *library, const LibrarySymbol *symbols, size_t n_symbols, void *target);
