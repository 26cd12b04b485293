/* Connections and their streams: what one side sends, the other is told, once and in order. */

#include "connection_pair.h"

static const Http2Limits LIMITS = {.stream_window = 1024 * 1024,
                                   .buffer_limit = 64 * 1024 * 1024,
                                   .header_limit = 16384,
                                   .max_concurrent_streams = 100};

static Probe probe;

static void set_up(void)
{
    open_loop(&LIMITS);
    connect_pair();
    probe_init(&probe, PROBE_CONSUMES);
}

static void tear_down(void)
{
    stream_detach(&probe.stream, STREAM_CANCEL);
    close_loop();
    probe_deinit(&probe);
}

/* The connection has not suffered. */
static void assert_echo_after(void)
{
    server_mode = PROBE_ECHOES;
    assert_echo(100000);
    ck_assert_uint_eq(client.n_closed + server.n_closed, 0);
}

/* ---- whole exchanges */

START_TEST(both_sides_open)
{
    ck_assert_uint_eq(client.n_open, 1);
    ck_assert_uint_eq(server.n_open, 1);
    ck_assert_uint_eq(client.connection->state, CONNECTION_OPEN);
    ck_assert_uint_eq(connection_streams_left(client.connection), LIMITS.max_concurrent_streams);
    ck_assert_int_ge(connection_fd(client.connection), 0);
}
END_TEST

static const size_t SIZES[] = {0, 1, 2047, 2048, 4095, 4096, 16384, 65535, 65536, 1048576, 1048577, 5000000};

START_TEST(data_comes_back_as_it_went)
{
    assert_echo(SIZES[_i]);
    run_until(served[0].n_closed > 0);
    ck_assert_uint_eq(served[0].n_headers, 1);
    ck_assert_uint_eq(served[0].n_ends, 1);
    ck_assert_uint_eq(served[0].error_code, STREAM_NO_ERROR);
    ck_assert(has_header(&served[0].stream.received_headers, ":path", "/echo"));
    ck_assert(has_header(&served[0].stream.received_headers, "te", "trailers"));
    ck_assert_uint_eq(served[0].stream.received_headers.n_entries, 5);
    ck_assert_uint_eq(served[0].stream.received_trailers.n_entries, 0);
}
END_TEST

START_TEST(many_streams_share_a_connection)
{
    enum { N_STREAMS = 50, LENGTH = 100000 };
    static Probe probes[N_STREAMS];
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(N_STREAMS * LENGTH);
    for (size_t i = 0; i < N_STREAMS; i++) {
        probe_init(&probes[i], PROBE_CONSUMES);
        probe_request(&probes[i], false);
        queue_in_parts(&probes[i].stream, bytes + i * LENGTH, LENGTH);
        stream_queue_end(&probes[i].stream, NULL);
    }
    ck_assert_uint_eq(connection_streams_left(client.connection), LIMITS.max_concurrent_streams - N_STREAMS);
    for (size_t i = 0; i < N_STREAMS; i++) {
        run_until(probes[i].n_closed > 0);
        assert_received(&probes[i], bytes + i * LENGTH, LENGTH);
        probe_deinit(&probes[i]);
    }
    ck_assert_uint_eq(connection_streams_left(client.connection), LIMITS.max_concurrent_streams);
    ck_assert_uint_eq(http2.n_queued_bytes, 0);
}
END_TEST

START_TEST(a_request_may_end_with_its_headers)
{
    probe_request(&probe, true);
    run_until(probe.n_closed > 0);
    ck_assert(served[0].headers_had_end);
    ck_assert_uint_eq(served[0].n_ends, 1);
    ck_assert(!probe.headers_had_end);
    ck_assert(has_header(&probe.stream.received_trailers, "grpc-status", "0"));
}
END_TEST

START_TEST(an_answer_may_be_trailers_alone)
{
    server_mode = PROBE_CONSUMES;
    probe_request(&probe, true);
    run_until(n_served > 0 && served[0].n_headers > 0);
    stream_send_response(&served[0].stream, &TRAILERS_ONLY, true);
    run_until(probe.n_closed > 0);
    ck_assert(probe.headers_had_end);
    ck_assert_uint_eq(probe.n_ends, 1);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
    ck_assert(has_header(&probe.stream.received_headers, "grpc-status", "0"));
    ck_assert_uint_eq(probe.stream.received_trailers.n_entries, 0);
}
END_TEST

START_TEST(an_answer_may_end_without_trailers)
{
    server_mode = PROBE_CONSUMES;
    probe_request(&probe, true);
    run_until(n_served > 0 && served[0].n_headers > 0);
    stream_send_response(&served[0].stream, &RESPONSE, false);
    stream_queue(&served[0].stream, (const uint8_t *)"body", 4, NULL);
    stream_queue_end(&served[0].stream, NULL);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.n_ends, 1);
    assert_received(&probe, (const uint8_t *)"body", 4);
    ck_assert_uint_eq(probe.stream.received_trailers.n_entries, 0);
}
END_TEST

START_TEST(bytes_may_follow_each_other_slowly)
{
    probe_request(&probe, false);
    for (uint8_t i = 0; i < 20; i++) {
        stream_queue(&probe.stream, &i, 1, NULL);
        run_until(probe.received.length == i + 1u);
        ck_assert_uint_eq((uint8_t)probe.received.bytes[i], i);
    }
    ck_assert_uint_eq(probe.n_ends, 0);
    stream_queue_end(&probe.stream, NULL);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
}
END_TEST

/* The client must not go on sending to a server that has said all (RFC 9113, 8.1). */
START_TEST(a_server_may_answer_before_the_request_has_ended)
{
    server_mode = PROBE_CONSUMES;
    probe_request(&probe, false);
    stream_queue(&probe.stream, (const uint8_t *)"half", 4, NULL);
    run_until(n_served > 0 && served[0].received.length == 4);
    stream_send_response(&served[0].stream, &TRAILERS_ONLY, true);
    run_until(probe.n_closed > 0 && served[0].n_closed > 0);
    ck_assert_uint_eq(probe.n_ends, 1);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
    ck_assert(has_header(&probe.stream.received_headers, "grpc-status", "0"));
    assert_echo_after();
}
END_TEST

/* ---- resets */

START_TEST(a_client_may_reset)
{
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    stream_reset(&probe.stream, STREAM_CANCEL);
    run_until(probe.n_closed > 0 && served[0].n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_CANCEL);
    ck_assert_uint_eq(served[0].error_code, STREAM_CANCEL);
    ck_assert_uint_eq(probe.n_ends + served[0].n_ends, 0);
    assert_echo_after();
}
END_TEST

START_TEST(a_server_may_reset)
{
    server_mode = PROBE_CONSUMES;
    probe_request(&probe, true);
    run_until(n_served > 0 && served[0].n_headers > 0);
    stream_reset(&served[0].stream, STREAM_INTERNAL_ERROR);
    run_until(probe.n_closed > 0 && served[0].n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_INTERNAL_ERROR);
    ck_assert_uint_eq(probe.n_headers, 0);
    assert_echo_after();
}
END_TEST

START_TEST(a_server_may_refuse)
{
    server_refuses = true;
    probe_request(&probe, false);
    stream_queue(&probe.stream, (const uint8_t *)"unread", 6, NULL);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_REFUSED);
    ck_assert_uint_eq(http2.n_queued_bytes, 0);
    server_refuses = false;
    assert_echo_after();
}
END_TEST

START_TEST(resetting_what_has_closed_is_harmless)
{
    stream_reset(&probe.stream, STREAM_CANCEL);
    stream_detach(&probe.stream, STREAM_CANCEL);
    stream_send_response(&probe.stream, &RESPONSE, true);
    ck_assert_uint_eq(probe.n_closed, 0);
    assert_echo_after();
}
END_TEST

/* ---- detaching */

START_TEST(who_detaches_hears_no_more)
{
    probe_request(&probe, false);
    run_until(probe.n_headers > 0);
    stream_queue(&probe.stream, (const uint8_t *)"queued", 6, NULL);
    stream_detach(&probe.stream, STREAM_CANCEL);
    ck_assert(!stream_is_open(&probe.stream));
    ck_assert_uint_eq(http2.n_queued_bytes, 6); /* it still waits, for whoever opens the stream again */
    stream_clear(&probe.stream);
    ck_assert_uint_eq(http2.n_queued_bytes, 0);
    run_until(served[0].n_closed > 0);
    ck_assert_uint_eq(served[0].error_code, STREAM_CANCEL);
    ck_assert_uint_eq(probe.n_closed + probe.n_ends, 0);
    assert_echo_after();
}
END_TEST

/* Before its headers have even been written. */
START_TEST(a_stream_can_be_given_up_and_used_again)
{
    for (int i = 0; i < 10; i++) {
        probe_request(&probe, false);
        stream_queue(&probe.stream, (const uint8_t *)"never", 5, NULL);
        stream_detach(&probe.stream, STREAM_CANCEL);
        stream_clear(&probe.stream);
    }
    probe_request(&probe, true);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_NO_ERROR);
    ck_assert_uint_eq(probe.received.length, 0);
    ck_assert(has_header(&probe.stream.received_trailers, "grpc-status", "0"));
}
END_TEST

START_TEST(a_client_may_detach_from_within_any_event)
{
    static const uint8_t BYTES[100000];
    probe.detaches = (ProbeStop)_i;
    probe_request(&probe, false);
    stream_queue(&probe.stream, BYTES, sizeof BYTES, NULL);
    stream_queue_end(&probe.stream, NULL);
    run_until(n_served > 0 && served[0].n_closed > 0);
    assert_echo_after();
    ck_assert(!stream_is_open(&probe.stream));
    ck_assert_uint_eq(probe.n_closed, 0);
    ck_assert_uint_eq(probe.n_headers, 1);
    ck_assert_uint_eq(probe.n_ends, _i == STOP_AT_END);
    if (_i == STOP_AT_HEADERS)
        ck_assert_uint_eq(probe.received.length, 0);
}
END_TEST

START_TEST(a_server_may_detach_from_within_any_event)
{
    static const uint8_t BYTES[100000];
    server_detaches = (ProbeStop)_i;
    probe_request(&probe, false);
    stream_queue(&probe.stream, BYTES, sizeof BYTES, NULL);
    stream_queue_end(&probe.stream, NULL);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(probe.error_code, STREAM_CANCEL);
    ck_assert_uint_eq(served[0].n_closed, 0);
    server_detaches = STOP_NEVER;
    assert_echo_after();
}
END_TEST

/* ---- pins */

typedef struct CountingPin {
    Pin pin;
    unsigned n_released;
} CountingPin;

static void on_pin_released(Pin *pin)
{
    container_of(pin, CountingPin, pin)->n_released++;
}

START_TEST(pins_are_released_when_all_frames_have_been_written)
{
    CountingPin pins[2] = {{.pin.release = on_pin_released}, {.pin.release = on_pin_released}};
    http2_flush(&http2);
    ck_assert(!connection_pin(client.connection, &pins[0].pin)); /* nothing waits */
    probe_request(&probe, true);
    ck_assert(connection_pin(client.connection, &pins[0].pin));
    ck_assert(connection_pin(client.connection, &pins[1].pin));
    ck_assert_uint_eq(pins[0].n_released, 0);
    run_until(probe.n_closed > 0);
    ck_assert_uint_eq(pins[0].n_released, 1);
    ck_assert_uint_eq(pins[1].n_released, 1);
}
END_TEST

START_TEST(pins_are_released_when_the_connection_ends)
{
    CountingPin pin = {.pin.release = on_pin_released};
    probe_request(&probe, true);
    ck_assert(connection_pin(client.connection, &pin.pin));
    connection_close(client.connection, CONNECTION_END_LOCAL, "over");
    http2_flush(&http2);
    ck_assert_uint_eq(pin.n_released, 1);
    ck_assert_uint_eq(probe.n_closed, 1);
}
END_TEST

/* ---- headers */

/* Values of `length` bytes under one name. */
static void add_headers(HeaderList *list, const char *value, size_t length, size_t count)
{
    for (size_t i = 0; i < REQUEST.n_entries; i++)
        header_list_add(list, REQUEST.entries[i]);
    for (size_t i = 0; i < count; i++)
        header_list_add(list, (Header){"x-many", value, 6, (uint32_t)length, NULL, NULL});
}

START_TEST(too_many_header_bytes_are_noticed)
{
    static char value[1000];
    HeaderList headers = HEADER_LIST_INIT;
    size_t count = _i == 0 ? 15 : 17; /* of 1038 bytes each; the limit is 16384 */
    memset(value, 'v', sizeof value);
    add_headers(&headers, value, sizeof value, count);
    server_mode = PROBE_CONSUMES;
    ck_assert_int_eq(stream_send_request(&probe.stream, client.connection, &headers, true), 0);
    run_until(n_served > 0 && served[0].n_headers > 0);
    ck_assert_int_eq(served[0].stream.headers_too_large, _i == 1);
    stream_send_response(&served[0].stream, &TRAILERS_ONLY, true);
    run_until(probe.n_closed > 0);
    ck_assert(has_header(&probe.stream.received_headers, "grpc-status", "0"));
    header_list_deinit(&headers);
}
END_TEST

static TCase *exchange_tests(void)
{
    TCase *tests = tcase_create("exchanges");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, both_sides_open);
    tcase_add_loop_test(tests, data_comes_back_as_it_went, 0, sizeof(SIZES) / sizeof(SIZES[0]));
    tcase_add_test(tests, many_streams_share_a_connection);
    tcase_add_test(tests, a_request_may_end_with_its_headers);
    tcase_add_test(tests, an_answer_may_be_trailers_alone);
    tcase_add_test(tests, an_answer_may_end_without_trailers);
    tcase_add_test(tests, bytes_may_follow_each_other_slowly);
    tcase_add_test(tests, a_server_may_answer_before_the_request_has_ended);
    tcase_add_loop_test(tests, too_many_header_bytes_are_noticed, 0, 2);
    return tests;
}

static TCase *end_tests(void)
{
    TCase *tests = tcase_create("resets, detaching, pins");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_client_may_reset);
    tcase_add_test(tests, a_server_may_reset);
    tcase_add_test(tests, a_server_may_refuse);
    tcase_add_test(tests, resetting_what_has_closed_is_harmless);
    tcase_add_test(tests, who_detaches_hears_no_more);
    tcase_add_test(tests, a_stream_can_be_given_up_and_used_again);
    tcase_add_loop_test(tests, a_client_may_detach_from_within_any_event, STOP_AT_HEADERS, STOP_AT_END + 1);
    tcase_add_loop_test(tests, a_server_may_detach_from_within_any_event, STOP_AT_HEADERS, STOP_AT_END + 1);
    tcase_add_test(tests, pins_are_released_when_all_frames_have_been_written);
    tcase_add_test(tests, pins_are_released_when_the_connection_ends);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("connection");
    suite_add_tcase(suite, exchange_tests());
    suite_add_tcase(suite, end_tests());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
