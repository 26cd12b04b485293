#pragma once

/* Given: one value as somebody gave it, and where. Pure; any thread. */

#include "conf/config_table.h"
#include "conf/ini_document.h"

typedef enum GivenKind { GIVEN_NOWHERE, GIVEN_BUILT_IN, GIVEN_FLAG, GIVEN_VARIABLE, GIVEN_FILE } GivenKind;

typedef struct Given {
    GivenKind kind;
    char *text;  /* NULL: nowhere; wiped when freed, it may be a token */
    char *place; /* "built-in", "--listen", "SPARKBOUNCER_LISTEN", "FILE:LINE" */
} Given;

#define GIVEN_NULL                                                                                           \
    {                                                                                                        \
        GIVEN_NOWHERE, NULL, NULL                                                                            \
    }

/* Copies `text` and `place`. */
Given given_new(GivenKind kind, const char *text, const char *place);
/* A GIVEN_NULL when `entry` is NULL. */
Given given_from_entry(const IniDocument *document, const IniEntry *entry);
/* A GIVEN_NULL when the variable is unset or empty. */
Given given_from_variable(Environment environment, const char *name);
void given_deinit(Given *given);
/* Hands it out and leaves a GIVEN_NULL behind. */
Given given_take(Given *given);

/* The beginning of a sentence about the value: "FILE:LINE: key = value", "--key value", "KEY=value"; without
 * the value if it is a secret. free(). */
char *given_label(const Given *given, const ConfigKey *key);
