#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "usage.h"

#define MAX_ERRORS    100
#define END_TIMEOUT_S 20

void schedule_ended(Connection *connection)
{
    Client *client = connection->client;
    if (!client->is_stopping && client->step_ns == 0)
        call_begin(connection, now_ns());
}

/* The next connection in turn that has room for a call; NULL: all are at their limit. */
static Connection *find_room(Client *client)
{
    for (unsigned i = 0; i < client->options->connections; i++) {
        unsigned index = client->next_connection;
        client->next_connection = (index + 1) % client->options->connections;
        if (client->connections[index].n_calls < client->options->calls)
            return &client->connections[index];
    }
    return NULL;
}

/* Begins what is due. A call that finds no room begins later, and its time counts from when it was due. */
static void begin_due(Client *client)
{
    uint64_t now = now_ns();
    while (client->next_due_ns <= now) {
        Connection *connection = find_room(client);
        if (!connection)
            return;
        call_begin(connection, client->next_due_ns);
        client->next_due_ns += client->step_ns;
        link_flush(&connection->link);
    }
}

static void begin_all(Client *client)
{
    for (unsigned i = 0; i < client->options->connections; i++) {
        for (unsigned k = 0; k < client->options->calls; k++)
            call_begin(&client->connections[i], now_ns());
        link_flush(&client->connections[i].link);
    }
}

static bool has_failed(const Client *client)
{
    return client->n_errors >= MAX_ERRORS || (client->n_errors > 0 && client->n_in_flight == 0);
}

static void run_until(Client *client, uint64_t end_ns)
{
    while (!has_failed(client)) {
        uint64_t now = now_ns(), until = end_ns;
        if (now >= end_ns)
            return;
        if (client->step_ns > 0) {
            begin_due(client);
            if (client->next_due_ns > now && client->next_due_ns < until)
                until = client->next_due_ns;
        }
        fast_loop_turn(&client->loop, until);
    }
}

static void finish(Client *client)
{
    uint64_t limit = now_ns() + END_TIMEOUT_S * NS_PER_S;
    client->is_stopping = true;
    while (client->n_in_flight > 0 && client->n_errors < MAX_ERRORS) {
        if (now_ns() >= limit) {
            client_error(client, "%" PRIu64 " calls have not ended after %d s", client->n_in_flight,
                         END_TIMEOUT_S);
            return;
        }
        fast_loop_turn(&client->loop, limit);
    }
}

typedef struct Moment {
    uint64_t ns, proxy_ns, server_ns, own_ns;
} Moment;

static Moment moment_now(const Options *options)
{
    return (Moment){now_ns(), usage_cpu_ns(options->pids), usage_cpu_ns(options->server_pids),
                    usage_own_ns()};
}

static double ms_between(uint64_t from, uint64_t to)
{
    return (double)(to - from) / 1e6;
}

static void print_results(const Client *client, const Counts *counts, Moment from, Moment to)
{
    printf("{\"seconds\": %.6f, \"calls\": %" PRIu64 ", \"messages\": %" PRIu64 ", \"releases\": %" PRIu64
           ", \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64,
           (double)(to.ns - from.ns) / 1e9, counts->calls, counts->messages, counts->releases,
           counts->bytes_in, counts->bytes_out);
    printf(", \"cpu_ms\": %.3f, \"server_cpu_ms\": %.3f, \"client_cpu_ms\": %.3f",
           ms_between(from.proxy_ns, to.proxy_ns), ms_between(from.server_ns, to.server_ns),
           ms_between(from.own_ns, to.own_ns));
    printf(", \"latency_us\": ");
    histogram_print(&counts->latency);
    printf(", \"first_message_us\": ");
    histogram_print(&counts->first_message);
    printf(", \"errors\": %" PRIu64 ", \"first_error\": \"%s\"}\n", client->n_errors, client->first_error);
}

int schedule_run(Client *client)
{
    static Counts counts;
    const Options *options = client->options;
    uint64_t start = now_ns();
    if (options->rate > 0) {
        client->step_ns = (uint64_t)((double)NS_PER_S / options->rate);
        client->next_due_ns = start;
    } else {
        begin_all(client);
    }
    run_until(client, start + (uint64_t)(options->warm_up * 1e9));
    memset(&client->counts, 0, sizeof(client->counts));
    Moment from = moment_now(options);
    run_until(client, from.ns + (uint64_t)(options->seconds * 1e9));
    Moment to = moment_now(options);
    counts = client->counts;
    finish(client);
    print_results(client, &counts, from, to);
    return client->n_errors > 0;
}
