#pragma once

/* Problems: what is wrong with the input, one sentence each, gathered while reading so that all are shown at
 * once. */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

typedef struct Problem {
    bool is_error;  /* else a warning */
    char *sentence; /* "FILE:LINE: what is wrong, what to do instead" */
} Problem;

typedef struct Problems {
    Problem *entries;
    size_t n_entries;
    size_t n_errors;
} Problems;

#define PROBLEMS_NULL                                                                                        \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

void problems_deinit(Problems *problems);
void problems_add_error(Problems *problems, const char *format, ...) _printf_(2, 3);
void problems_add_warning(Problems *problems, const char *format, ...) _printf_(2, 3);
