#pragma once

/* Command: one row for each subcommand. Private to cli/; main thread. */

#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* What a command is called with. */
typedef struct Cli {
    const Options *options;
    RunDaemon run_daemon;
} Cli;

typedef struct Command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* what may follow the name */
    unsigned options;    /* OPTIONS_… */
    int (*function)(const Cli *cli);
    const char *details; /* for its own help: sentences and examples */
} Command;

extern const Command COMMANDS[];
extern const size_t N_COMMANDS;

/* NULL when there is none of that name. */
const Command *command_find(const char *name);
/* "error: unknown command …" with the nearest one. Returns CLI_USAGE. */
int command_complain_unknown(const char *name);

int command_run(const Cli *cli);
int command_check(const Cli *cli);
int command_status(const Cli *cli);
int command_sessions(const Cli *cli);
int command_wait(const Cli *cli);
int command_stop(const Cli *cli);
int command_exec(const Cli *cli);
int command_env(const Cli *cli);
int command_reload(const Cli *cli);
int command_start(const Cli *cli);
int command_profiles(const Cli *cli);
int command_doctor(const Cli *cli);
int command_version(const Cli *cli);
int command_help(const Cli *cli);

/* The screen that explains them all, and the one of a single command. */
void help_append(Text *text);
void help_append_command(Text *text, const Command *command);

/* "error: …" and "warning: …", one a line, on standard error. */
void report_problems(const Problems *problems);
void report_error(const char *format, ...) _printf_(1, 2);
