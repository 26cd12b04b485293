#pragma once

/* Cli: the command line, from its words to the exit code. Before any loop runs; main thread. */

#include "base/log.h"
#include "conf/settings.h"

/* Runs the daemon until it ends; takes the settings over and borrows where they came from, to load them anew.
 * 0, or -1 after the reason has been logged. */
typedef int (*RunDaemon)(Settings *settings, const SettingsSource *source, const Log *log);

/* Does what the words say. Returns the exit code: 0 ok, 1 failed, 2 usage or configuration. */
int cli_main(int argc, char **argv, RunDaemon run_daemon);
