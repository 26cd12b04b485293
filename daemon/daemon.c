#include "daemon.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "admin/service.h"
#include "admin/status.h"
#include "base/clock.h"

static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP};
#define N_SIGNALS (sizeof SIGNALS / sizeof SIGNALS[0])

/* ---- the process */

/* No core dump and no debugger of the same user: the process holds tokens. */
static void protect_process(void)
{
    struct rlimit no_core = {0, 0}, files;
    (void)setrlimit(RLIMIT_CORE, &no_core);
#ifndef __SANITIZE_ADDRESS__ /* LeakSanitizer traces the process to find its leaks */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("UV_THREADPOOL_SIZE", "2", 0); /* it only looks up names */
}

/* ---- stopping */

/* Everything is closed; the loop ends when the handles have gone. */
static void finish(Daemon *daemon)
{
    if (daemon->state == DAEMON_STOPPED)
        return;
    daemon->state = DAEMON_STOPPED;
    deadline_clear(&daemon->relay.deadlines, &daemon->drain_deadline);
    relay_close(&daemon->relay);
    if (daemon->control)
        control_close(daemon->control);
    daemon->control = NULL;
    for (size_t i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
}

static void on_drain_deadline(Deadline *deadline)
{
    Daemon *daemon = container_of(deadline, Daemon, drain_deadline);
    size_t left = daemon->relay.calls.n_entries;
    if (left > 0)
        log_write(&daemon->log, LOG_LEVEL_WARNING,
                  "%zu calls still run after drain_timeout; they end UNAVAILABLE", left);
    finish(daemon);
}

/* Inside some call's callback: the end itself comes from the loop. */
static void on_relay_idle(Relay *relay)
{
    Daemon *daemon = container_of(relay, Daemon, relay);
    deadline_set(&relay->deadlines, &daemon->drain_deadline, clock_now_ns());
}

static void close_listeners(Daemon *daemon)
{
    for (size_t i = 0; i < daemon->n_listeners; i++)
        listener_close(daemon->listeners[i]);
    daemon->n_listeners = 0;
}

void daemon_stop(Daemon *daemon)
{
    if (daemon->state == DAEMON_DRAINING) {
        log_write(&daemon->log, LOG_LEVEL_WARNING, "told to stop a second time: stopping at once");
        deadline_set(&daemon->relay.deadlines, &daemon->drain_deadline, clock_now_ns());
    }
    if (daemon->state != DAEMON_RUNNING)
        return;
    daemon->state = DAEMON_DRAINING;
    service_stopping();
    log_write(&daemon->log, LOG_LEVEL_INFO, "stopping: no new calls, %zu running ones may take %llu s",
              daemon->relay.calls.n_entries, (unsigned long long)(daemon->settings->drain_timeout_ms / 1000));
    close_listeners(daemon);
    deadline_set(&daemon->relay.deadlines, &daemon->drain_deadline,
                 clock_now_ns() + daemon->settings->drain_timeout_ms * NS_PER_MS);
    relay_drain(&daemon->relay);
}

static void on_signal(uv_signal_t *handle, int number)
{
    Daemon *daemon = handle->data;
    if (number == SIGHUP)
        log_write(&daemon->log, LOG_LEVEL_WARNING,
                  "SIGHUP is reserved for reloading, which this version cannot do; restart instead");
    else
        daemon_stop(daemon);
}

/* ---- what the control socket asks */

static const char *const STATE_NAMES[] = {[DAEMON_STARTING] = "starting",
                                          [DAEMON_RUNNING] = "running",
                                          [DAEMON_DRAINING] = "draining",
                                          [DAEMON_STOPPED] = "stopped"};

static json_t *on_status(void *context)
{
    Daemon *daemon = context;
    const char **addresses = mem_alloc_zeroed(daemon->n_listeners, sizeof(char *));
    for (size_t i = 0; i < daemon->n_listeners; i++)
        addresses[i] = daemon->listeners[i]->url;
    StatusFacts facts = {.state = STATE_NAMES[daemon->state],
                         .started_ns = daemon->started_ns,
                         .addresses = addresses,
                         .n_addresses = daemon->n_listeners};
    json_t *document = status_document(&daemon->relay, &facts);
    free(addresses);
    return document;
}

static bool on_is_ready(void *context)
{
    return ((Daemon *)context)->state == DAEMON_RUNNING;
}

static void on_stop(void *context)
{
    daemon_stop(context);
}

/* ---- starting */

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    service_watchdog_ping();
}

static int open_listeners(Daemon *daemon)
{
    const Settings *settings = daemon->settings;
    daemon->listeners = mem_alloc_zeroed(settings->n_listens, sizeof(Listener *));
    for (size_t i = 0; i < settings->n_listens; i++) {
        int error =
            listener_new(&daemon->listeners[i], &daemon->relay, &settings->listens[i], settings->socket_mode);
        if (error != 0)
            return error;
        daemon->n_listeners++;
    }
    return 0;
}

static int watch_signals(Daemon *daemon)
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        int error = uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        if (error == 0)
            error = uv_signal_start(&daemon->signals[i], on_signal, SIGNALS[i]);
        if (error != 0)
            return error;
    }
    return uv_timer_init(&daemon->loop, &daemon->watchdog);
}

static int open_everything(Daemon *daemon)
{
    ControlHost host = {.status = on_status, .is_ready = on_is_ready, .stop = on_stop, .context = daemon};
    int error = open_listeners(daemon);
    if (error != 0)
        return error;
    daemon->control = control_new(&daemon->loop, &daemon->log, daemon->settings->control_socket, &host);
    return daemon->control ? 0 : -1;
}

int daemon_new(Daemon **ret_daemon, Settings *settings, const Log *log)
{
    Daemon *daemon = mem_new(Daemon);
    daemon->settings = settings;
    daemon->log = *log;
    daemon->started_ns = clock_now_ns();
    daemon->drain_deadline = (Deadline)DEADLINE_INIT(on_drain_deadline);
    protect_process();
    int error = uv_loop_init(&daemon->loop);
    if (error == 0)
        error = relay_init(&daemon->relay, &daemon->loop, settings, &daemon->log);
    if (error == 0)
        error = watch_signals(daemon);
    if (error != 0) {
        log_write(log, LOG_LEVEL_ERROR, "cannot start: %s", uv_strerror(error));
        abort(); /* the loop itself cannot be made: nothing to clean up with */
    }
    daemon->relay.on_idle = on_relay_idle;
    if (open_everything(daemon) != 0) {
        close_listeners(daemon);
        finish(daemon);
        (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
        daemon_free(daemon);
        return -1;
    }
    *ret_daemon = daemon;
    return 0;
}

static void announce(Daemon *daemon)
{
    const Settings *settings = daemon->settings;
    for (size_t i = 0; i < daemon->n_listeners; i++) {
        const Listener *listener = daemon->listeners[i];
        const char *profile = listener->settings->profile;
        printf("listening %s%s%s\n", listener->url, profile ? "  profile " : "", profile ? profile : "");
    }
    if (settings->default_profile)
        printf("ready     profile %s is the default; choose another with ;x-profile=NAME\n",
               settings->default_profile);
    else
        printf("ready     no default profile; choose one with /;x-profile=NAME\n");
    (void)fflush(stdout);
    service_ready("ready");
}

int daemon_run(Daemon *daemon)
{
    uint64_t period_ms = service_watchdog_period_ms();
    daemon->state = DAEMON_RUNNING;
    if (period_ms)
        (void)uv_timer_start(&daemon->watchdog, on_watchdog, period_ms, period_ms);
    relay_start(&daemon->relay);
    announce(daemon);
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    return daemon->state == DAEMON_STOPPED ? 0 : -1;
}

Daemon *daemon_free(Daemon *daemon)
{
    if (!daemon)
        return NULL;
    relay_deinit(&daemon->relay);
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT); /* lets the last handles go */
    int error = uv_loop_close(&daemon->loop);
    assert(error == 0);
    (void)error;
    free(daemon->listeners);
    settings_unref(daemon->settings);
    free(daemon);
    return NULL;
}
