#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "conf/suggestion.h"

const Command COMMANDS[] = {
    {"run", "Run the daemon in the foreground", "[OPTION...]", OPTIONS_SETTINGS, command_run,
     "Prints a line for each address that it listens on, in the form that clients take\n"
     "(sc://localhost:15002), and runs until it gets SIGTERM or SIGINT: then running\n"
     "calls may end, for drain_timeout at the most. A second signal ends it at once.\n"},
    {"exec", "Run a program with Spark behind the daemon", "[OPTION...] -- COMMAND [ARGUMENT...]",
     OPTIONS_SOCKET | OPTIONS_PROFILE | OPTIONS_PROJECT | OPTIONS_COMMAND, command_exec,
     "Reads the project's .env, starts the daemon in the background when none runs, sets\n"
     "SPARK_REMOTE and no_proxy, and runs the command. DATABRICKS_PROFILE and\n"
     "SPARK_CONNECT_CLUSTER_ID say where to; without a profile DATABRICKS_HOST and\n"
     "DATABRICKS_TOKEN do, which only the daemon gets to see.\n\n"
     "  sparkbouncer exec -p dev -- python job.py\n"},
    {"env", "Print what exec sets, for a shell: eval \"$(sparkbouncer env)\"", "[OPTION...]",
     OPTIONS_SOCKET | OPTIONS_PROFILE | OPTIONS_PROJECT | OPTIONS_SHELL, command_env,
     "The same as exec up to running something. For .envrc of direnv:\n\n"
     "  eval \"$(sparkbouncer env)\"                    bash, zsh, direnv\n"
     "  sparkbouncer env --shell fish | source         fish\n"},
    {"profiles", "Show the profiles: logins, tokens and clusters", "[--json]", OPTIONS_SOCKET | OPTIONS_JSON,
     command_profiles,
     "Has the running daemon look after each login and cluster, for 10 s at the most.\n"
     "When none runs it shows what the settings say. The default profile has a star.\n"},
    {"doctor", "Look at everything between a client and its cluster", "[-p NAME] [--json]",
     OPTIONS_SOCKET | OPTIONS_PROFILE | OPTIONS_JSON, command_doctor,
     "Configuration, environment, daemon, logins, network, cluster, and a real call through\n"
     "the daemon and past it. Each line is ok, warning or failed, with what to do next.\n"
     "Exit code 1 when something failed.\n"},
    {"check", "Check the configuration and show what is in force; opens nothing", "[OPTION...]",
     OPTIONS_SETTINGS | OPTIONS_JSON, command_check,
     "Takes the same options as run. Each value comes with its origin. Exit code 2 when\n"
     "something is wrong.\n"},
    {"status", "Show what the running daemon does just now", "[--json]", OPTIONS_SOCKET | OPTIONS_JSON,
     command_status,
     "Profiles and their connections, the latest sessions, the calls that run longest.\n"
     "Exit code 1 when no daemon runs.\n"},
    {"sessions", "Show the sessions, or release one that clients share", "[release NAME] [-p PROFILE]",
     OPTIONS_SOCKET | OPTIONS_PROFILE | OPTIONS_SESSION | OPTIONS_JSON, command_sessions,
     "Clients that name a session (;x-session=etl, or session = etl in the profile) share it;\n"
     "it stays when they have gone. release ends it at the server, with what it holds:\n\n"
     "  sparkbouncer sessions release etl -p dev\n"},
    {"wait", "Wait until the daemon takes calls", "[--timeout 30s]", OPTIONS_SOCKET | OPTIONS_TIMEOUT,
     command_wait,
     "For scripts that have just started it. Exit code 0 as soon as it takes calls, 1\n"
     "when it does not within 30 s, or what --timeout says.\n"},
    {"stop", "Stop the daemon; running calls may end", "[--no-wait] [--timeout T]",
     OPTIONS_SOCKET | OPTIONS_NO_WAIT | OPTIONS_TIMEOUT, command_stop,
     "No new calls are taken, running ones may end, for drain_timeout at the most; then\n"
     "the daemon ends, for which this command waits. Called a second time meanwhile, it\n"
     "ends the calls at once.\n"},
    {"start", "Start the cluster of a profile and wait until it runs", "[PROFILE] [--no-wait]",
     OPTIONS_SOCKET | OPTIONS_NO_WAIT | OPTIONS_ARGUMENT, command_start,
     "Without a profile: the default one's. It must have autostart = ask or yes, since a\n"
     "running cluster costs money. Says how it goes, and how long it may yet take by\n"
     "what it took before. Interrupted, it leaves the daemon to go on.\n"},
    {"reload", "Let the daemon read its configuration anew", "[--json]", OPTIONS_SOCKET | OPTIONS_JSON,
     command_reload,
     "Running calls go on as they are; profiles that have changed get new connections.\n"
     "The daemon does so by itself when config.ini, ~/.databrickscfg or a token_file\n"
     "changes. Exit code 2 when something is wrong with them: then all stays as it was.\n"},
    {"version", "Show the versions of the daemon and its libraries", "[--json]", OPTIONS_JSON,
     command_version, "Each library as it is loaded, and as it was when this was built.\n"},
    {"help", "Explain a command: sparkbouncer help run", "[COMMAND]", OPTIONS_ARGUMENT, command_help,
     "The same as sparkbouncer COMMAND --help.\n"},
};
const size_t N_COMMANDS = sizeof COMMANDS / sizeof COMMANDS[0];

const Command *command_find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

void report_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("error: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

void report_problems(const Problems *problems)
{
    for (size_t i = 0; i < problems->n_entries; i++)
        (void)fprintf(stderr, "%s: %s\n", problems->entries[i].is_error ? "error" : "warning",
                      problems->entries[i].sentence);
}

int command_complain_unknown(const char *name)
{
    Suggestion suggestion = SUGGESTION_FOR(name);
    for (size_t i = 0; i < N_COMMANDS; i++)
        suggestion_offer(&suggestion, COMMANDS[i].name);
    for (size_t i = 0; i < N_COMMANDS && !suggestion.name; i++)
        if (strncmp(COMMANDS[i].name, name, strlen(name)) == 0)
            suggestion.name = COMMANDS[i].name;
    if (suggestion.name)
        report_error("unknown command \"%s\"; did you mean %s?", name, suggestion.name);
    else
        report_error("unknown command \"%s\"; see sparkbouncer --help", name);
    return CLI_USAGE;
}

static int run_command(const Command *command, char *const *words, RunDaemon run_daemon)
{
    _cleanup_(options_deinit) Options options = OPTIONS_NULL;
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    if (!options_parse(&options, command->options, words, &text)) {
        if (text.bytes[text.length - 1] == '?') /* the answer is there already */
            report_error("%s", text_string(&text));
        else
            report_error("%s; see sparkbouncer %s --help", text_string(&text), command->name);
        return CLI_USAGE;
    }
    if (options.help) {
        help_append_command(&text, command);
        (void)fputs(text_string(&text), stdout);
        return CLI_OK;
    }
    return command->function(&(Cli){.options = &options, .run_daemon = run_daemon});
}

static int dispatch(char **argv, RunDaemon run_daemon)
{
    static char *const nothing[] = {NULL};
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return run_command(command_find("help"), nothing, run_daemon);
    if (strcmp(name, "--version") == 0)
        return run_command(command_find("version"), nothing, run_daemon);
    if (name[0] == '-') {
        report_error("the command comes first: sparkbouncer run %s ...; see sparkbouncer --help", name);
        return CLI_USAGE;
    }
    const Command *command = command_find(name);
    return command ? run_command(command, argv + 2, run_daemon) : command_complain_unknown(name);
}

int cli_main(int argc, char **argv, RunDaemon run_daemon)
{
    if (argc < 2) {
        _cleanup_(text_deinit) Text text = TEXT_NULL;
        help_append(&text);
        (void)fputs(text_string(&text), stderr);
        return CLI_USAGE;
    }
    int code = dispatch(argv, run_daemon);
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code != CLI_OK)
        return code;
    report_error("cannot write to standard output");
    return CLI_FAILED;
}
