#pragma once

/*
 * Daemon: the one owner of everything that runs: loop, relay, listeners, control server, signals, readiness.
 * Start, drain and stop are its states. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "admin/control.h"
#include "admin/file_watch.h"
#include "admin/metadata_service.h"
#include "admin/reloader.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/network_watch.h"
#include "conf/settings.h"
#include "front/listener_set.h"
#include "relay/relay.h"

typedef enum DaemonState {
    DAEMON_STARTING,
    DAEMON_RUNNING,
    DAEMON_DRAINING, /* no new calls; those that run may end */
    DAEMON_STOPPED,  /* everything is being closed */
} DaemonState;

typedef struct Daemon {
    uv_loop_t loop;
    Settings *settings; /* in force; a reference */
    Log log;
    DaemonState state;
    Relay relay;
    ListenerSet listeners;
    Control *control;
    Reloader *reloader;
    FileWatch *file_watch;
    NetworkWatch *network_watch;
    MetadataService *metadata_service; /* NULL: off */
    uv_signal_t signals[4];
    uv_timer_t watchdog; /* of systemd; started only when it wants one */
    Deadline drain_deadline;
    uint64_t started_ns;
} Daemon;

/* Takes the settings over and opens every listener; `source`, from which they are loaded again, is borrowed.
 * 0, or -1 after the reason has been logged; then nothing runs. */
int daemon_new(Daemon **ret_daemon, Settings *settings, const SettingsSource *source,
               const Log *log) _must_check_;
/* Prints where it listens, runs until it has been stopped. 0, or -1 when it ended by itself. */
int daemon_run(Daemon *daemon);
Daemon *daemon_free(Daemon *daemon);

/* Begins to drain; a second call stops at once. */
void daemon_stop(Daemon *daemon);
