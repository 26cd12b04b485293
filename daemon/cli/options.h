#pragma once

/*
 * Options: what follows the command on the command line. Options of our own are rows of one table; every key
 * of [sparkbouncer] in config.ini is an option besides, with dashes: --drain-timeout 10s. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "conf/settings.h"

/* Which options a command takes; --help every one does. */
enum {
    OPTIONS_SOCKET = 1 << 0,   /* what finds the running daemon: --config, --control-socket */
    OPTIONS_SETTINGS = 1 << 1, /* the keys of config.ini */
    OPTIONS_JSON = 1 << 2,
    OPTIONS_TIMEOUT = 1 << 3,
    OPTIONS_NO_WAIT = 1 << 4,
    OPTIONS_ARGUMENT = 1 << 5, /* one word that is no option */
    OPTIONS_PROFILE = 1 << 6,  /* the profile that the command is about */
    OPTIONS_PROJECT = 1 << 7,  /* cluster, .env file, local or not */
    OPTIONS_SHELL = 1 << 8,
    OPTIONS_SESSION = 1 << 10, /* what is to be done with which session, two words; --user */
    OPTIONS_COMMAND = 1 << 9,  /* the first word that is no option, and all behind it, is a command to run */
};

typedef struct Options {
    const char *config_file; /* NULL: the usual ones; like all strings here borrowed, but for the keys */
    SettingsFlag *flags;
    size_t n_flags;
    const char *argument; /* NULL: none */
    const char *object;   /* the second one, of OPTIONS_SESSION */
    const char *user;
    const char *profile; /* of OPTIONS_PROFILE; NULL: not said */
    const char *cluster, *env_file, *shell;
    char *const *command; /* NULL-terminated; NULL: none */
    bool json, no_wait, help, local;
    bool timeout_is_set;
    uint64_t timeout_ms;
} Options;

#define OPTIONS_NULL                                                                                         \
    {                                                                                                        \
        .config_file = NULL                                                                                  \
    }

/* Reads the NULL-terminated words that follow the command. False, with the first complaint, a sentence, when
 * they are not all understood. `options` must be empty; to be emptied by options_deinit() either way. */
bool options_parse(Options *options, unsigned groups, char *const *words, Text *complaint);
void options_deinit(Options *options);

/* Where settings come from: these options and the process's environment. Borrowed from `options`. */
SettingsSource options_source(const Options *options);

/* What `help` says about the options of such a command. */
void options_append_help(Text *text, unsigned groups);
