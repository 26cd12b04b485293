#include "relay/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http2/preface.h"
#include "relay/call.h"
#include "relay/orphans.h"

#define GREETING_TIMEOUT_MS 10000 /* for the first HTTP/2 bytes of a client */

/* Those that find no room are told so, and when to come again, as long as there are not too many of them. */
#define MAX_TURNED_AWAY_CLIENTS 100
#define MAX_TURNED_AWAY_CALLS   1000
#define TURNED_AWAY_TIMEOUT_MS  2000 /* for its first call */
#define CLIENTS_RETRY_MS        5000 /* connections stay longer than calls */

static Stream *on_stream(Connection *connection)
{
    Client *client = connection->owner;
    if (client->relay->is_draining ||
        client->relay->calls.n_entries >= RELAY_MAX_CALLS + MAX_TURNED_AWAY_CALLS)
        return NULL; /* REFUSED_STREAM: a client may safely try elsewhere */
    return &call_new(client)->from_client;
}

static void on_settings(Connection *connection)
{
    Client *client = connection->owner;
    if (!client->is_refused)
        deadline_clear(&client->relay->deadlines, &client->greeting);
}

/* Those that are turned away together do not come back together. */
static uint64_t spread(uint64_t ms)
{
    return ms + clock_now_ns() % ms;
}

bool client_turns_away(Call *call)
{
    Client *client = call->client;
    if (client->is_refused) {
        StatusDetails details = {.reason = "TOO_MANY_CLIENTS", .retry_after_ms = spread(CLIENTS_RETRY_MS)};
        call_fail(call, STATUS_UNAVAILABLE, &details,
                  "sparkbouncer: %u clients are connected, which is all that max_client_connections allows; "
                  "try again later, or raise it",
                  client->relay->settings->max_client_connections);
        connection_announce_shutdown(client->connection);
        return true;
    }
    if (client->relay->calls.n_entries <= RELAY_MAX_CALLS)
        return false;
    StatusDetails details = {.reason = "TOO_MANY_CALLS", .retry_after_ms = spread(CALL_BUSY_RETRY_MS)};
    call_fail(
        call, STATUS_UNAVAILABLE, &details,
        "sparkbouncer: %d calls are under way, which is all that the daemon takes at a time; try again later",
        RELAY_MAX_CALLS);
    return true;
}

/* What people do who cannot know better, and what they should change. */
static void explain_wrong_protocol(const Client *client, const Connection *connection)
{
    static const char ANSWER[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        "This is sparkbouncer, a Spark Connect (gRPC) endpoint. Point a Spark client at it: "
        "sc://localhost:PORT\n";
    const Log *log = client->relay->log;
    switch (preface_classify(connection->first_bytes, connection->n_first_bytes)) {
    case PREFACE_TLS:
        log_write(log, LOG_LEVEL_WARNING,
                  "%s speaks TLS to this plaintext address: drop use_ssl and token from the client's sc:// "
                  "URL, unset "
                  "SPARK_CONNECT_AUTHENTICATE_TOKEN, and write localhost, not 127.0.0.1",
                  client->peer.address);
        break;
    case PREFACE_HTTP1:
        log_write(log, LOG_LEVEL_WARNING,
                  "%s speaks HTTP/1 to this address: it takes Spark Connect (gRPC) only; an http_proxy "
                  "variable may be "
                  "catching localhost, so set no_proxy=localhost,127.0.0.1",
                  client->peer.address);
        (void)send(connection_fd(connection), ANSWER, sizeof ANSWER - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
    case PREFACE_UNKNOWN:
        log_write(log, LOG_LEVEL_WARNING, "%s speaks a protocol that is not known here; closed",
                  client->peer.address);
        break;
    case PREFACE_HTTP2: break;
    }
}

static void on_closed(Connection *connection, const ConnectionEnd *end)
{
    Client *client = connection->owner;
    Relay *relay = client->relay;
    if (end->kind == CONNECTION_END_PROTOCOL)
        explain_wrong_protocol(client, connection);
    log_write(relay->log, LOG_LEVEL_DEBUG, "client %s has gone: %s", client->peer.address, end->reason);
    deadline_clear(&relay->deadlines, &client->greeting);
    orphans_client_gone(client);
    list_remove(&relay->clients, &client->link);
    relay->n_turned_away -= client->is_refused;
    free(client->profile);
    free(client);
    relay_check_idle(relay);
}

static const ConnectionEvents EVENTS = {
    .on_stream = on_stream, .on_settings = on_settings, .on_closed = on_closed};

static void on_greeting_timeout(Deadline *deadline)
{
    Client *client = container_of(deadline, Client, greeting);
    if (client->is_refused)
        connection_close(client->connection, CONNECTION_END_LOCAL, "too many clients");
    else
        connection_close(client->connection, CONNECTION_END_LOCAL, "it said nothing in HTTP/2 within %d s",
                         GREETING_TIMEOUT_MS / 1000);
}

static bool is_full(const Relay *relay)
{
    return relay->clients.n_entries - relay->n_turned_away > relay->settings->max_client_connections;
}

/* Its first call is answered with the reason; one of too many such clients is not heard. */
static void refuse(Client *client)
{
    Relay *relay = client->relay;
    log_write(relay->log, LOG_LEVEL_WARNING, "client %s is refused: max_client_connections (%u) are open",
              client->peer.address, relay->settings->max_client_connections);
    client->is_refused = true;
    if (++relay->n_turned_away > MAX_TURNED_AWAY_CLIENTS)
        connection_close(client->connection, CONNECTION_END_LOCAL, "too many clients");
    else
        deadline_set(&relay->deadlines, &client->greeting,
                     clock_now_ns() + TURNED_AWAY_TIMEOUT_MS * NS_PER_MS);
}

Client *client_accept(Relay *relay, uv_stream_t *listener, bool is_pipe, const char *profile)
{
    Client *client = mem_new(Client);
    client->relay = relay;
    list_init(&client->sessions);
    list_init(&client->operations);
    client->profile = profile ? mem_copy_string(profile) : NULL;
    client->greeting = (Deadline)DEADLINE_INIT(on_greeting_timeout);
    client->connection = connection_new_accepted(&relay->http2, listener, is_pipe, &EVENTS, client);
    if (!client->connection) {
        free(client->profile);
        free(client);
        return NULL;
    }
    list_append(&relay->clients, &client->link);
    relay->counts.n_clients++;
    peer_of_socket(connection_fd(client->connection), &client->peer);
    deadline_set(&relay->deadlines, &client->greeting, clock_now_ns() + GREETING_TIMEOUT_MS * NS_PER_MS);
    if (is_full(relay)) {
        refuse(client);
        return client;
    }
    log_write(relay->log, client->peer.has_identity ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
              "client %s has connected", client->peer.address);
    return client;
}
