#pragma once

/*
 * Two connections of ours, one in each role, that talk to each other over loopback within one loop; streams
 * that note what happens to them. For the tests of http2/.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "http2/connection.h"
#include "random_number.h"

/* Awaits an event; the test's time limit is the only one. */
#define run_until(condition)                                                                                 \
    do {                                                                                                     \
        for (;;) {                                                                                           \
            http2_flush(&http2); /* the condition may need no more than that */                              \
            if (condition)                                                                                   \
                break;                                                                                       \
            (void)uv_run(&loop, UV_RUN_ONCE);                                                                \
        }                                                                                                    \
    } while (0)

#define MAX_SERVED 64

static uv_loop_t loop;
static Http2 http2;
static uv_tcp_t listener;
static struct sockaddr_in listener_address;

/* ---- connections */

/* One end and what it was told. */
typedef struct Side {
    Connection *connection; /* NULL: not yet, or no longer */
    unsigned n_open, n_settings, n_goaway, n_closed;
    size_t n_streams_at_close;
    ConnectionEnd end;
} Side;

static Side client, server;

static inline void on_side_open(Connection *connection)
{
    ((Side *)connection->owner)->n_open++;
}

static inline void on_side_goaway(Connection *connection)
{
    ((Side *)connection->owner)->n_goaway++;
}

static inline void on_side_closed(Connection *connection, const ConnectionEnd *end)
{
    Side *side = connection->owner;
    side->n_closed++;
    side->n_streams_at_close = connection->streams.n_entries;
    side->end = *end;
    side->connection = NULL;
}

/* ---- streams */

typedef enum ProbeMode {
    PROBE_CONSUMES, /* reads, and says so */
    PROBE_HOLDS,    /* takes what comes and gives no window back */
    PROBE_ECHOES,   /* answers with what it receives, and trailers */
} ProbeMode;

typedef enum ProbeStop { STOP_NEVER, STOP_AT_HEADERS, STOP_AT_DATA, STOP_AT_END } ProbeStop;

/* A stream and what it was told. */
typedef struct Probe {
    Stream stream;
    ProbeMode mode;
    ProbeStop detaches;
    unsigned n_headers, n_ends, n_closed, n_drained;
    bool headers_had_end;
    uint32_t error_code;
    Text received; /* DATA */
} Probe;

static Header REQUEST_HEADERS[] = {
    {":method", "POST", 7, 4, NULL, NULL},          {":scheme", "http", 7, 4, NULL, NULL},
    {":authority", "localhost", 10, 9, NULL, NULL}, {":path", "/echo", 5, 5, NULL, NULL},
    {"te", "trailers", 2, 8, NULL, NULL},
};
static Header RESPONSE_HEADERS[] = {
    {":status", "200", 7, 3, NULL, NULL},
    {"content-type", "application/grpc", 12, 16, NULL, NULL},
    {"grpc-status", "0", 11, 1, NULL, NULL},
};
static const HeaderList REQUEST = {REQUEST_HEADERS, 5, 5, 0};
static const HeaderList RESPONSE = {RESPONSE_HEADERS, 2, 2, 0};
static const HeaderList TRAILERS_ONLY = {RESPONSE_HEADERS, 3, 3, 0};
static const HeaderList TRAILERS = {RESPONSE_HEADERS + 2, 1, 1, 0};

static Probe served[MAX_SERVED]; /* the server's streams, in order */
static size_t n_served;
static bool server_refuses;
static ProbeMode server_mode;
static ProbeStop server_detaches;
static unsigned server_settings_take_ms; /* to be acknowledged */

static inline bool probe_stops(Probe *probe, ProbeStop now)
{
    if (probe->detaches == now)
        stream_detach(&probe->stream, STREAM_CANCEL);
    return probe->detaches == now;
}

static inline void on_probe_headers(Stream *stream, bool end)
{
    Probe *probe = container_of(stream, Probe, stream);
    probe->n_headers++;
    probe->headers_had_end = end;
    if (!probe_stops(probe, STOP_AT_HEADERS) && probe->mode == PROBE_ECHOES)
        stream_send_response(stream, &RESPONSE, false);
}

static inline void on_probe_data(Stream *stream, const uint8_t *bytes, size_t length, Block *block)
{
    Probe *probe = container_of(stream, Probe, stream);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_eq(probe->n_headers, 1);
    ck_assert_uint_eq(probe->n_ends, 0);
    text_append_bytes(&probe->received, (const char *)bytes, length);
    if (probe_stops(probe, STOP_AT_DATA))
        return;
    if (probe->mode == PROBE_ECHOES)
        stream_queue(stream, bytes, length, block);
    else if (probe->mode == PROBE_CONSUMES)
        stream_consume(stream, length);
}

static inline void on_probe_end(Stream *stream)
{
    Probe *probe = container_of(stream, Probe, stream);
    probe->n_ends++;
    if (!probe_stops(probe, STOP_AT_END) && probe->mode == PROBE_ECHOES)
        stream_queue_end(stream, &TRAILERS);
}

static inline void on_probe_closed(Stream *stream, uint32_t error_code)
{
    Probe *probe = container_of(stream, Probe, stream);
    ck_assert(!stream_is_open(stream));
    probe->n_closed++;
    probe->error_code = error_code;
}

static inline void on_probe_drained(Stream *stream)
{
    ck_assert_uint_lt(stream->output.n_bytes, stream->wake_below);
    container_of(stream, Probe, stream)->n_drained++;
}

static const StreamEvents PROBE_EVENTS = {.on_headers = on_probe_headers,
                                          .on_data = on_probe_data,
                                          .on_end = on_probe_end,
                                          .on_drained = on_probe_drained,
                                          .on_closed = on_probe_closed};

static inline void probe_init(Probe *probe, ProbeMode mode)
{
    *probe = (Probe){.mode = mode};
    stream_init(&probe->stream, &http2, &PROBE_EVENTS);
    if (mode == PROBE_ECHOES)
        probe->stream.source = &probe->stream; /* what has been echoed has been read */
}

static inline void probe_deinit(Probe *probe)
{
    stream_deinit(&probe->stream);
    text_deinit(&probe->received);
}

static inline void probe_request(Probe *probe, bool end)
{
    ck_assert_int_eq(stream_send_request(&probe->stream, client.connection, &REQUEST, end), 0);
}

static inline Stream *on_side_stream(Connection *connection)
{
    (void)connection;
    if (server_refuses)
        return NULL;
    ck_assert_uint_lt(n_served, MAX_SERVED);
    Probe *probe = &served[n_served++];
    probe_init(probe, server_mode);
    probe->detaches = server_detaches;
    return &probe->stream;
}

/* ---- the pair */

static inline void on_side_settings(Connection *connection)
{
    ((Side *)connection->owner)->n_settings++;
    if (connection->is_server)
        uv_sleep(server_settings_take_ms);
}

static const ConnectionEvents SIDE_EVENTS = {.on_open = on_side_open,
                                             .on_stream = on_side_stream,
                                             .on_settings = on_side_settings,
                                             .on_goaway = on_side_goaway,
                                             .on_closed = on_side_closed};

static inline void on_listener_connection(uv_stream_t *stream, int status)
{
    ck_assert_int_eq(status, 0);
    server.connection = connection_new_accepted(&http2, stream, false, &SIDE_EVENTS, &server);
    ck_assert_ptr_nonnull(server.connection);
}

static inline void open_loop(const Http2Limits *limits)
{
    int length = sizeof listener_address;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(http2_init(&http2, &loop, limits), 0);
    ck_assert_int_eq(uv_tcp_init(&loop, &listener), 0);
    ck_assert_int_eq(uv_ip4_addr("127.0.0.1", 0, &listener_address), 0);
    ck_assert_int_eq(uv_tcp_bind(&listener, (struct sockaddr *)&listener_address, 0), 0);
    ck_assert_int_eq(uv_tcp_getsockname(&listener, (struct sockaddr *)&listener_address, &length), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&listener, 8, on_listener_connection), 0);
    n_served = 0;
    server_mode = PROBE_ECHOES;
    server_refuses = false;
    server_settings_take_ms = 0;
    server_detaches = STOP_NEVER;
    client = server = (Side){0};
}

static inline void connect_pair(void)
{
    client.connection = connection_new_connecting(&http2, (struct sockaddr *)&listener_address, NULL,
                                                  "localhost", &SIDE_EVENTS, &client);
    ck_assert_ptr_nonnull(client.connection);
    run_until(client.n_open > 0 && server.n_settings > 0);
}

/* Closes what is left; everything must have been given back. */
static inline void close_loop(void)
{
    if (client.connection)
        connection_close(client.connection, CONNECTION_END_LOCAL, "the test is over");
    if (server.connection)
        connection_close(server.connection, CONNECTION_END_LOCAL, "the test is over");
    http2_flush(&http2);
    uv_close((uv_handle_t *)&listener, NULL);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    for (size_t i = 0; i < n_served; i++)
        probe_deinit(&served[i]);
    ck_assert_uint_eq(http2.n_queued_bytes, 0);
    http2_deinit(&http2);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* ---- bytes */

/* Random bytes. free(). */
static inline uint8_t *some_bytes(size_t length)
{
    uint8_t *bytes = mem_alloc(length);
    random_bytes(bytes, length);
    return bytes;
}

/* Queues them in parts of any size. */
static inline void queue_in_parts(Stream *stream, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t part = 1 + random_number(random_number(2) ? 100 : 50000);
        if (part > length)
            part = length;
        stream_queue(stream, bytes, part, NULL);
        bytes += part;
        length -= part;
    }
}

static inline void assert_received(const Probe *probe, const uint8_t *bytes, size_t length)
{
    ck_assert_uint_eq(probe->received.length, length);
    ck_assert_int_eq(length ? memcmp(probe->received.bytes, bytes, length) : 0, 0);
}

static inline bool has_header(const HeaderList *list, const char *name, const char *value)
{
    const Header *header = header_list_find(list, name);
    return header && header->value_length == strlen(value) &&
           memcmp(header->value, value, header->value_length) == 0;
}

/* A whole echo of `length` bytes on the client's connection. */
static inline void assert_echo(size_t length)
{
    Probe probe;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    probe_init(&probe, PROBE_CONSUMES);
    probe_request(&probe, false);
    queue_in_parts(&probe.stream, bytes, length);
    stream_queue_end(&probe.stream, NULL);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
    ck_assert_uint_eq(probe.n_ends, 1);
    ck_assert(has_header(&probe.stream.received_headers, ":status", "200"));
    ck_assert(has_header(&probe.stream.received_trailers, "grpc-status", "0"));
    assert_received(&probe, bytes, length);
    probe_deinit(&probe);
}
