#include <stdio.h>

#include "cli/command.h"

void help_append(Text *text)
{
    text_append(text, "sparkbouncer " SPARKBOUNCER_VERSION ": a local proxy daemon for Spark Connect\n\n"
                      "Usage: sparkbouncer COMMAND [OPTION...]\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        text_printf(text, "  %-9s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    text_append(text, "\nExamples:\n"
                      "  sparkbouncer run -p dev --listen :0          any free port\n"
                      "  sparkbouncer exec -p dev -- python job.py    starts the daemon if need be\n"
                      "A flag goes before its SPARKBOUNCER_* variable, that before config.ini.\n"
                      "Exit codes: 0 ok, 1 failed, 2 usage or configuration.\n");
}

void help_append_command(Text *text, const Command *command)
{
    text_printf(text, "%s\n\nUsage: sparkbouncer %s %s\n\n%s\n", command->summary, command->name,
                command->usage, command->details);
    options_append_help(text, command->options);
}

int command_help(const Cli *cli)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    const char *name = cli->options->argument;
    const Command *command = name ? command_find(name) : NULL;
    if (name && !command)
        return command_complain_unknown(name);
    if (command)
        help_append_command(&text, command);
    else
        help_append(&text);
    (void)fputs(text_string(&text), stdout);
    return CLI_OK;
}
