#pragma once

/* Suggestion: the known name that a mistyped one most likely stands for. Pure; any thread. */

#include <stdbool.h>
#include <stddef.h>

typedef struct Suggestion {
    const char *typed;
    const char *name; /* the nearest so far, borrowed; NULL when none is near enough */
    size_t distance;
} Suggestion;

#define SUGGESTION_FOR(typed)                                                                                \
    {                                                                                                        \
        (typed), NULL, 0                                                                                     \
    }

/* Considers one known name. */
void suggestion_offer(Suggestion *suggestion, const char *name);
