#include "cli/cli.h"
#include "daemon.h"

static int run_daemon(Settings *settings, const SettingsSource *source, const Log *log)
{
    Daemon *daemon = NULL;
    if (daemon_new(&daemon, settings, source, log) != 0)
        return -1;
    int result = daemon_run(daemon);
    daemon_free(daemon);
    return result;
}

int main(int argc, char **argv)
{
    return cli_main(argc, argv, run_daemon);
}
