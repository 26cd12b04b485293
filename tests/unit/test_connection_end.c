/* How connections end, what both sides are told, and peers that do not speak HTTP/2. */

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection_pair.h"

static const Http2Limits LIMITS = {.stream_window = 1024 * 1024,
                                   .buffer_limit = 64 * 1024 * 1024,
                                   .header_limit = 16384,
                                   .max_concurrent_streams = 100};

static Probe probe, late;
static int raw_listener = -1, raw = -1; /* sockets of the test's own */

static void set_up(void)
{
    open_loop(&LIMITS);
    probe_init(&probe, PROBE_CONSUMES);
}

static void set_up_pair(void)
{
    set_up();
    connect_pair();
}

static void tear_down(void)
{
    close_loop();
    probe_deinit(&probe);
    if (raw >= 0)
        ck_assert_int_eq(close(raw), 0);
    if (raw_listener >= 0)
        ck_assert_int_eq(close(raw_listener), 0);
}

static void assert_end(const Side *side, ConnectionEndKind kind, const char *reason)
{
    ck_assert_uint_eq(side->n_closed, 1);
    ck_assert_str_eq(side->end.reason, reason);
    ck_assert_int_eq(side->end.kind, kind);
    ck_assert_uint_eq(side->n_streams_at_close, 0); /* theirs came first */
}

/* ---- closing */

START_TEST(closing_ends_the_streams_first)
{
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    connection_close(client.connection, CONNECTION_END_LOCAL, "it is %s", "over");
    connection_close(client.connection, CONNECTION_END_PROTOCOL, "too late");
    ck_assert_uint_eq(client.n_closed, 0); /* at the next flush */
    run_until(client.n_closed > 0 && server.n_closed > 0);
    assert_end(&client, CONNECTION_END_LOCAL, "it is over");
    assert_end(&server, CONNECTION_END_PEER, "the client closed the connection");
    ck_assert_uint_eq(probe.n_closed, 1);
    ck_assert_uint_eq(probe.error_code, STREAM_INTERNAL_ERROR);
    ck_assert_uint_eq(served[0].n_closed, 1);
    ck_assert_uint_eq(served[0].error_code, STREAM_CANCEL);
}
END_TEST

START_TEST(the_server_may_close)
{
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    connection_close(server.connection, CONNECTION_END_LOCAL, "over");
    run_until(client.n_closed > 0);
    assert_end(&client, CONNECTION_END_PEER, "the server closed the connection");
    ck_assert_uint_eq(probe.error_code, STREAM_INTERNAL_ERROR);
}
END_TEST

START_TEST(a_connection_may_be_closed_before_it_is_made)
{
    client.connection = connection_new_connecting(&http2, (struct sockaddr *)&listener_address, NULL,
                                                  "localhost", &SIDE_EVENTS, &client);
    connection_close(client.connection, CONNECTION_END_LOCAL, "not wanted");
    ck_assert_uint_eq(connection_streams_left(client.connection), 0);
    run_until(client.n_closed > 0);
    assert_end(&client, CONNECTION_END_LOCAL, "not wanted");
    ck_assert_uint_eq(client.n_open, 0);
}
END_TEST

START_TEST(a_long_reason_is_cut)
{
    char reason[1000];
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    connection_close(client.connection, CONNECTION_END_LOCAL, "%s", reason);
    run_until(client.n_closed > 0);
    reason[sizeof client.end.reason - 1] = '\0';
    assert_end(&client, CONNECTION_END_LOCAL, reason);
}
END_TEST

static int listen_raw(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    raw_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(raw_listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(raw_listener, (struct sockaddr *)&listener_address, &length), 0);
    return raw_listener;
}

static void start_client(void)
{
    client.connection = connection_new_connecting(&http2, (struct sockaddr *)&listener_address, NULL,
                                                  "localhost", &SIDE_EVENTS, &client);
}

START_TEST(nobody_listens)
{
    (void)listen_raw(); /* a port of our own, on which nobody does */
    start_client();
    ck_assert_uint_eq(client.n_closed, 0);
    run_until(client.n_closed > 0);
    assert_end(&client, CONNECTION_END_CONNECT, "connection refused");
    ck_assert_uint_eq(client.n_open, 0);
}
END_TEST

/* ---- GOAWAY */

START_TEST(announcing_lets_running_streams_end)
{
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    connection_announce_shutdown(server.connection);
    run_until(client.n_goaway > 0);
    ck_assert(client.connection->peer_goes_away);
    ck_assert_uint_eq(connection_streams_left(client.connection), 0);
    stream_queue(&probe.stream, (const uint8_t *)"more", 4, NULL);
    stream_queue_end(&probe.stream, NULL);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
    assert_received(&probe, (const uint8_t *)"more", 4);
    run_until(client.n_closed > 0 && server.n_closed > 0);
    ck_assert_int_eq(client.end.kind, CONNECTION_END_PEER);
}
END_TEST

/* Sent before the client knew. */
START_TEST(streams_beyond_the_last_id_were_not_looked_at)
{
    probe_init(&late, PROBE_CONSUMES);
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    connection_announce_shutdown(server.connection);
    http2_flush(&http2);
    probe_request(&late, true);
    http2_flush(&http2);
    run_until(late.n_closed > 0);
    ck_assert_uint_eq(late.error_code, STREAM_REFUSED);
    ck_assert_uint_eq(late.n_headers, 0);
    ck_assert_uint_eq(n_served, 1);
    ck_assert(stream_is_open(&probe.stream));
    probe_deinit(&late);
}
END_TEST

/* A server without streams goes away; the request that crosses its GOAWAY has not been looked at either. */
START_TEST(an_idle_server_that_goes_away_refuses_what_comes)
{
    connection_announce_shutdown(server.connection);
    http2_flush(&http2);
    probe_request(&probe, true);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_REFUSED);
    ck_assert_uint_eq(n_served, 0);
}
END_TEST

static void on_end_request_another(Stream *stream)
{
    (void)stream;
    probe_request(&late, true);
}

/* The request was queued just before GOAWAY was read: not a byte of it has left. */
START_TEST(what_was_never_sent_was_not_looked_at)
{
    StreamEvents events = PROBE_EVENTS;
    events.on_end = on_end_request_another;
    probe.stream.events = &events;
    probe_init(&late, PROBE_CONSUMES);
    server_mode = PROBE_CONSUMES;
    probe_request(&probe, true);
    run_until(n_served > 0 && served[0].n_headers > 0);
    stream_send_response(&served[0].stream, &TRAILERS_ONLY, true);
    connection_announce_shutdown(server.connection);
    run_until(late.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
    ck_assert_uint_eq(client.n_goaway, 1);
    ck_assert_uint_eq(n_served, 1);
    ck_assert_uint_eq(late.error_code, STREAM_REFUSED);
    probe_deinit(&late);
}
END_TEST

START_TEST(no_stream_stays_open_after_goaway)
{
    probe_init(&late, PROBE_CONSUMES);
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    connection_announce_shutdown(server.connection);
    run_until(client.n_goaway > 0);
    if (stream_send_request(&late.stream, client.connection, &REQUEST, true) == 0) {
        run_until(late.n_closed > 0);
        ck_assert_uint_eq(late.error_code, STREAM_REFUSED);
    }
    ck_assert(!stream_is_open(&late.stream));
    probe_deinit(&late);
}
END_TEST

/* ---- clients that do not speak HTTP/2 */

#define BYTES(literal) (literal), sizeof(literal) - 1
#define PREFACE        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS       "\0\0\0\x04\0\0\0\0\0"

/* From here on a client is a socket of the test's. */
static void connect_raw(const char *bytes, size_t length)
{
    raw = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(raw, (struct sockaddr *)&listener_address, sizeof listener_address), 0);
    ck_assert_int_eq(write(raw, bytes, length), (ssize_t)length);
    run_until(server.connection || server.n_closed > 0);
}

static const struct {
    const char *bytes;
    size_t length;
    const char *reason; /* NULL: any that is not about the protocol's name */
} STRANGERS[] = {
    {BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "the peer speaks HTTP/1"},
    {BYTES("POST /spark.connect.SparkConnectService/Config HTTP/1.1\r\n\r\n"), "the peer speaks HTTP/1"},
    {BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03zzzzzzzzzzzzzzzzzz"), "the peer speaks TLS"},
    {BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "the peer speaks no protocol known here"},
    {BYTES("\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0"), "the peer speaks no protocol known here"},
};

START_TEST(strangers_are_recognised)
{
    connect_raw(STRANGERS[_i].bytes, STRANGERS[_i].length);
    run_until(server.n_closed > 0);
    assert_end(&server, CONNECTION_END_PROTOCOL, STRANGERS[_i].reason);
    ck_assert_uint_eq(server.n_open, 0);
}
END_TEST

START_TEST(a_client_may_leave_at_once)
{
    connect_raw("", 0);
    ck_assert_int_eq(shutdown(raw, SHUT_WR), 0);
    run_until(server.n_closed > 0);
    assert_end(&server, CONNECTION_END_PEER, "the client closed the connection");
}
END_TEST

START_TEST(a_client_may_leave_in_the_middle_of_its_greeting)
{
    connect_raw(PREFACE SETTINGS, (size_t)_i);
    run_until(server.connection->bytes_received == (uint64_t)_i);
    ck_assert_int_eq(shutdown(raw, SHUT_WR), 0);
    run_until(server.n_closed > 0);
    assert_end(&server, CONNECTION_END_PEER, "the client closed the connection");
}
END_TEST

/* After a proper greeting: what HTTP/2 forbids is the client's fault, and that is what the owner hears. */
static const struct {
    const char *bytes;
    size_t length;
} VIOLATIONS[] = {
    {BYTES(PREFACE "\0\0\0\0\0\0\0\0\x01")},                                  /* no SETTINGS first */
    {BYTES(PREFACE SETTINGS "\0\0\x01\0\0\0\0\0\0x")},                        /* DATA for stream 0 */
    {BYTES(PREFACE SETTINGS "\0\0\x01\x01\x05\0\0\0\x01\xff")},               /* HPACK: no such entry */
    {BYTES(PREFACE SETTINGS "\0\0\x04\x08\0\0\0\0\0\0\0\0\0")},               /* WINDOW_UPDATE of 0 */
    {BYTES(PREFACE SETTINGS "\xff\xff\xff\0\0\0\0\0\x01")},                   /* a frame too large */
    {BYTES(PREFACE SETTINGS "\0\0\x01\x01\x05\0\0\0\x02\x83")},               /* a stream that is ours */
    {BYTES(PREFACE SETTINGS "\0\0\x06\x04\0\0\0\0\0\0\x04\xff\xff\xff\xff")}, /* a window too large */
};

START_TEST(violations_are_the_peers_fault)
{
    connect_raw(VIOLATIONS[_i].bytes, VIOLATIONS[_i].length);
    run_until(server.n_closed > 0);
    ck_assert_msg(server.end.kind == CONNECTION_END_PROTOCOL, "kind %d: %s", (int)server.end.kind,
                  server.end.reason);
}
END_TEST

/* ---- servers that do not speak HTTP/2 */

static void serve_raw(const char *bytes, size_t length)
{
    ck_assert_int_eq(listen(listen_raw(), 1), 0);
    start_client();
    raw = accept(raw_listener, NULL, NULL);
    ck_assert_int_ge(raw, 0);
    ck_assert_int_eq(write(raw, bytes, length), (ssize_t)length);
}

/* It answers and stays, as such servers do. */
START_TEST(a_server_that_speaks_something_else_is_recognised)
{
    serve_raw(STRANGERS[_i].bytes, STRANGERS[_i].length);
    run_until(client.n_closed > 0);
    ck_assert_msg(client.end.kind == CONNECTION_END_PROTOCOL, "kind %d: %s", (int)client.end.kind,
                  client.end.reason);
    ck_assert_uint_eq(client.n_open, 0);
}
END_TEST

START_TEST(a_server_that_answers_in_http1_is_called_so)
{
    serve_raw(BYTES("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    run_until(client.n_closed > 0);
    assert_end(&client, CONNECTION_END_PROTOCOL, "the peer speaks HTTP/1");
}
END_TEST

START_TEST(a_server_that_hangs_up_has_said_nothing)
{
    serve_raw("", 0);
    ck_assert_int_eq(shutdown(raw, SHUT_WR), 0);
    run_until(client.n_closed > 0);
    assert_end(&client, CONNECTION_END_PROTOCOL,
               "the server closed the connection before it said anything in HTTP/2");
}
END_TEST

/* ---- a scripted server */

#define HEADERS_200 "\x88"
#define HEADERS_100                                                                                          \
    "\x08\x03"                                                                                               \
    "100"

START_TEST(interim_answers_are_dropped)
{
    static const char ANSWER[] = SETTINGS "\0\0\x05\x01\x04\0\0\0\x01" HEADERS_100 /* END_HEADERS */
                                          "\0\0\x05\x01\x04\0\0\0\x01" HEADERS_100
                                          "\0\0\x01\x01\x04\0\0\0\x01" HEADERS_200 "\0\0\x03\0\0\0\0\0\x01"
                                          "abc"
                                          "\0\0\x04\x01\x05\0\0\0\x01"
                                          "\0\x01"
                                          "t\0"; /* trailers: t, empty */
    serve_raw(SETTINGS, sizeof SETTINGS - 1);
    run_until(client.n_open > 0);
    probe_request(&probe, true);
    http2_flush(&http2);
    ck_assert_int_eq(write(raw, ANSWER, sizeof ANSWER - 1), (ssize_t)sizeof ANSWER - 1);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.n_headers, 1);
    ck_assert(has_header(&probe.stream.received_headers, ":status", "200"));
    ck_assert_uint_eq(probe.stream.received_headers.n_entries, 1);
    ck_assert(has_header(&probe.stream.received_trailers, "t", ""));
    assert_received(&probe, (const uint8_t *)"abc", 3);
}
END_TEST

START_TEST(a_server_that_is_cut_off_ends_every_stream)
{
    serve_raw(SETTINGS, sizeof SETTINGS - 1);
    run_until(client.n_open > 0);
    probe_request(&probe, true);
    http2_flush(&http2);
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(raw, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    ck_assert_int_eq(close(raw), 0); /* RST */
    raw = -1;
    run_until(client.n_closed > 0);
    ck_assert_int_eq(client.end.kind, CONNECTION_END_PEER);
    ck_assert_uint_eq(probe.n_closed, 1);
    ck_assert_uint_eq(probe.error_code, STREAM_INTERNAL_ERROR);
}
END_TEST

static TCase *pair_tests(void)
{
    TCase *tests = tcase_create("a pair");
    tcase_add_checked_fixture(tests, set_up_pair, tear_down);
    tcase_add_test(tests, closing_ends_the_streams_first);
    tcase_add_test(tests, the_server_may_close);
    tcase_add_test(tests, a_long_reason_is_cut);
    tcase_add_test(tests, announcing_lets_running_streams_end);
    tcase_add_test(tests, streams_beyond_the_last_id_were_not_looked_at);
    tcase_add_test(tests, an_idle_server_that_goes_away_refuses_what_comes);
    tcase_add_test(tests, what_was_never_sent_was_not_looked_at);
    tcase_add_test(tests, no_stream_stays_open_after_goaway);
    return tests;
}

static TCase *raw_tests(void)
{
    TCase *tests = tcase_create("raw peers");
    int n_strangers = sizeof(STRANGERS) / sizeof(STRANGERS[0]);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_connection_may_be_closed_before_it_is_made);
    tcase_add_test(tests, nobody_listens);
    tcase_add_loop_test(tests, strangers_are_recognised, 0, n_strangers);
    tcase_add_test(tests, a_client_may_leave_at_once);
    tcase_add_loop_test(tests, a_client_may_leave_in_the_middle_of_its_greeting, 1, sizeof(PREFACE SETTINGS));
    tcase_add_loop_test(tests, violations_are_the_peers_fault, 0, sizeof(VIOLATIONS) / sizeof(VIOLATIONS[0]));
    tcase_add_loop_test(tests, a_server_that_speaks_something_else_is_recognised, 0, n_strangers);
    tcase_add_test(tests, a_server_that_answers_in_http1_is_called_so);
    tcase_add_test(tests, a_server_that_hangs_up_has_said_nothing);
    tcase_add_test(tests, interim_answers_are_dropped);
    tcase_add_test(tests, a_server_that_is_cut_off_ends_every_stream);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("connection: ends");
    suite_add_tcase(suite, pair_tests());
    suite_add_tcase(suite, raw_tests());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
