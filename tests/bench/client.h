#pragma once

/*
 * The load client: connections, the calls on them, and what is counted. One thread. client_calls.c knows the
 * calls, client_schedule.c when they begin, client_hold.c connections that do nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "link.h"
#include "messages.h"

typedef enum LoadKind {
    LOAD_UNARY,       /* Config */
    LOAD_STREAM,      /* ExecutePlan, with its ReleaseExecutes */
    LOAD_UPLOAD,      /* AddArtifacts */
    LOAD_IDLE,        /* connections without a call */
    LOAD_IDLE_STREAM, /* each with an ExecutePlan that has answered one message */
    LOAD_STALLED,     /* each with an ExecutePlan whose answer is not read */
} LoadKind;

typedef struct Options {
    const char *address, *ca, *pids, *server_pids;
    LoadKind kind;
    unsigned connections, calls; /* calls at the same time on each connection */
    double seconds, warm_up, rate;
    Order order;
    bool releases;
    uint64_t chunk, upload; /* bytes */
    nghttp2_nv headers[8];  /* further ones of each call */
    size_t n_headers;
} Options;

Options options_parse(int argc, char **argv);

typedef struct Counts {
    uint64_t calls, messages, releases, bytes_in, bytes_out;
    Histogram latency, first_message;
} Counts;

typedef struct Client Client;
typedef struct Connection {
    Link link;
    Client *client;
    unsigned n_calls; /* without ReleaseExecutes */
    bool is_counted_up;
    char session[ID_SIZE];
} Connection;

struct Client {
    FastLoop loop;
    const Options *options;
    SSL_CTX *tls;
    nghttp2_session_callbacks *callbacks;
    Connection *connections;
    unsigned n_up, n_gone;
    uint64_t n_begun, n_in_flight; /* calls, ReleaseExecutes among them */
    uint64_t next_due_ns, step_ns; /* with a rate */
    unsigned next_connection;
    bool is_stopping;
    uint64_t n_errors;
    char first_error[200];
    Counts counts;
    bool is_holding; /* connections that go are only counted */
};

void client_init(Client *client, const Options *options);
void connection_open(Client *client, unsigned index);
/* Remembers the first one and counts all. */
void client_error(Client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* client_calls.c: `due_ns` is when it should have begun. */
void call_begin(Connection *connection, uint64_t due_ns);
void calls_prepare(Client *client);

/* client_schedule.c */
/* Called when a call has ended: with no rate the next one begins. */
void schedule_ended(Connection *connection);
/* Runs the load and prints one line of JSON. Returns the exit status. */
int schedule_run(Client *client);

/* client_hold.c: connects, then does as standard input says. Returns the exit status. */
int hold_run(Client *client);
