/* Connections through TLS: whole exchanges, sessions resumed, and each way in which a server is refused. */

#include <signal.h>

#include "connection_pair.h"
#include "http2/tls.h"
#include "tls_server.h"

#define GOOD_NAMES "DNS:spark.example.com,IP:127.0.0.1"

static const Http2Limits LIMITS = {.stream_window = 1024 * 1024,
                                   .buffer_limit = 64 * 1024 * 1024,
                                   .header_limit = 16384,
                                   .max_concurrent_streams = 100};

static TlsServer tls_server;
static TlsContext *context;

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    open_loop(&LIMITS);
}

static void tear_down(void)
{
    close_loop();
    context = tls_context_free(context);
    tls_server_deinit(&tls_server);
}

/* A server with a certificate of these properties. */
static void start_server(const char *names, long from, long until, const char *protocol, int version)
{
    char reason[100] = "";
    tls_server_init(&tls_server, names, from, until, protocol, version);
    tls_server_start(&tls_server, &listener_address);
    context = tls_context_new(tls_server.ca_file, reason, sizeof reason);
    ck_assert_str_eq(reason, "");
}

static void start_good_server(int version)
{
    start_server(GOOD_NAMES, -1000, 1000, "\2h2", version);
}

static void start_connecting(const char *server_name)
{
    client.connection = connection_new_connecting(&http2, (struct sockaddr *)&tls_server.address, context,
                                                  server_name, &SIDE_EVENTS, &client);
}

static void connect_through_tls(const char *server_name)
{
    start_connecting(server_name);
    run_until(client.n_closed > 0 || (client.n_open > 0 && server.n_settings > 0));
    ck_assert_msg(client.n_closed == 0, "%s", client.end.reason);
}

static void assert_refused(const char *reason)
{
    run_until(client.n_closed > 0);
    ck_assert_str_eq(client.end.reason, reason);
    ck_assert_int_eq(client.end.kind, CONNECTION_END_TLS);
    ck_assert_uint_eq(client.n_open, 0);
}

/* ---- what works */

static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};

START_TEST(data_comes_back_as_it_went)
{
    start_good_server(VERSIONS[_i]);
    connect_through_tls("spark.example.com");
    ck_assert_str_eq(tls_version(client.connection->tls), _i ? "TLSv1.3" : "TLSv1.2");
    assert_echo(0);
    assert_echo(1);
    assert_echo(16384);
    assert_echo(5000000);
    ck_assert_uint_gt(client.connection->bytes_sent, 5000000);
}
END_TEST

START_TEST(a_numeric_address_may_be_in_the_certificate)
{
    start_good_server(TLS1_3_VERSION);
    connect_through_tls("127.0.0.1");
    assert_echo(1000);
}
END_TEST

/* What is not read holds up nobody, with TLS neither. */
START_TEST(a_stalled_stream_leaves_room_for_others)
{
    Probe probe;
    size_t length = 3 * LIMITS.stream_window;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    start_good_server(TLS1_3_VERSION);
    connect_through_tls("spark.example.com");
    probe_init(&probe, PROBE_HOLDS);
    probe_request(&probe, false);
    stream_queue(&probe.stream, bytes, length, NULL);
    stream_queue_end(&probe.stream, NULL);
    run_until(probe.received.length == LIMITS.stream_window);
    assert_echo(2000000);
    ck_assert_uint_eq(probe.received.length, LIMITS.stream_window);
    stream_detach(&probe.stream, STREAM_CANCEL);
    run_until(served[0].n_closed > 0);
    probe_deinit(&probe);
}
END_TEST

static void end_pair(void)
{
    connection_close(client.connection, CONNECTION_END_LOCAL, "over");
    run_until(client.n_closed > 0 && server.n_closed > 0);
    client = server = (Side){0};
}

START_TEST(the_next_connection_resumes_the_session)
{
    start_good_server(VERSIONS[_i]);
    for (int i = 0; i < 3; i++) {
        connect_through_tls("spark.example.com");
        assert_echo(1000); /* TLS 1.3 sends its tickets behind the handshake */
        end_pair();
    }
    tls_server_join(&tls_server);
    ck_assert_uint_eq(tls_server.n_resumed, 2);
}
END_TEST

/* ---- what is refused */

START_TEST(an_unknown_authority_is_refused)
{
    char path[sizeof CA_FILE_TEMPLATE], reason[100];
    Identity other = identity_new(NULL, NULL, -1000, 1000);
    start_good_server(TLS1_3_VERSION);
    identity_write(&other, path);
    context = tls_context_free(context);
    context = tls_context_new(path, reason, sizeof reason);
    start_connecting("spark.example.com");
    run_until(client.n_closed > 0);
    ck_assert_int_eq(client.end.kind, CONNECTION_END_TLS);
    ck_assert_ptr_nonnull(strstr(client.end.reason, "its certificate is refused: "));
    ck_assert_msg(strstr(client.end.reason, "local issuer") || strstr(client.end.reason, "signature"), "%s",
                  client.end.reason);
    ck_assert_int_eq(unlink(path), 0);
    identity_deinit(&other);
}
END_TEST

START_TEST(the_systems_authorities_do_not_know_ours)
{
    char reason[100] = "";
    start_good_server(TLS1_3_VERSION);
    context = tls_context_free(context);
    context = tls_context_new(NULL, reason, sizeof reason);
    ck_assert_str_eq(reason, "");
    start_connecting("spark.example.com");
    assert_refused("its certificate is refused: unable to get local issuer certificate");
}
END_TEST

static const struct {
    const char *names, *server_name, *reason;
} NAMES[] = {
    {"DNS:spark.example.com", "spark.example.org", "hostname mismatch"},
    {"DNS:spark.example.com", "example.com", "hostname mismatch"},
    {"DNS:spark.example.com", "127.0.0.1", "IP address mismatch"},
    {"IP:127.0.0.2", "127.0.0.1", "IP address mismatch"},
    {"IP:127.0.0.1", "localhost", "hostname mismatch"},
    {"DNS:s*.example.com", "spark.example.com", "hostname mismatch"}, /* no part of a label */
    {"DNS:*.example.com", "a.b.example.com", "hostname mismatch"},
};

START_TEST(another_name_is_refused)
{
    char reason[100];
    (void)snprintf(reason, sizeof reason, "its certificate is refused: %s", NAMES[_i].reason);
    start_server(NAMES[_i].names, -1000, 1000, "\2h2", TLS1_3_VERSION);
    start_connecting(NAMES[_i].server_name);
    assert_refused(reason);
}
END_TEST

START_TEST(a_wildcard_is_a_whole_label)
{
    start_server("DNS:*.example.com", -1000, 1000, "\2h2", TLS1_3_VERSION);
    connect_through_tls("spark.example.com");
}
END_TEST

START_TEST(an_expired_certificate_is_refused)
{
    start_server(GOOD_NAMES, -1000, -10, "\2h2", VERSIONS[_i]);
    start_connecting("spark.example.com");
    assert_refused("its certificate is refused: certificate has expired");
}
END_TEST

START_TEST(a_certificate_of_the_future_is_refused)
{
    start_server(GOOD_NAMES, 500, 1000, "\2h2", TLS1_3_VERSION);
    start_connecting("spark.example.com");
    assert_refused("its certificate is refused: certificate is not yet valid");
}
END_TEST

START_TEST(a_server_without_http2_is_refused)
{
    start_server(GOOD_NAMES, -1000, 1000, "\2xx", TLS1_3_VERSION);
    start_connecting("spark.example.com");
    assert_refused("the server does not offer HTTP/2 (ALPN h2)");
}
END_TEST

START_TEST(old_tls_is_refused)
{
    start_good_server(TLS1_1_VERSION);
    start_connecting("spark.example.com");
    run_until(client.n_closed > 0);
    ck_assert_int_eq(client.end.kind, CONNECTION_END_TLS);
    ck_assert_uint_eq(client.n_open, 0);
}
END_TEST

/* The pair's own listener: it speaks, but no TLS. */
START_TEST(a_server_without_tls_is_refused)
{
    start_good_server(TLS1_3_VERSION);
    tls_server.address = listener_address;
    start_connecting("spark.example.com");
    run_until(client.n_closed > 0);
    ck_assert_int_eq(client.end.kind, CONNECTION_END_CONNECT); /* may be a passing fault: worth another try */
    ck_assert_uint_eq(client.n_open, 0);
    run_until(server.n_closed > 0);
    ck_assert_str_eq(server.end.reason, "the peer speaks TLS");
}
END_TEST

START_TEST(a_missing_ca_file_is_explained)
{
    char reason[100] = "";
    start_good_server(TLS1_3_VERSION);
    ck_assert_ptr_null(tls_context_new("/does/not/exist.pem", reason, sizeof reason));
    ck_assert_str_ne(reason, "");
}
END_TEST

static TCase *working_tests(void)
{
    TCase *tests = tcase_create("what works");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, data_comes_back_as_it_went, 0, 2);
    tcase_add_test(tests, a_numeric_address_may_be_in_the_certificate);
    tcase_add_test(tests, a_wildcard_is_a_whole_label);
    tcase_add_test(tests, a_stalled_stream_leaves_room_for_others);
    tcase_add_loop_test(tests, the_next_connection_resumes_the_session, 0, 2);
    return tests;
}

static TCase *refusal_tests(void)
{
    TCase *tests = tcase_create("what is refused");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_unknown_authority_is_refused);
    tcase_add_test(tests, the_systems_authorities_do_not_know_ours);
    tcase_add_loop_test(tests, another_name_is_refused, 0, sizeof(NAMES) / sizeof(NAMES[0]));
    tcase_add_loop_test(tests, an_expired_certificate_is_refused, 0, 2);
    tcase_add_test(tests, a_certificate_of_the_future_is_refused);
    tcase_add_test(tests, a_server_without_http2_is_refused);
    tcase_add_test(tests, old_tls_is_refused);
    tcase_add_test(tests, a_server_without_tls_is_refused);
    tcase_add_test(tests, a_missing_ca_file_is_explained);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("connection: TLS");
    suite_add_tcase(suite, working_tests());
    suite_add_tcase(suite, refusal_tests());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
