#include "relay/relay.h"

#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "relay/call.h"
#include "relay/client.h"
#include "relay/orphans.h"
#include "relay/release.h"
#include "relay/touch.h"

#define MAX_FAILURES_LOGGED 20 /* lines a second */

/* ---- sessions that nobody uses */

static void set_expiry(Relay *relay, uint64_t at_ns)
{
    if (at_ns)
        deadline_set(&relay->deadlines, &relay->expiry, at_ns);
    else
        deadline_clear(&relay->deadlines, &relay->expiry);
}

static void on_expiry(Deadline *deadline)
{
    Relay *relay = container_of(deadline, Relay, expiry);
    size_t n_before = relay->registry.sessions.n_entries;
    uint64_t limit_ns = relay->settings->session_idle_timeout_ms * NS_PER_MS;
    set_expiry(relay, registry_expire(&relay->registry, clock_now_ns(), limit_ns));
    relay->counts.n_expired += n_before - relay->registry.sessions.n_entries;
}

/* Each use only puts the end off: the deadline stays, and looks then who has not been used since. */
void relay_watch_expiry(Relay *relay)
{
    if (!deadline_is_set(&relay->expiry))
        set_expiry(relay, clock_now_ns() + relay->settings->session_idle_timeout_ms * NS_PER_MS);
}

/* ---- life */

int relay_init(Relay *relay, uv_loop_t *loop, Settings *settings, const Log *log)
{
    *relay = (Relay){.loop = loop, .log = log, .settings = settings_ref(settings)};
    Http2Limits limits = {.stream_window = settings->stream_window,
                          .buffer_limit = settings->buffer_limit,
                          .header_limit = settings->header_limit,
                          .max_concurrent_streams = settings->max_calls_per_connection};
    list_init(&relay->clients);
    list_init(&relay->calls);
    list_init(&relay->spare_calls);
    registry_init(&relay->registry, settings->max_sessions);
    warm_sessions_init(&relay->warm_sessions);
    named_sessions_init(&relay->named_sessions);
    relay->registry.on_operation_gone = release_operation_gone;
    relay->registry.on_session_gone = orphans_session_gone;
    relay->expiry = (Deadline)DEADLINE_INIT(on_expiry);
    touch_init(relay);
    list_init(&relay->upstreams);
    relay_init_profiles(relay);
    relay->https = https_new(loop);
    fallback_init(relay);
    spool_files_init(&relay->spool_files, loop, &relay->http2.receive_blocks, settings->spool_folder,
                     settings->spool_limit);
    int error = http2_init(&relay->http2, loop, &limits);
    if (error == 0)
        error = deadlines_init(&relay->deadlines, loop);
    return error;
}

void relay_drain(Relay *relay)
{
    relay->is_draining = true;
    list_for_each(link, &relay->clients)
        connection_announce_shutdown(container_of(link, Client, link)->connection);
    relay_check_idle(relay);
}

void relay_log_failure(Relay *relay, const char *format, ...)
{
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    va_list arguments;
    uint64_t now = clock_now_ns();
    if (now - relay->failures_logged_since_ns >= NS_PER_S) {
        if (relay->n_failures_not_logged)
            log_write(relay->log, LOG_LEVEL_INFO, "%u more calls failed in that second",
                      relay->n_failures_not_logged);
        relay->failures_logged_since_ns = now;
        relay->n_failures_logged = relay->n_failures_not_logged = 0;
    }
    if (++relay->n_failures_logged > MAX_FAILURES_LOGGED) {
        relay->n_failures_not_logged++;
        return;
    }
    va_start(arguments, format);
    text_vprintf(&sentence, format, arguments);
    va_end(arguments);
    log_write(relay->log, LOG_LEVEL_INFO, "%s", text_string(&sentence));
}

/* Calls that wait before another attempt make it now, by a later event; a pause that an upstream has asked
 * for stays. */
static void hurry_calls(Relay *relay)
{
    list_for_each(link, &relay->calls)
    {
        Call *call = container_of(link, Call, link);
        if (call->state == CALL_WAITING && call->wait == WAIT_BACKOFF && call->retry_after_ms == 0)
            call_set_deadline(call, clock_now_ns());
    }
}

void relay_network_changed(Relay *relay, const char *what)
{
    bool matters = false;
    relay->counts.n_network_changes++;
    list_for_each(link, &relay->upstreams) matters |=
        upstream_network_changed(container_of(link, Upstream, link));
    hurry_calls(relay);
    log_write(relay->log, matters ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
              "%s; connections are checked and made anew where they must", what);
}

void relay_check_idle(Relay *relay)
{
    if (relay->is_draining && relay->on_idle && list_is_empty(&relay->calls) &&
        list_is_empty(&relay->clients))
        relay->on_idle(relay);
}

void relay_close(Relay *relay)
{
    relay->is_draining = true;
    relay->on_idle = NULL;
    warm_sessions_close(relay);
    /* Each once, from the front to the back: one that fails may let others go on, and these may be gone then.
     */
    for (size_t n = relay->calls.n_entries; n > 0 && !list_is_empty(&relay->calls); n--) {
        Call *call = container_of(list_first(&relay->calls), Call, link);
        list_remove(&relay->calls, &call->link);
        list_append(&relay->calls, &call->link);
        call_fail(call, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "DAEMON_STOPS"},
                  "sparkbouncer: the daemon stops and its time to drain is over");
    }
    http2_flush(&relay->http2);
    list_for_each_safe(link, following, &relay->clients) connection_close(
        container_of(link, Client, link)->connection, CONNECTION_END_LOCAL, "the daemon stops");
    http2_flush(&relay->http2);
    while (!list_is_empty(&relay->registry.sessions))
        registry_forget(&relay->registry, container_of(list_first(&relay->registry.sessions), Session, link));
    deadline_clear(&relay->deadlines, &relay->sweep);
    deadline_clear(&relay->deadlines, &relay->expiry);
    deadline_clear(&relay->deadlines, &relay->touching);
    list_for_each(link, &relay->upstreams)
    {
        Upstream *upstream = container_of(link, Upstream, link);
        upstream->on_unused = NULL;
        upstream_close(upstream);
    }
    fallback_close(relay);
    relay_forget_profiles(relay);
    relay->https = https_close(relay->https);
    http2_flush(&relay->http2);
}

void relay_deinit(Relay *relay)
{
    for (ListLink *link; (link = list_first(&relay->upstreams));) {
        list_remove(&relay->upstreams, link);
        upstream_free(container_of(link, Upstream, link));
    }
    settings_unref(relay->settings);
    call_free_spare(relay);
    registry_deinit(&relay->registry);
    named_sessions_deinit(&relay->named_sessions);
    deadlines_deinit(&relay->deadlines);
    http2_deinit(&relay->http2);
}
