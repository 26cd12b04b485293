/*
 * bench-client: Spark Connect load without gRPC's own library, whose cost would hide that of a proxy: nghttp2
 * over epoll, one thread. Each answer's status and size is checked. Options: client_options.c.
 */

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define MAX_CONNECTING 256 /* at the same time, so that no listener's queue overflows */
#define CONNECT_LIMIT  (60 * NS_PER_S)

void client_error(Client *client, const char *format, ...)
{
    if (client->n_errors++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->first_error, sizeof(client->first_error), format, arguments);
    va_end(arguments);
}

static void on_gone(Link *link)
{
    Connection *connection = container_of(link, Connection, link);
    Client *client = connection->client;
    client->n_gone++;
    if (client->is_holding)
        link_deinit(link);
    else
        fail("a connection ended: %s", client->n_errors > 0 ? client->first_error : "no reason given");
}

static void on_turned(Link *link)
{
    Connection *connection = container_of(link, Connection, link);
    if (!connection->is_counted_up && link->is_up) {
        connection->is_counted_up = true;
        connection->client->n_up++;
    }
}

void connection_open(Client *client, unsigned index)
{
    Connection *connection = &client->connections[index];
    connection->client = client;
    connection->link.gone = on_gone;
    connection->link.turned = on_turned;
    snprintf(connection->session, sizeof(connection->session), "5e550000-%04x-4000-8000-%012x",
             (unsigned)rand() & 0xffff, index);
    link_init(&connection->link, &client->loop, connect_to(client->options->address), false, client->tls,
              client->callbacks);
}

void client_init(Client *client, const Options *options)
{
    client->options = options;
    if (options->ca)
        client->tls = link_tls_client(options->ca);
    fast_loop_init(&client->loop);
    calls_prepare(client);
    client->connections = calloc(options->connections, sizeof(*client->connections));
    if (!client->connections)
        abort();
}

/* Opens all connections; each is there when the other side has spoken. */
static double connect_all(Client *client)
{
    uint64_t start = now_ns(), limit = start + CONNECT_LIMIT;
    for (unsigned i = 0; i < client->options->connections; i++) {
        connection_open(client, i);
        while (i + 1 - client->n_up >= MAX_CONNECTING && now_ns() < limit)
            fast_loop_turn(&client->loop, limit);
        if (i % 32 == 31)
            fast_loop_turn(&client->loop, 0);
    }
    while (client->n_up < client->options->connections && now_ns() < limit)
        fast_loop_turn(&client->loop, limit);
    if (client->n_up < client->options->connections)
        fail("only %u of %u connections came about", client->n_up, client->options->connections);
    return (double)(now_ns() - start) / 1e9;
}

int main(int argc, char **argv)
{
    static Client client;
    static Options options;
    options = options_parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    srand((unsigned)now_ns());
    client_init(&client, &options);
    double seconds = connect_all(&client);
    if (options.kind < LOAD_IDLE)
        return schedule_run(&client);
    printf("{\"connect_seconds\": %.6f}\n", seconds);
    return hold_run(&client);
}
