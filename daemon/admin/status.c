#include "admin/status.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "admin/status_values.h"
#include "auth/cluster.h"
#include "base/clock.h"
#include "relay/call.h"
#include "relay/refusal_text.h"

#define MAX_ENTRIES 100 /* of sessions and of calls: what a person or a monitor can use */

/* ---- values */

static uint64_t memory_bytes(void)
{
    size_t resident = 0;
    return uv_resident_set_memory(&resident) == 0 ? resident : 0;
}

/* ---- profiles */

static const char *connection_state(const Connection *connection)
{
    if (!connection)
        return "resolving";
    switch (connection->state) {
    case CONNECTION_CONNECTING: return "connecting";
    case CONNECTION_HANDSHAKE: return "handshake";
    case CONNECTION_GREETING: return "greeting";
    case CONNECTION_OPEN: return connection->peer_goes_away ? "draining" : "ready";
    case CONNECTION_CLOSING:
    case CONNECTION_CLOSED: return "closing";
    }
    return "closing";
}

static json_t *connection_document(const PooledConnection *pooled)
{
    const Connection *connection = pooled->connection;
    json_t *document = json_object();
    status_add_text(document, "state", connection_state(connection));
    status_add_count(document, "calls", pooled->n_calls);
    status_add_count(document, "streaming_calls", pooled->n_bulk);
    status_add_count(document, "calls_ever", pooled->n_calls_ever);
    status_add_count(document, "streams", connection ? connection->streams.n_entries : 0);
    status_add_count(document, "bytes_received", connection ? connection->bytes_received : 0);
    status_add_count(document, "bytes_sent", connection ? connection->bytes_sent : 0);
    bool has_tls = connection && connection->tls && connection->state >= CONNECTION_GREETING;
    status_add_text(document, "tls", has_tls ? tls_version(connection->tls) : NULL);
    return document;
}

static const char *upstream_state(const Upstream *upstream)
{
    if (!upstream)
        return "idle";
    if (upstream->n_open > 0)
        return "ready";
    if (upstream->last_error[0])
        return "failing";
    return list_is_empty(&upstream->pool) ? "idle" : "connecting";
}

static void add_connections(json_t *document, const Upstream *upstream)
{
    json_t *connections = json_array();
    if (upstream) {
        list_for_each(link, &upstream->pool)
        {
            const PooledConnection *pooled = container_of(link, PooledConnection, link);
            (void)json_array_append_new(connections, connection_document(pooled));
        }
    }
    (void)json_object_set_new(document, "connections", connections);
}

static const char *const CREDENTIAL_STATES[] = {
    [REFRESHER_NONE] = "none",     [REFRESHER_MINTING] = "waiting",       [REFRESHER_READY] = "ready",
    [REFRESHER_FAILED] = "failed", [REFRESHER_REFRESHING] = "refreshing",
};

/* Null where nothing has been asked of the profile yet. */
static json_t *credential_document(const Upstream *upstream)
{
    RefresherFacts facts;
    if (!upstream || !upstream->refresher)
        return json_null();
    refresher_facts(upstream->refresher, &facts);
    json_t *document = json_object();
    status_add_text(document, "auth_type", facts.type < N_AUTH_TYPES ? auth_type_name(facts.type) : NULL);
    status_add_text(document, "state",
                    facts.type < N_AUTH_TYPES ? CREDENTIAL_STATES[facts.state] : "not needed");
    (void)json_object_set_new(document, "expires_in_s",
                              facts.lives_ms ? json_integer((json_int_t)(facts.lives_ms / 1000))
                                             : json_null());
    status_add_text(document, "problem", facts.problem);
    status_add_boolean(document, "login_needed", facts.needs_person);
    status_add_count(document, "refreshes", facts.n_refreshes);
    status_add_count(document, "failures", facts.n_failures);
    (void)json_object_set_new(document, "clock_skew_s", json_integer(facts.skew_s));
    return document;
}

/* What is wrong with it, and what to do; nothing while it takes calls. */
static void add_cluster_problem(json_t *document, const ClusterFacts *facts, const ProfileSettings *profile)
{
    static const char PREFIX[] = "sparkbouncer: ";
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    if (facts->since_ns != 0 && !cluster_state_serves(facts->state))
        (void)refusal_explain(&sentence, REFUSAL_CLUSTER_NOT_RUNNING, facts, profile, NULL, clock_now_ns());
    status_add_text(document, "problem", sentence.length ? text_string(&sentence) + strlen(PREFIX) : NULL);
}

/* Null where there is no cluster, or nobody has used the profile yet. Asks nothing. */
static json_t *cluster_document(const Upstream *upstream)
{
    ClusterFacts facts;
    if (!upstream || !upstream->cluster)
        return json_null();
    cluster_facts(upstream->cluster, &facts);
    json_t *document = json_object();
    bool is_known = facts.since_ns != 0;
    status_add_text(document, "state", is_known ? cluster_state_name(facts.state) : NULL);
    status_add_text(document, "name", facts.name[0] ? facts.name : NULL);
    status_add_text(document, "message", facts.message[0] ? facts.message : NULL);
    status_add_text(document, "start", cluster_start_name(facts.start));
    (void)json_object_set_new(
        document, "since_s",
        is_known ? json_integer((json_int_t)((clock_now_ns() - facts.since_ns) / NS_PER_S)) : json_null());
    (void)json_object_set_new(document, "expected_s",
                              facts.expected_ms ? json_integer((json_int_t)(facts.expected_ms / 1000))
                                                : json_null());
    status_add_count(document, "waiting", facts.n_waiting);
    add_cluster_problem(document, &facts, upstream->profile);
    return document;
}

/* The workspace as the Databricks tools spell it; null for other servers. */
static void add_workspace(json_t *document, const ProfileSettings *profile)
{
    _cleanup_(text_deinit) Text url = TEXT_NULL;
    bool is_workspace = profile->databricks && profile->host;
    if (is_workspace)
        text_printf(&url, "%s://%s", profile->use_tls ? "https" : "http", profile->host);
    if (is_workspace && profile->port != (profile->use_tls ? 443 : 80))
        text_printf(&url, ":%u", profile->port);
    status_add_text(document, "workspace", is_workspace ? text_string(&url) : NULL);
}

/* What a profile has to do with the local Spark server. */
static const char *fallback_value(const ProfileSettings *profile)
{
    return profile->is_local ? "always" : profile->fallback == FALLBACK_LOCAL ? "local" : NULL;
}

static const char *profile_state(const Relay *relay, const Destination *destination, const char *problem)
{
    if (problem)
        return "unusable";
    if (destination->profile->is_local)
        return local_spark_is_ready(relay->fallback.spark) ? "ready" : "idle";
    return upstream_state(destination->upstream);
}

/* Null where nothing of the kind was ever needed. */
static json_t *local_spark_document(const Relay *relay)
{
    LocalSparkFacts facts;
    const Fallback *fallback = &relay->fallback;
    uint64_t n_sessions = 0;
    if (!fallback->spark)
        return json_null();
    local_spark_facts(fallback->spark, &facts);
    unsigned run = local_spark_run(fallback->spark);
    list_for_each(link, &relay->registry.sessions)
    {
        const Session *session = container_of(link, Session, link);
        n_sessions += run != 0 && session->local_run == run;
    }
    json_t *document = json_object();
    status_add_text(document, "state", local_spark_state_name(facts.state));
    status_add_count(document, "since_s", (clock_now_ns() - facts.since_ns) / NS_PER_S);
    (void)json_object_set_new(document, "port", facts.port ? json_integer(facts.port) : json_null());
    (void)json_object_set_new(document, "pid", facts.pid ? json_integer(facts.pid) : json_null());
    status_add_text(document, "problem", facts.problem);
    status_add_count(document, "sessions", n_sessions);
    status_add_count(document, "fallen_back_sessions", fallback->n_sessions);
    status_add_count(document, "calls", fallback->upstream ? fallback->upstream->n_calls : 0);
    status_add_count(document, "waiting_calls", fallback->waiting.n_entries);
    return document;
}

static json_t *profile_document(const Relay *relay, const Destination *destination)
{
    const ProfileSettings *profile = destination->profile;
    const Upstream *upstream = destination->upstream;
    const char *problem = destination->problem ? destination->problem : profile->problem;
    const char *default_name = relay->settings->default_profile;
    json_t *document = json_object();
    status_add_text(document, "name", profile->name);
    status_add_boolean(document, "is_default", default_name && strcmp(default_name, profile->name) == 0);
    status_add_boolean(document, "is_guest", destination->is_guest);
    status_add_text(document, "host", profile->host);
    status_add_count(document, "port", profile->port);
    status_add_boolean(document, "tls", profile->use_tls);
    add_workspace(document, profile);
    status_add_text(document, "cluster_id", profile->cluster_id);
    status_add_boolean(document, "serverless", profile->is_serverless);
    (void)json_object_set_new(document, "cluster", cluster_document(upstream));
    status_add_text(document, "state", profile_state(relay, destination, problem));
    status_add_text(document, "problem", problem);
    status_add_text(document, "fallback", fallback_value(profile));
    status_add_text(document, "last_error",
                    upstream && upstream->last_error[0] ? upstream->last_error : NULL);
    (void)json_object_set_new(document, "credential", credential_document(upstream));
    status_add_count(document, "calls", upstream ? upstream->n_calls : 0);
    status_add_count(document, "waiting_calls", upstream ? upstream->waiters.n_entries : 0);
    add_connections(document, upstream);
    return document;
}

static json_t *profiles_document(const Relay *relay)
{
    json_t *profiles = json_array();
    list_for_each(link, &relay->destinations.list)
    {
        const Destination *destination = container_of(link, Destination, link);
        if (destination->profile)
            (void)json_array_append_new(profiles, profile_document(relay, destination));
    }
    return profiles;
}

/* ---- sessions */

static json_t *session_document(const Session *session, uint64_t now_ns)
{
    json_t *document = json_object();
    status_add_text(document, "session_id", session->session_id);
    status_add_text(document, "name", session->name[0] ? session->name : NULL);
    status_add_text(document, "user_id", session->user_id);
    status_add_text(document, "profile", status_profile_label(session->target));
    (void)json_object_set_new(document, "owner_uid",
                              session->owner == SESSION_OWNER_UNKNOWN ? json_null()
                                                                      : json_integer(session->owner));
    status_add_boolean(document, "is_local", session->local_run != 0);
    status_add_count(document, "calls", session->n_calls);
    status_add_text(document, "name", session->name[0] ? session->name : NULL);
    status_add_text(document, "state", session_state_name(session_state(session)));
    status_add_count(document, "operations", session->operations.n_entries);
    status_add_count(document, "running_operations", session_count_running(session));
    status_add_count(document, "age_s", (now_ns - session->created_ns) / NS_PER_S);
    status_add_count(document, "idle_s", (now_ns - session->used_ns) / NS_PER_S);
    return document;
}

/* The most recently used ones, those first. */
static json_t *sessions_document(const Registry *registry, uint64_t now_ns)
{
    json_t *sessions = json_array();
    const ListLink *link = registry->sessions.head.previous;
    while (link != &registry->sessions.head && json_array_size(sessions) < MAX_ENTRIES) {
        const Session *session = container_of(link, Session, link);
        (void)json_array_append_new(sessions, session_document(session, now_ns));
        link = link->previous;
    }
    return sessions;
}

/* ---- calls */

static const char *const CALL_STATES[] = {
    [CALL_RECEIVING] = "receiving", [CALL_HOLDING] = "holding",   [CALL_WAITING] = "waiting",
    [CALL_RUNNING] = "running",     [CALL_ANSWERED] = "answered", [CALL_ENDED] = "ended",
};

static json_t *method_value(const Call *call)
{
    if (call->method)
        return json_string(call->method->name);
    return status_text_value(call->path ? call->path->value : NULL,
                             call->path ? call->path->value_length : 0);
}

static json_t *call_document(const Call *call, uint64_t now_ns)
{
    const Envelope *envelope = &call->request.envelope;
    json_t *document = json_object();
    (void)json_object_set_new(document, "method", method_value(call));
    status_add_text(document, "profile", call->upstream ? call->upstream->profile->name : NULL);
    status_add_text(document, "session_id", envelope_text(envelope, ENVELOPE_SESSION_ID));
    status_add_text(document, "operation_id", envelope_text(envelope, ENVELOPE_OPERATION_ID));
    status_add_text(document, "state", CALL_STATES[call->state]);
    status_add_count(document, "age_ms", (now_ns - call->started_ns) / NS_PER_MS);
    status_add_count(document, "bytes_from_client", call->bytes_from_client);
    status_add_count(document, "bytes_to_client", call->bytes_to_client);
    status_add_count(document, "bytes_spooled", spool_unread(call));
    status_add_count(document, "attempts", call->n_attempts);
    status_add_text(document, "peer", call->client ? call->client->peer.address : NULL);
    return document;
}

/* The oldest ones, those first: what has hung for long is what one looks for. */
static json_t *calls_document(const Relay *relay, uint64_t now_ns)
{
    json_t *calls = json_array();
    list_for_each(link, &relay->calls)
    {
        if (json_array_size(calls) == MAX_ENTRIES)
            break;
        const Call *call = container_of(link, Call, link);
        (void)json_array_append_new(calls, call_document(call, now_ns));
    }
    return calls;
}

/* ---- the whole */

static json_t *counts_document(const RelayCounts *counts)
{
    json_t *document = json_object();
    status_add_count(document, "calls", counts->n_calls);
    status_add_count(document, "failed_calls", counts->n_failed);
    status_add_count(document, "calls_answered_here", counts->n_answered_here);
    status_add_count(document, "calls_replayed", counts->n_replayed);
    status_add_count(document, "operations_interrupted", counts->n_interrupted);
    status_add_count(document, "sessions_released", counts->n_released);
    status_add_count(document, "sessions_expired", counts->n_expired);
    status_add_count(document, "network_changes", counts->n_network_changes);
    status_add_count(document, "clients", counts->n_clients);
    status_add_count(document, "bytes_to_clients", counts->bytes_to_clients);
    status_add_count(document, "bytes_to_servers", counts->bytes_to_servers);
    return document;
}

/* Whether something has kept the loop from listening. */
static json_t *loop_document(const LoopLag *lag)
{
    json_t *document = json_object();
    status_add_count(document, "turns", lag->n_turns);
    status_add_count(document, "turns_of_10_ms", lag->n_slow);
    status_add_count(document, "turns_of_100_ms", lag->n_very_slow);
    status_add_count(document, "longest_turn_ms", lag->longest_ns / NS_PER_MS);
    (void)json_object_set_new(document, "longest_turn_age_s",
                              lag->n_turns > 0
                                  ? json_integer((json_int_t)((uv_hrtime() - lag->longest_at_ns) / NS_PER_S))
                                  : json_null());
    return document;
}

static json_t *listeners_document(const StatusFacts *facts)
{
    json_t *listeners = json_array();
    for (size_t i = 0; i < facts->n_addresses; i++)
        (void)json_array_append_new(listeners,
                                    status_text_value(facts->addresses[i], strlen(facts->addresses[i])));
    return listeners;
}

json_t *status_document(const Relay *relay, const StatusFacts *facts)
{
    uint64_t now_ns = clock_now_ns();
    json_t *document = json_object();
    status_add_text(document, "version", SPARKBOUNCER_VERSION);
    status_add_text(document, "state", facts->state);
    status_add_count(document, "pid", (uint64_t)getpid());
    status_add_count(document, "uptime_s", (now_ns - facts->started_ns) / NS_PER_S);
    status_add_count(document, "memory_bytes", memory_bytes());
    (void)json_object_set_new(document, "listeners", listeners_document(facts));
    status_add_text(document, "metadata_service", facts->metadata_url);
    (void)json_object_set_new(document, "counts", counts_document(&relay->counts));
    (void)json_object_set_new(document, "loop", loop_document(facts->lag));
    status_add_count(document, "clients", relay->clients.n_entries);
    (void)json_object_set_new(document, "profiles", profiles_document(relay));
    (void)json_object_set_new(document, "local_spark", local_spark_document(relay));
    status_add_count(document, "sessions_total", relay->registry.sessions.n_entries);
    (void)json_object_set_new(document, "sessions", sessions_document(&relay->registry, now_ns));
    status_add_count(document, "bytes_spooled", relay->spool_files.n_unread);
    status_add_count(document, "calls_total", relay->calls.n_entries);
    (void)json_object_set_new(document, "calls", calls_document(relay, now_ns));
    return document;
}
