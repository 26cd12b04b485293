#include "relay/orphans.h"

#include <string.h>

#include "base/clock.h"
#include "relay/call.h"
#include "relay/destination.h"
#include "session/orphan.h"
#include "spark/codec.h"

/* A session whose client may come back. */
typedef struct Orphan {
    Relay *relay;
    Session *session;
    Deadline deadline;
    uint64_t since_ns;
    Process process; /* that had the last connection */
    char address[sizeof((Peer *)NULL)->address];
} Orphan;

/* ---- calls of our own */

static Upstream *upstream_of(Relay *relay, const Session *session)
{
    const Destination *destination = session->target;
    const char *problem;
    bool is_unknown;
    return destination ? relay_upstream(relay, destination->name, &problem, &is_unknown) : NULL;
}

/* What each gRPC call has; :scheme, :authority and :path get their values when it is sent. */
static void add_headers(HeaderList *headers, const Session *session)
{
    header_list_add(headers, HEADER_LITERAL(":method", "POST"));
    header_list_add(headers, HEADER_LITERAL(":scheme", "http"));
    header_list_add(headers, HEADER_LITERAL(":path", "/"));
    header_list_add(headers, HEADER_LITERAL(":authority", "localhost"));
    header_list_add(headers, HEADER_LITERAL("te", "trailers"));
    header_list_add(headers, HEADER_LITERAL("content-type", "application/grpc"));
    header_list_add(headers, HEADER_LITERAL("user-agent", "sparkbouncer/" SPARKBOUNCER_VERSION));
    if (!session->cluster_id[0])
        return;
    Header cluster = HEADER_LITERAL("x-databricks-cluster-id", ""); /* the call keeps the session */
    cluster.value = session->cluster_id;
    cluster.value_length = (uint32_t)strlen(session->cluster_id);
    header_list_add(headers, cluster);
}

/* As the server knows it. */
static SessionFields fields_of(const Session *session)
{
    return (SessionFields){.session_id = session_id_at_server(session),
                           .user_id = session->user_id[0] ? session->user_id : NULL};
}

static void call_for(Relay *relay, Upstream *upstream, Session *session, MethodId method,
                     const uint8_t *bytes, size_t length)
{
    HeaderList headers = HEADER_LIST_INIT;
    add_headers(&headers, session);
    Call *call = call_new_own(relay, upstream, session, method_get(method), &headers, bytes, length);
    header_list_deinit(&headers);
    call_dispatch(call);
}

static void interrupt(Relay *relay, Upstream *upstream, Operation *operation, const char *address)
{
    Session *session = operation->session;
    uint8_t bytes[CODEC_SESSION_REQUEST_SIZE];
    SessionFields fields = fields_of(session);
    size_t length = codec_write_interrupt_request(bytes, sizeof bytes, &fields, operation->operation_id);
    if (length == 0)
        return;
    operation->is_running = false;
    relay->counts.n_interrupted++;
    log_write(relay->log, LOG_LEVEL_INFO,
              "profile %s: operation %s is interrupted: client %s has gone and did not come back for it",
              upstream->profile->name, operation->operation_id, address);
    call_for(relay, upstream, session, METHOD_INTERRUPT, bytes, length);
}

static void release(Relay *relay, Upstream *upstream, Session *session, const char *address)
{
    uint8_t bytes[CODEC_SESSION_REQUEST_SIZE];
    SessionFields fields = fields_of(session);
    size_t length = codec_write_release_session_request(bytes, sizeof bytes, &fields);
    if (length == 0)
        return;
    relay->counts.n_released++;
    log_write(relay->log, LOG_LEVEL_INFO, "profile %s: session %s is released: its client (%s) has ended",
              upstream->profile->name, session->session_id, address);
    call_for(relay, upstream, session, METHOD_RELEASE_SESSION, bytes, length);
}

/* ---- the decision */

static bool is_orphan(const Operation *operation, uint64_t since_ns)
{
    OrphanOperationFacts facts = {.is_running = operation->is_running,
                                  .is_connected = operation->of_client != NULL,
                                  .is_streaming = operation->streaming != NULL,
                                  .session_used = operation->session->used_ns > since_ns};
    return orphan_operation(&facts);
}

static bool may_release(const Session *session, const Orphan *orphan)
{
    OrphanSessionFacts facts = {.session_used = session->used_ns > orphan->since_ns,
                                .is_connected = session_has_clients(session),
                                .is_shared = session->is_shared,
                                .is_named = session->name[0] != '\0',
                                .process = process_state(&orphan->process)};
    return orphan_session(&facts);
}

static void end_wait(Orphan *orphan)
{
    deadline_clear(&orphan->relay->deadlines, &orphan->deadline);
    orphan->session->orphan = NULL;
    free(orphan);
}

static void on_grace_over(Deadline *deadline)
{
    Orphan *orphan = container_of(deadline, Orphan, deadline);
    Relay *relay = orphan->relay;
    Session *session = session_ref(orphan->session); /* a call that fails at once may forget it */
    Upstream *upstream = upstream_of(relay, session);
    bool is_released = upstream && !session->parting && may_release(session, orphan);
    List *operations = &session->operations;
    if (upstream)
        upstream_ref(upstream);
    for (ListLink *link = operations->head.next, *following; upstream && link != &operations->head;
         link = following) {
        following = link->next;
        Operation *operation = container_of(link, Operation, link);
        if (is_orphan(operation, orphan->since_ns))
            interrupt(relay, upstream, operation, orphan->address);
    }
    if (is_released)
        release(relay, upstream, session, orphan->address);
    upstream_unref(upstream);
    if (session->orphan)
        end_wait(session->orphan);
    session_unref(session);
}

/* ---- events */

static void watch(const Client *client, Session *session)
{
    Relay *relay = client->relay;
    Orphan *orphan = session->orphan;
    if (!orphan) {
        session->orphan = orphan = mem_new(Orphan);
        orphan->relay = relay;
        orphan->session = session;
        orphan->deadline = (Deadline)DEADLINE_INIT(on_grace_over);
    }
    orphan->since_ns = clock_now_ns();
    orphan->process = client->peer.process;
    strcpy(orphan->address, client->peer.address);
    deadline_set(&relay->deadlines, &orphan->deadline,
                 orphan->since_ns + relay->settings->orphan_grace_ms * NS_PER_MS);
}

void orphans_client_gone(Client *client)
{
    Relay *relay = client->relay;
    bool is_on = relay->settings->orphan_grace_ms > 0 && !relay->is_draining;
    for (ListLink *link; (link = list_first(&client->operations));) {
        Operation *operation = container_of(link, Operation, client_link);
        operation_client_gone(operation);
        if (is_on && operation->is_running)
            watch(client, operation->session);
    }
    for (ListLink *link; (link = list_first(&client->sessions));) {
        SessionClient *use = container_of(link, SessionClient, link);
        Session *session = use->session;
        session_client_gone(use);
        bool may_end = !session->is_shared && !session->name[0] && client->peer.process.started != 0;
        if (is_on && may_end && !session_has_clients(session))
            watch(client, session);
    }
}

void orphans_session_used(Session *session)
{
    if (session->orphan)
        end_wait(session->orphan);
}

void orphans_session_gone(Session *session)
{
    orphans_session_used(session);
}
