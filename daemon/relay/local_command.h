#pragma once

/*
 * LocalCommand: what is run as the local Spark server: a template of the user's own, or the spark-submit of a
 * Spark that a small shell program finds on this machine. Pure; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define LOCAL_COMMAND_MAX_WORDS 40

/* Words and variables for a Companion; everything is owned. */
typedef struct LocalCommand {
    char *argv[LOCAL_COMMAND_MAX_WORDS];      /* NULL-terminated */
    char *variables[LOCAL_COMMAND_MAX_WORDS]; /* "NAME=value", NULL-terminated; there is room for one more */
} LocalCommand;

#define LOCAL_COMMAND_NULL                                                                                   \
    {                                                                                                        \
        {NULL},                                                                                              \
        {                                                                                                    \
            NULL                                                                                             \
        }                                                                                                    \
    }

void local_command_deinit(LocalCommand *command);
/* Wiped by local_command_deinit(), since one of them is a token. */
void local_command_add_variable(LocalCommand *command, const char *name, const char *value);

/* The program for `sh -c` that prints what local_command_from_found() takes. */
const char *local_command_search(void);
/* From `template`, in which each {port} is replaced. */
void local_command_from_template(LocalCommand *command, const char *template, uint16_t port);
/* From what the search has printed: the home of a Spark, its Spark Connect jar, a Python, a line each. False
 * when it is something else. */
bool local_command_from_found(LocalCommand *command, const char *found, uint16_t port);
