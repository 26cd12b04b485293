#include "relay/upstream.h"

#include <assert.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/cluster.h"
#include "base/clock.h"
#include "http2/keepalive.h"

#define BACKOFF_FIRST_MS      100
#define BACKOFF_LIMIT_MS      10000
#define ADDRESS_TIMEOUT_LIMIT (10 * 1000) /* ms for one address to answer */
#define MINT_TIMEOUT_MS       (30 * 1000) /* for one attempt to get a token */

/* ---- errors, in words */

_printf_(3, 4) static void set_error(Upstream *upstream, bool is_final, const char *format, ...)
{
    char reason[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    const ProfileSettings *profile = upstream->profile;
    (void)snprintf(upstream->last_error, sizeof upstream->last_error, "cannot reach %s:%u (profile %s): %s",
                   profile->host, profile->port, profile->name, reason);
    upstream->last_error_is_final = is_final;
}

static const char *advice(ConnectionEndKind kind)
{
    switch (kind) {
    case CONNECTION_END_CONNECT: return "; check host and port, and whether the server is up";
    case CONNECTION_END_TLS: return "; check host, ca_file and the server's certificate";
    case CONNECTION_END_PROTOCOL: return "; is this a Spark Connect port, and does it want TLS (use_ssl)?";
    case CONNECTION_END_LOCAL:
    case CONNECTION_END_PEER: break;
    }
    return "";
}

/* ---- the end of one that is retired */

/* By a later event: those who call may still look at it, and what is closed refers to its TLS context until
 * the loop has closed its handle. */
static void go_when_unused(Upstream *upstream)
{
    if (upstream->is_closing && upstream->on_unused && list_is_empty(&upstream->pool))
        deadline_set(upstream->deadlines, &upstream->end, clock_now_ns());
}

static void on_end(Deadline *deadline)
{
    Upstream *upstream = container_of(deadline, Upstream, end);
    if (!upstream->is_closing)
        upstream_close(upstream);
    else if (upstream->on_unused)
        upstream->on_unused(upstream);
}

Upstream *upstream_ref(Upstream *upstream)
{
    upstream->n_references++;
    return upstream;
}

Upstream *upstream_unref(Upstream *upstream)
{
    if (!upstream)
        return NULL;
    assert(upstream->n_references > 0);
    if (--upstream->n_references == 0 && !upstream->is_closing)
        deadline_set(upstream->deadlines, &upstream->end, clock_now_ns());
    return NULL;
}

Upstream *upstream_retire(Upstream *upstream)
{
    if (upstream)
        upstream->is_retired = true;
    return upstream_unref(upstream);
}

/* ---- life of a pooled connection */

static void pooled_free(PooledConnection *pooled)
{
    Upstream *upstream = pooled->upstream;
    deadline_clear(upstream->deadlines, &pooled->deadline);
    deadline_clear(upstream->deadlines, &pooled->ping);
    list_remove(&upstream->pool, &pooled->link);
    if (pooled->addresses)
        uv_freeaddrinfo(pooled->addresses);
    free(pooled);
    go_when_unused(upstream);
}

static bool is_open(const PooledConnection *pooled)
{
    return pooled->connection && pooled->connection->state == CONNECTION_OPEN;
}

/* Whether it is, or will be, good for new calls. */
static bool is_usable(const PooledConnection *pooled)
{
    return !pooled->connection ||
           (pooled->connection->state <= CONNECTION_OPEN && !pooled->connection->peer_goes_away);
}

static unsigned count_usable(const Upstream *upstream)
{
    unsigned n = 0;
    list_for_each(link, &upstream->pool) n += is_usable(container_of(link, PooledConnection, link));
    return n;
}

/* ---- waiters */

static void fail_waiters(Upstream *upstream)
{
    for (size_t n = upstream->waiters.n_entries; n > 0 && !list_is_empty(&upstream->waiters); n--) {
        ListLink *link = list_first(&upstream->waiters);
        list_remove(&upstream->waiters, link);
        UpstreamWaiter *waiter = container_of(link, UpstreamWaiter, link);
        waiter->on_failed(waiter);
    }
}

static void serve_waiters(Upstream *upstream)
{
    for (ListLink *link; (link = list_first(&upstream->waiters));) {
        UpstreamWaiter *waiter = container_of(link, UpstreamWaiter, link);
        PooledConnection *pooled = upstream_pick(upstream, waiter->is_bulk);
        if (!pooled)
            return;
        list_remove(&upstream->waiters, link);
        waiter->on_ready(waiter, pooled);
    }
}

void upstream_wait(Upstream *upstream, UpstreamWaiter *waiter)
{
    list_append(&upstream->waiters, &waiter->link);
    upstream_connect(upstream);
}

void upstream_stop_waiting(Upstream *upstream, UpstreamWaiter *waiter)
{
    list_remove(&upstream->waiters, &waiter->link);
}

/* ---- connecting */

static void try_next_address(PooledConnection *pooled);

static void hold_back(Upstream *upstream)
{
    uint32_t random = (uint32_t)clock_now_ns();
    uint64_t wait_ms = backoff_next_ms(&upstream->backoff, random);
    deadline_set(upstream->deadlines, &upstream->retry, clock_now_ns() + wait_ms * NS_PER_MS);
    log_write(upstream->log, LOG_LEVEL_WARNING, "%s; next try in %llu ms", upstream->last_error,
              (unsigned long long)wait_ms);
}

uint64_t upstream_held_back_ms(const Upstream *upstream)
{
    uint64_t now = clock_now_ns();
    if (!deadline_is_set(&upstream->retry))
        return 0;
    return upstream->retry.at_ns > now ? (upstream->retry.at_ns - now) / NS_PER_MS + 1 : 1;
}

/* No address answered. */
static void connecting_failed(PooledConnection *pooled)
{
    Upstream *upstream = pooled->upstream;
    pooled_free(pooled);
    if (upstream->is_closing)
        return;
    if (!deadline_is_set(&upstream->retry))
        hold_back(upstream);
    if (upstream->last_error_is_final && upstream->n_open == 0)
        fail_waiters(upstream);
}

/* Whether connections are made although none is asked for. */
static bool is_warm(const Upstream *upstream)
{
    return upstream->profile->warm && !upstream->is_retired;
}

static void on_retry(Deadline *deadline)
{
    Upstream *upstream = container_of(deadline, Upstream, retry);
    if (is_warm(upstream) || !list_is_empty(&upstream->waiters))
        upstream_connect(upstream);
}

static void on_open(Connection *connection)
{
    PooledConnection *pooled = connection->owner;
    Upstream *upstream = pooled->upstream;
    deadline_clear(upstream->deadlines, &pooled->deadline);
    deadline_clear(upstream->deadlines, &upstream->retry);
    backoff_reset(&upstream->backoff);
    upstream->last_error[0] = '\0';
    upstream->last_error_is_final = false;
    if (upstream->is_given_up)
        log_write(upstream->log, LOG_LEVEL_INFO, "profile %s: %s:%u is reached again; new sessions go there",
                  upstream->profile->name, upstream->profile->host, upstream->profile->port);
    upstream->is_given_up = false;
    upstream->n_open++;
    if (pooled->addresses)
        uv_freeaddrinfo(pooled->addresses);
    pooled->addresses = pooled->next_address = NULL;
    log_write(upstream->log, LOG_LEVEL_DEBUG, "profile %s: connected to %s:%u", upstream->profile->name,
              upstream->profile->host, upstream->profile->port);
}

static void on_settings(Connection *connection)
{
    PooledConnection *pooled = connection->owner;
    serve_waiters(pooled->upstream);
    upstream_connect(pooled->upstream);
}

static void on_goaway(Connection *connection)
{
    PooledConnection *pooled = connection->owner;
    Upstream *upstream = pooled->upstream;
    log_write(upstream->log, LOG_LEVEL_DEBUG, "profile %s: %s:%u lets a connection run out (GOAWAY)",
              upstream->profile->name, upstream->profile->host, upstream->profile->port);
    if (pooled->n_calls == 0)
        connection_close(connection, CONNECTION_END_LOCAL, "the server asked for it (GOAWAY)");
    if (!list_is_empty(&upstream->waiters))
        upstream_connect(upstream);
}

static void on_closed(Connection *connection, const ConnectionEnd *end)
{
    PooledConnection *pooled = connection->owner;
    Upstream *upstream = pooled->upstream;
    bool was_open = !pooled->next_address && !pooled->addresses;
    pooled->connection = NULL;
    deadline_clear(upstream->deadlines, &pooled->deadline);
    if (was_open) {
        upstream->n_open--;
        pooled_free(pooled);
        if (upstream->is_closing)
            return;
        if (end->kind != CONNECTION_END_LOCAL)
            log_write(upstream->log, LOG_LEVEL_INFO, "profile %s: connection to %s:%u ended: %s",
                      upstream->profile->name, upstream->profile->host, upstream->profile->port, end->reason);
        if (is_warm(upstream) || !list_is_empty(&upstream->waiters))
            upstream_connect(upstream);
        return;
    }
    set_error(upstream, end->kind == CONNECTION_END_TLS, "%s%s", end->reason, advice(end->kind));
    try_next_address(pooled);
}

static const ConnectionEvents EVENTS = {
    .on_open = on_open, .on_settings = on_settings, .on_goaway = on_goaway, .on_closed = on_closed};

static unsigned keepalive_s(const Upstream *upstream)
{
    return (unsigned)((upstream->profile->keepalive_ms + 999) / 1000);
}

static void on_deadline(Deadline *deadline)
{
    PooledConnection *pooled = container_of(deadline, PooledConnection, deadline);
    if (is_open(pooled)) { /* it has answered the probe: else it were no longer there */
        keepalive_set(connection_fd(pooled->connection), keepalive_s(pooled->upstream));
        return;
    }
    const char *what = pooled->connection->state == CONNECTION_CONNECTING ? "no answer"
                       : pooled->connection->state == CONNECTION_HANDSHAKE
                           ? "no answer to the TLS handshake"
                           : "it accepts but says nothing in HTTP/2";
    connection_close(pooled->connection, CONNECTION_END_CONNECT, "%s within the time limit", what);
}

static void try_next_address(PooledConnection *pooled)
{
    Upstream *upstream = pooled->upstream;
    struct addrinfo *address = pooled->next_address;
    if (!address || upstream->is_closing) {
        connecting_failed(pooled);
        return;
    }
    pooled->next_address = address->ai_next;
    pooled->connection = connection_new_connecting(upstream->http2, address->ai_addr, upstream->tls,
                                                   upstream->profile->host, &EVENTS, pooled);
    connection_set_keepalive(pooled->connection, keepalive_s(upstream));
    uint64_t limit_ms = upstream->profile->connect_timeout_ms / 2 + 1;
    if (limit_ms > ADDRESS_TIMEOUT_LIMIT)
        limit_ms = ADDRESS_TIMEOUT_LIMIT;
    deadline_set(upstream->deadlines, &pooled->deadline, clock_now_ns() + limit_ms * NS_PER_MS);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    PooledConnection *pooled = container_of(request, PooledConnection, lookup);
    Upstream *upstream = pooled->upstream;
    pooled->lookup_runs = false;
    pooled->addresses = pooled->next_address = addresses;
    if (status != 0 && !upstream->is_closing)
        set_error(upstream, false, "its name cannot be resolved (%s); check the host and your DNS or VPN",
                  uv_strerror(status));
    try_next_address(pooled);
}

/* ---- pings of HTTP/2 */

static void set_ping(PooledConnection *pooled, uint64_t wait_ms)
{
    deadline_set(pooled->upstream->deadlines, &pooled->ping, clock_now_ns() + wait_ms * NS_PER_MS);
}

/* Only while calls run, and never closer together than the profile says: servers count what comes too early.
 */
static void on_ping(Deadline *deadline)
{
    PooledConnection *pooled = container_of(deadline, PooledConnection, ping);
    const ProfileSettings *profile = pooled->upstream->profile;
    if (!is_open(pooled))
        return;
    if (pooled->ping_is_out && pooled->connection->bytes_received == pooled->received_before_ping) {
        connection_close(pooled->connection, CONNECTION_END_PEER,
                         "it did not answer an HTTP/2 ping within %llu ms",
                         (unsigned long long)profile->connect_timeout_ms);
        return;
    }
    bool is_answered = pooled->ping_is_out;
    pooled->ping_is_out = false;
    if (pooled->n_calls == 0)
        return;
    if (is_answered) {
        set_ping(pooled, profile->http2_ping_ms);
        return;
    }
    pooled->ping_is_out = true;
    pooled->received_before_ping = pooled->connection->bytes_received;
    connection_ping(pooled->connection);
    set_ping(pooled, profile->connect_timeout_ms);
}

/* ---- making one */

static void connect_one(Upstream *upstream)
{
    PooledConnection *pooled = mem_new(PooledConnection);
    pooled->upstream = upstream;
    pooled->deadline = (Deadline)DEADLINE_INIT(on_deadline);
    pooled->ping = (Deadline)DEADLINE_INIT(on_ping);
    list_append(&upstream->pool, &pooled->link);
    char port[8];
    (void)snprintf(port, sizeof port, "%u", upstream->profile->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    if (getaddrinfo(upstream->profile->host, port, &hints, &pooled->addresses) ==
        0) { /* no look-up, no thread */
        pooled->next_address = pooled->addresses;
        try_next_address(pooled);
        return;
    }
    hints.ai_flags = AI_ADDRCONFIG;
    int error =
        uv_getaddrinfo(upstream->loop, &pooled->lookup, on_looked_up, upstream->profile->host, port, &hints);
    if (error == 0) {
        pooled->lookup_runs = true;
        return;
    }
    set_error(upstream, false, "its name cannot be looked up (%s)", uv_strerror(error));
    connecting_failed(pooled);
}

/* The wished size; more, up to the limit, while calls wait and every ready connection is full. */
static unsigned wanted_size(const Upstream *upstream, unsigned usable)
{
    const ProfileSettings *profile = upstream->profile;
    bool all_full = upstream->n_open > 0 && !list_is_empty(&upstream->waiters);
    unsigned wanted = all_full && upstream->n_open >= usable ? usable + 1 : profile->connections;
    if (wanted < profile->connections)
        wanted = profile->connections;
    return wanted < profile->max_connections ? wanted : profile->max_connections;
}

void upstream_connect(Upstream *upstream)
{
    if (upstream->is_closing || deadline_is_set(&upstream->retry))
        return;
    if (upstream->is_retired && list_is_empty(&upstream->waiters))
        return;
    unsigned usable = count_usable(upstream);
    unsigned wanted = wanted_size(upstream, usable);
    for (; usable < wanted; usable++)
        connect_one(upstream);
}

/* ---- another network */

static void check_connection(PooledConnection *pooled)
{
    Connection *connection = pooled->connection;
    if (!connection || connection->state >= CONNECTION_CLOSING || connection_fd(connection) < 0)
        return;
    if (keepalive_address_is_gone(connection_fd(connection))) {
        connection_close(connection, is_open(pooled) ? CONNECTION_END_PEER : CONNECTION_END_CONNECT,
                         "this machine no longer has the address that it was made from");
    } else if (is_open(pooled)) {
        keepalive_probe(connection_fd(connection));
        deadline_set(pooled->upstream->deadlines, &pooled->deadline,
                     clock_now_ns() + KEEPALIVE_PROBE_S * NS_PER_S);
    }
}

bool upstream_network_changed(Upstream *upstream)
{
    bool was_held_back = deadline_is_set(&upstream->retry), has_any = !list_is_empty(&upstream->pool);
    if (upstream->is_closing)
        return false;
    backoff_reset(&upstream->backoff);
    deadline_clear(upstream->deadlines, &upstream->retry);
    list_for_each(link, &upstream->pool) check_connection(container_of(link, PooledConnection, link));
    if (is_warm(upstream) || !list_is_empty(&upstream->waiters))
        upstream_connect(upstream);
    return was_held_back || has_any;
}

/* ---- choosing */

/* Lower is better. Small calls gather on the first connection without streams, so that they share its writes.
 */
static uint64_t cost(const PooledConnection *pooled, bool is_bulk, unsigned position)
{
    uint64_t streams = pooled->n_bulk;
    if (is_bulk)
        return streams * 64 + (position == 0 ? 32 : 0) + position;
    return streams * 64 + position;
}

PooledConnection *upstream_pick(Upstream *upstream, bool is_bulk)
{
    PooledConnection *best = NULL;
    uint64_t best_cost = UINT64_MAX;
    unsigned position = 0;
    list_for_each(link, &upstream->pool)
    {
        PooledConnection *pooled = container_of(link, PooledConnection, link);
        if (!is_open(pooled) || connection_streams_left(pooled->connection) == 0)
            continue;
        uint64_t this_cost = cost(pooled, is_bulk, position++);
        if (this_cost < best_cost) {
            best = pooled;
            best_cost = this_cost;
        }
    }
    if (upstream->n_open < upstream->profile->connections)
        upstream_connect(upstream);
    return best;
}

void pooled_call_begun(PooledConnection *pooled, bool is_bulk)
{
    pooled->n_calls++;
    pooled->n_calls_ever++;
    pooled->n_bulk += is_bulk;
    pooled->upstream->n_calls++;
    uint64_t ping_ms = pooled->upstream->profile->http2_ping_ms;
    if (ping_ms > 0 && !deadline_is_set(&pooled->ping))
        set_ping(pooled, ping_ms);
}

void pooled_call_ended(PooledConnection *pooled, bool is_bulk)
{
    Upstream *upstream = pooled->upstream;
    assert(pooled->n_calls > 0);
    pooled->n_calls--;
    pooled->n_bulk -= is_bulk;
    if (pooled->n_calls == 0 && pooled->connection && pooled->connection->peer_goes_away)
        connection_close(pooled->connection, CONNECTION_END_LOCAL, "the server asked for it (GOAWAY)");
    if (!list_is_empty(&upstream->waiters) && !upstream->is_closing)
        serve_waiters(upstream);
}

/* ---- the upstream itself */

static char *authority_of(const ProfileSettings *profile)
{
    char authority[512];
    bool is_ipv6 = strchr(profile->host, ':') != NULL;
    bool is_default_port = profile->port == (profile->use_tls ? 443 : 80);
    int n = snprintf(authority, sizeof authority, is_ipv6 ? "[%s]" : "%s", profile->host);
    if (!is_default_port && n > 0 && (size_t)n < sizeof authority)
        (void)snprintf(authority + n, sizeof authority - (size_t)n, ":%u", profile->port);
    return mem_copy_string(authority);
}

Upstream *upstream_new(uv_loop_t *loop, Http2 *http2, Https *https, Deadlines *deadlines, const Log *log,
                       Settings *settings, const ProfileSettings *profile, char *reason, size_t reason_size)
{
    TlsContext *tls = NULL;
    if (profile->use_tls) {
        char why[160];
        tls = tls_context_new(profile->ca_file, why, sizeof why);
        if (!tls) {
            (void)snprintf(reason, reason_size, "profile %s: cannot load ca_file %s: %s", profile->name,
                           profile->ca_file ? profile->ca_file : "(the system's)", why);
            return NULL;
        }
    }
    Upstream *upstream = mem_new(Upstream);
    upstream->loop = loop;
    upstream->http2 = http2;
    upstream->deadlines = deadlines;
    upstream->log = log;
    upstream->n_references = 1;
    upstream->settings = settings_ref(settings);
    upstream->profile = profile;
    upstream->end = (Deadline)DEADLINE_INIT(on_end);
    MintContext minting = {
        .loop = loop, .https = https, .log = log, .profile = profile, .timeout_ms = MINT_TIMEOUT_MS};
    upstream->refresher = refresher_new(&minting, deadlines);
    ClusterContext asking = {.loop = loop,
                             .https = https,
                             .deadlines = deadlines,
                             .log = log,
                             .profile = profile,
                             .refresher = upstream->refresher};
    if (profile->databricks && profile->cluster_id)
        upstream->cluster = cluster_new(&asking);
    upstream->tls = tls;
    upstream->authority = authority_of(profile);
    upstream->backoff = (Backoff)BACKOFF_INIT(BACKOFF_FIRST_MS, BACKOFF_LIMIT_MS);
    upstream->retry = (Deadline)DEADLINE_INIT(on_retry);
    list_init(&upstream->pool);
    list_init(&upstream->waiters);
    return upstream;
}

void upstream_close(Upstream *upstream)
{
    upstream->is_closing = true;
    upstream->cluster = cluster_free(upstream->cluster); /* what it asks would keep the loop running */
    assert(list_is_empty(&upstream->waiters));
    deadline_clear(upstream->deadlines, &upstream->retry);
    deadline_clear(upstream->deadlines, &upstream->end);
    upstream->refresher = refresher_free(upstream->refresher);
    list_for_each(link, &upstream->pool)
    {
        PooledConnection *pooled = container_of(link, PooledConnection, link);
        if (pooled->connection)
            connection_close(pooled->connection, CONNECTION_END_LOCAL,
                             upstream->on_unused ? "the profile has changed" : "the daemon stops");
        else if (pooled->lookup_runs)
            (void)uv_cancel((uv_req_t *)&pooled->lookup);
    }
    go_when_unused(upstream);
}

Upstream *upstream_free(Upstream *upstream)
{
    if (upstream) {
        assert(list_is_empty(&upstream->pool));
        assert(!upstream->refresher);
        tls_context_free(upstream->tls);
        free(upstream->authority);
        settings_unref(upstream->settings);
    }
    free(upstream);
    return NULL;
}

void upstream_probe(Upstream *upstream)
{
    upstream_connect(upstream);
    refresher_warm(upstream->refresher);
    if (upstream->cluster)
        cluster_ask_unattended(upstream->cluster);
}
