#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"

/* True when what is written to standard error goes to the journal. The variable alone does not say so: it is
 * inherited by everything that a service starts, a terminal included. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long device, inode;
    struct stat facts;
    return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 && fstat(STDERR_FILENO, &facts) == 0 &&
           facts.st_dev == device && facts.st_ino == inode;
}

static LogFormat choose_format(const Settings *settings)
{
    if (settings->log_format_is_set)
        return settings->log_format;
    return stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
}

int command_run(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    Settings *settings = NULL;
    int error = settings_load(&settings, &source, &problems);
    if (error == 0)
        settings_check_servable(settings, &problems);
    report_problems(&problems);
    if (problems.n_errors > 0) {
        settings_free(settings);
        return CLI_USAGE;
    }
    Log log = {.fd = STDERR_FILENO, .level = settings->log_level, .format = choose_format(settings)};
    return cli->run_daemon(settings, &source, &log) == 0 ? CLI_OK : CLI_FAILED;
}
