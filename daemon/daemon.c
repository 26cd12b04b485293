#include "daemon.h"

#include <assert.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "admin/profile_lookup.h"
#include "admin/service.h"
#include "admin/sessions.h"
#include "admin/status.h"
#include "auth/cluster.h"
#include "base/clock.h"
#include "base/secret.h"
#include "conf/settings_change.h"

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
    (void)signal(SIGXFSZ, SIG_IGN);             /* a file that may not grow is an error like others */
    (void)setenv("UV_THREADPOOL_SIZE", "4", 0); /* it looks up names, and spools to a disk that may be slow */
}

/* ---- stopping */

/* Everything is closed; the loop ends when the handles have gone. */
static void finish(Daemon *daemon)
{
    if (daemon->state == DAEMON_STOPPED)
        return;
    daemon->state = DAEMON_STOPPED;
    deadline_clear(&daemon->relay.deadlines, &daemon->drain_deadline);
    daemon->metadata_service = metadata_service_close(daemon->metadata_service);
    daemon->reloader = reloader_close(daemon->reloader);
    daemon->file_watch = file_watch_close(daemon->file_watch);
    daemon->network_watch = network_watch_close(daemon->network_watch);
    relay_close(&daemon->relay);
    if (daemon->control)
        control_close(daemon->control);
    daemon->control = NULL;
    for (size_t i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
    loop_lag_close(&daemon->lag);
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
    listener_set_close(&daemon->listeners);
    deadline_set(&daemon->relay.deadlines, &daemon->drain_deadline,
                 clock_now_ns() + daemon->settings->drain_timeout_ms * NS_PER_MS);
    relay_drain(&daemon->relay);
}

/* ---- reloading */

static bool request_reload(Daemon *daemon, const char *why, ControlQuestion *question)
{
    if (daemon->state != DAEMON_RUNNING)
        return false;
    reloader_request(daemon->reloader, why, question);
    return true;
}

static void on_reload_begun(void *context)
{
    (void)context;
    service_reloading();
}

static json_t *names_of(const SettingsChange *change, ProfileChange what)
{
    json_t *names = json_array();
    for (size_t i = 0; i < change->n_entries; i++) {
        json_t *name = change->entries[i].change == what ? json_string(change->entries[i].name) : NULL;
        if (name)
            (void)json_array_append_new(names, name);
    }
    return names;
}

/* Addresses that are in the one and not in the other. */
static json_t *addresses_of(const ListenerSet *set, const ListenerSet *other)
{
    json_t *addresses = json_array();
    for (size_t i = 0; i < set->n_entries; i++)
        if (!listener_set_has(other, set->entries[i]))
            (void)json_array_append_new(addresses, json_string(set->entries[i]->url));
    return addresses;
}

static json_t *describe_change(const SettingsChange *change, const ListenerSet *before,
                               const ListenerSet *now)
{
    json_t *profiles = json_object();
    for (int what = 0; what < N_PROFILE_CHANGES; what++)
        (void)json_object_set_new(profiles, profile_change_name((ProfileChange)what),
                                  names_of(change, (ProfileChange)what));
    return json_pack("{s:b, s:o, s:{s:o, s:o}}", "reloaded", 1, "profiles", profiles, "listeners", "opened",
                     addresses_of(now, before), "closed", addresses_of(before, now));
}

/* Everything that may fail has been done. */
static json_t *put_into_force(Daemon *daemon, Settings *settings, ListenerSet *listeners)
{
    SettingsChange change = SETTINGS_CHANGE_NULL;
    settings_change_compute(&change, daemon->settings, settings);
    json_t *document = describe_change(&change, &daemon->listeners, listeners);
    listener_set_commit(&daemon->listeners, listeners, settings);
    relay_change_settings(&daemon->relay, settings, &change);
    daemon->log.level = settings->log_level;
    log_write(&daemon->log, LOG_LEVEL_INFO,
              "configuration reloaded; profiles: %zu kept, %zu changed, %zu added, %zu removed",
              change.counts[PROFILE_KEPT], change.counts[PROFILE_CHANGED], change.counts[PROFILE_ADDED],
              change.counts[PROFILE_REMOVED]);
    settings_change_deinit(&change);
    settings_unref(daemon->settings);
    daemon->settings = settings;
    return document;
}

static json_t *on_reloaded(void *context, Settings *settings, Problems *problems)
{
    Daemon *daemon = context;
    ListenerSet listeners = LISTENER_SET_NULL;
    if (daemon->state != DAEMON_RUNNING)
        problems_add_error(problems, "the daemon stops");
    settings_check_servable(settings, problems);
    settings_keep_fixed(settings, daemon->settings, problems);
    if (problems->n_errors == 0 &&
        listener_set_prepare(&listeners, &daemon->listeners, &daemon->relay, settings, problems) == 0)
        return put_into_force(daemon, settings, &listeners);
    settings_unref(settings);
    return NULL;
}

static void on_reload_ended(void *context, bool is_changed)
{
    Daemon *daemon = context;
    if (daemon->state != DAEMON_RUNNING)
        return;
    file_watch_set(daemon->file_watch, daemon->settings->files, daemon->settings->n_files);
    service_ready(is_changed ? "ready" : "ready; the changed configuration has errors, see the log");
}

static void on_files_changed(void *context)
{
    (void)request_reload(context, "a file has changed", NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    Daemon *daemon = handle->data;
    if (number == SIGHUP)
        request_reload(daemon, "SIGHUP", NULL);
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
    const ListenerSet *listeners = &daemon->listeners;
    const char **addresses = mem_alloc_zeroed(listeners->n_entries, sizeof(char *));
    for (size_t i = 0; i < listeners->n_entries; i++)
        addresses[i] = listeners->entries[i]->url;
    StatusFacts facts = {.state = STATE_NAMES[daemon->state],
                         .started_ns = daemon->started_ns,
                         .addresses = addresses,
                         .n_addresses = listeners->n_entries,
                         .metadata_url = metadata_service_url(daemon->metadata_service),
                         .lag = &daemon->lag};
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

static bool on_reload(void *context, ControlQuestion *question)
{
    return request_reload(context, "asked for by the control socket", question);
}

static const char *on_add_guest(void *context, const GuestProfile *guest, unsigned *ret_status, Text *problem)
{
    Daemon *daemon = context;
    char name[RELAY_GUEST_NAME_SIZE], label[RELAY_GUEST_LABEL_SIZE];
    _cleanup_(settings_unrefp) Settings *settings = NULL;
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    GuestProfile labelled = *guest;
    relay_name_guest(name);
    labelled.label = relay_profile_label(name, label);
    if (settings_load_guest(&settings, &labelled, &problems) != 0) {
        *ret_status = 400;
        text_append(problem, problems.entries[0].sentence);
        return NULL;
    }
    const char *given = relay_add_guest(&daemon->relay, name, settings);
    if (!given) {
        *ret_status = 429;
        text_printf(problem,
                    "there are %d guest profiles already; one that nobody uses goes after "
                    "guest_idle_timeout",
                    RELAY_MAX_GUESTS);
    }
    return given;
}

static bool on_probe(void *context, const char *profile, unsigned *ret_status, Text *problem)
{
    Upstream *upstream = profile_lookup(&((Daemon *)context)->relay, profile, ret_status, problem);
    if (upstream)
        upstream_probe(upstream);
    return upstream != NULL;
}

static bool on_start(void *context, const char *profile, unsigned *ret_status, Text *problem)
{
    Upstream *upstream = profile_lookup(&((Daemon *)context)->relay, profile, ret_status, problem);
    if (!upstream)
        return false;
    if (!upstream->cluster)
        text_printf(problem,
                    "profile %s has no cluster_id of a Databricks workspace: there is nothing to start",
                    profile);
    else if (upstream->profile->autostart == AUTOSTART_NEVER)
        text_printf(problem,
                    "profile %s does not allow it (autostart = never), since a running cluster costs money; "
                    "put autostart = ask into [profile %s]",
                    profile, profile);
    else
        cluster_start_unattended(upstream->cluster);
    if (problem->length > 0)
        *ret_status = 409;
    return problem->length == 0;
}

static json_t *on_sessions(void *context)
{
    return sessions_document(&((Daemon *)context)->relay);
}

static bool on_release_session(void *context, const SessionRelease *release, ControlQuestion *question,
                               unsigned *ret_status, Text *problem)
{
    Daemon *daemon = context;
    if (daemon->state == DAEMON_RUNNING)
        return session_release_begin(&daemon->relay, release, question, ret_status, problem);
    *ret_status = 503;
    text_append(problem, "the daemon stops");
    return false;
}

/* ---- starting */

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    service_watchdog_ping();
}

static int open_listeners(Daemon *daemon)
{
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    ListenerSet listeners = LISTENER_SET_NULL;
    int error =
        listener_set_prepare(&listeners, &daemon->listeners, &daemon->relay, daemon->settings, &problems);
    for (size_t i = 0; i < problems.n_entries; i++)
        log_write(&daemon->log, LOG_LEVEL_ERROR, "%s", problems.entries[i].sentence);
    if (error == 0)
        listener_set_commit(&daemon->listeners, &listeners, daemon->settings);
    return error;
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

static void on_network_changed(void *context, const char *what)
{
    relay_network_changed(&((Daemon *)context)->relay, what);
}

static int open_everything(Daemon *daemon, const SettingsSource *source)
{
    ControlHost host = {.status = on_status,
                        .is_ready = on_is_ready,
                        .stop = on_stop,
                        .reload = on_reload,
                        .add_guest = on_add_guest,
                        .probe = on_probe,
                        .start = on_start,
                        .sessions = on_sessions,
                        .release_session = on_release_session,
                        .context = daemon};
    ReloaderHost reloader_host = {
        .begin = on_reload_begun, .apply = on_reloaded, .end = on_reload_ended, .context = daemon};
    daemon->reloader = reloader_new(&daemon->loop, &daemon->log, source, &reloader_host);
    daemon->file_watch =
        file_watch_new(&daemon->loop, &daemon->relay.deadlines, &daemon->log, on_files_changed, daemon);
    file_watch_set(daemon->file_watch, daemon->settings->files, daemon->settings->n_files);
    daemon->network_watch =
        network_watch_new(&daemon->loop, &daemon->relay.deadlines, on_network_changed, daemon);
    int error = open_listeners(daemon);
    if (error != 0)
        return error;
    const char *metadata_service = daemon->settings->metadata_service;
    if (metadata_service)
        daemon->metadata_service = metadata_service_new(&daemon->relay, metadata_service);
    if (metadata_service && !daemon->metadata_service)
        return -1;
    daemon->control = control_new(&daemon->loop, &daemon->log, daemon->settings->control_socket, &host);
    return daemon->control ? 0 : -1;
}

int daemon_new(Daemon **ret_daemon, Settings *settings, const SettingsSource *source, const Log *log)
{
    Daemon *daemon = mem_new(Daemon);
    json_set_alloc_funcs(malloc, secret_free_memory); /* tokens come and go as JSON */
    daemon->settings = settings;
    daemon->log = *log;
    daemon->started_ns = clock_now_ns();
    daemon->drain_deadline = (Deadline)DEADLINE_INIT(on_drain_deadline);
    protect_process();
    int error = uv_loop_init(&daemon->loop);
    if (error == 0)
        error = loop_lag_init(&daemon->lag, &daemon->loop);
    if (error == 0)
        error = relay_init(&daemon->relay, &daemon->loop, settings, &daemon->log);
    if (error == 0)
        error = watch_signals(daemon);
    if (error != 0) {
        log_write(log, LOG_LEVEL_ERROR, "cannot start: %s", uv_strerror(error));
        abort(); /* the loop itself cannot be made: nothing to clean up with */
    }
    daemon->relay.on_idle = on_relay_idle;
    if (open_everything(daemon, source) != 0) {
        listener_set_close(&daemon->listeners);
        finish(daemon);
        (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
        daemon_free(daemon);
        return -1;
    }
    *ret_daemon = daemon;
    return 0;
}

/* What a session of the default profile may meet in place of its server. */
static const char *local_spark_remark(const ProfileSettings *profile)
{
    if (profile && profile->is_local)
        return " (a local Spark server, started by its first call)";
    if (profile && profile->problem && profile->fallback == FALLBACK_LOCAL)
        return " (unusable: new sessions get a local Spark server)";
    if (profile && profile->fallback == FALLBACK_LOCAL)
        return " (new sessions get a local Spark server while it cannot be reached)";
    return "";
}

static void announce(Daemon *daemon)
{
    const Settings *settings = daemon->settings;
    for (size_t i = 0; i < daemon->listeners.n_entries; i++) {
        const Listener *listener = daemon->listeners.entries[i];
        const char *profile = listener->settings->profile;
        printf("listening %s%s%s\n", listener->url, profile ? "  profile " : "", profile ? profile : "");
    }
    if (settings->default_profile)
        printf("ready     profile %s is the default%s; choose another with ;x-profile=NAME\n",
               settings->default_profile,
               local_spark_remark(settings_find_profile(settings, settings->default_profile)));
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
    settings_unref(daemon->settings);
    free(daemon);
    return NULL;
}
