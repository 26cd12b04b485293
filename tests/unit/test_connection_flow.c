/* Flow control: who does not read stops its own sender, at its window, and nobody else. */

#include "base/clock.h"
#include "connection_pair.h"
#include "http2/window.h"

#define KIB    1024u
#define WINDOW (64 * KIB) /* of a stream, in the tests that do not say otherwise */

static const Http2Limits LIMITS = {.stream_window = WINDOW,
                                   .buffer_limit = 64 * 1024 * KIB,
                                   .header_limit = 16384,
                                   .max_concurrent_streams = 40};

static void set_up(void)
{
    open_loop(&LIMITS);
    connect_pair();
}

/* A request whose server does not give the window back, with everything queued that there is to send. */
static void stall(Probe *probe, const uint8_t *bytes, size_t length)
{
    server_mode = PROBE_HOLDS;
    size_t i = n_served;
    probe_init(probe, PROBE_CONSUMES);
    probe_request(probe, false);
    stream_queue(&probe->stream, bytes, length, NULL);
    stream_queue_end(&probe->stream, NULL);
    run_until(n_served > i);
    server_mode = PROBE_ECHOES;
}

/* Whatever could happen has happened when others have been through the same sockets several times. */
static void let_others_pass(void)
{
    for (int i = 0; i < 3; i++)
        assert_echo(1024 * KIB);
}

static void finish(Probe *probe, Probe *holding, size_t length)
{
    while (holding->received.length < length) {
        stream_consume(&holding->stream, holding->stream.n_unconsumed);
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    run_until(holding->n_ends > 0);
    stream_send_response(&holding->stream, &TRAILERS_ONLY, true);
    run_until(probe->n_closed > 0);
    ck_assert_uint_eq(probe->error_code, STREAM_NO_ERROR);
    probe_deinit(probe);
}

static void finish_echo(Probe *probe)
{
    while (probe->n_closed == 0) {
        stream_consume(&probe->stream, probe->stream.n_unconsumed);
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}

START_TEST(a_stream_that_is_not_read_stalls_at_its_window)
{
    Probe probe;
    size_t length = 1024 * KIB;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stall(&probe, bytes, length);
    let_others_pass();
    ck_assert_uint_eq(served[0].received.length, WINDOW);
    ck_assert_uint_eq(served[0].stream.n_unconsumed, WINDOW);
    ck_assert_uint_eq(probe.stream.n_sent, WINDOW);
    ck_assert_uint_eq(http2.n_queued_bytes, length - WINDOW);
    finish(&probe, &served[0], length);
    assert_received(&served[0], bytes, length);
}
END_TEST

START_TEST(it_gets_as_much_more_as_was_read)
{
    Probe probe;
    size_t length = 1024 * KIB, more = WINDOW - 1; /* less may not be worth a frame, but this much is */
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stall(&probe, bytes, length);
    let_others_pass();
    stream_consume(&served[0].stream, more);
    let_others_pass();
    ck_assert_uint_eq(served[0].received.length, WINDOW + more);
    stream_consume(&served[0].stream, length); /* more than there is counts as all */
    ck_assert_uint_eq(served[0].stream.n_unconsumed, 0);
    let_others_pass();
    ck_assert_uint_eq(served[0].received.length, 2 * WINDOW + more);
    finish(&probe, &served[0], length);
    assert_received(&served[0], bytes, length);
}
END_TEST

START_TEST(who_waits_is_told_that_little_is_left)
{
    Probe probe;
    size_t length = 4 * WINDOW;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stall(&probe, bytes, length);
    let_others_pass();
    probe.stream.wake_below = 2 * WINDOW; /* three are left */
    stream_consume(&served[0].stream, WINDOW - 1);
    let_others_pass();
    ck_assert_uint_eq(probe.n_drained, 0);
    stream_consume(&served[0].stream, WINDOW);
    let_others_pass();
    ck_assert_uint_gt(probe.n_drained, 0);
    finish(&probe, &served[0], length);
}
END_TEST

START_TEST(who_does_not_wait_is_not_told)
{
    Probe probe;
    size_t length = 4 * WINDOW;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stall(&probe, bytes, length);
    finish(&probe, &served[0], length);
    ck_assert_uint_eq(probe.n_drained, 0);
}
END_TEST

/* They would send 30 MiB if they could. */
START_TEST(any_number_of_stalled_streams_leave_room_for_others)
{
    enum { N_STREAMS = 30 };
    static Probe probes[N_STREAMS];
    size_t length = 1024 * KIB;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    for (size_t i = 0; i < N_STREAMS; i++)
        stall(&probes[i], bytes, length);
    let_others_pass();
    for (size_t i = 0; i < N_STREAMS; i++)
        ck_assert_uint_eq(served[i].received.length, WINDOW);
    for (size_t i = 0; i < N_STREAMS; i++)
        finish(&probes[i], &served[i], length);
}
END_TEST

/* More than the connection's window goes through one stream. */
START_TEST(the_connections_window_is_given_back)
{
    static const uint8_t BYTES[1024 * KIB];
    Probe probe;
    server_mode = PROBE_CONSUMES;
    probe_init(&probe, PROBE_CONSUMES);
    probe_request(&probe, false);
    for (size_t i = 1; i <= 70; i++) {
        stream_queue(&probe.stream, BYTES, sizeof BYTES, NULL);
        run_until(n_served > 0 && served[0].received.length == i * sizeof BYTES);
    }
    stream_reset(&probe.stream, STREAM_CANCEL);
    run_until(probe.n_closed > 0 && served[0].n_closed > 0);
    probe_deinit(&probe);
}
END_TEST

/* The client reads nothing of the answer: the echo stops reading the request. */
START_TEST(pressure_goes_back_through_the_one_in_between)
{
    Probe probe;
    size_t length = 1024 * KIB;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    probe_init(&probe, PROBE_HOLDS);
    probe_request(&probe, false);
    stream_queue(&probe.stream, bytes, length, NULL);
    stream_queue_end(&probe.stream, NULL);
    run_until(probe.received.length == WINDOW);
    let_others_pass();
    ck_assert_uint_eq(probe.received.length, WINDOW);
    ck_assert_uint_le(served[0].received.length, 2 * WINDOW);
    ck_assert_uint_eq(served[0].stream.output.n_bytes + WINDOW, served[0].received.length);
    finish_echo(&probe);
    assert_received(&probe, bytes, length);
    probe_deinit(&probe);
}
END_TEST

START_TEST(a_stalled_stream_can_be_reset)
{
    Probe probe;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(1024 * KIB);
    stall(&probe, bytes, 1024 * KIB);
    run_until(served[0].received.length == WINDOW);
    if (_i == 0)
        stream_reset(&probe.stream, STREAM_CANCEL);
    else if (_i == 1)
        stream_reset(&served[0].stream, STREAM_CANCEL);
    else
        connection_close(client.connection, CONNECTION_END_LOCAL, "over");
    run_until(probe.n_closed > 0 && served[0].n_closed > 0);
    stream_clear(&probe.stream);
    ck_assert_uint_eq(http2.n_queued_bytes, 0);
    if (_i < 2)
        let_others_pass();
    probe_deinit(&probe);
}
END_TEST

/* ---- small windows while too much waits */

static void set_up_tight(void)
{
    Http2Limits limits = LIMITS;
    limits.stream_window = 512 * KIB;
    limits.buffer_limit = 1024 * KIB;
    open_loop(&limits);
    connect_pair();
}

START_TEST(windows_shrink_while_too_much_waits)
{
    Probe large, small;
    size_t length = 2048 * KIB;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stall(&large, bytes, length);
    let_others_pass();
    ck_assert_uint_eq(served[0].received.length, 512 * KIB); /* it had its window before */
    ck_assert(http2.windows_are_small);
    ck_assert(server.connection->windows_are_small);
    size_t i = n_served;
    stall(&small, bytes, 100 * KIB);
    let_others_pass();
    ck_assert_uint_eq(served[i].received.length, 64 * KIB);
    finish(&large, &served[0], length);
    ck_assert(!http2.windows_are_small);
    let_others_pass();
    ck_assert_uint_eq(served[i].received.length, 100 * KIB); /* its window has grown again */
    finish(&small, &served[i], 100 * KIB);
}
END_TEST

START_TEST(connections_made_meanwhile_begin_with_small_windows)
{
    Probe large, small;
    size_t length = 2048 * KIB;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stall(&large, bytes, length);
    let_others_pass();
    Side first_client = client, first_server = server;
    first_client.connection->owner = &first_client;
    first_server.connection->owner = &first_server;
    client = server = (Side){0};
    connect_pair();
    size_t i = n_served;
    stall(&small, bytes, 100 * KIB);
    let_others_pass();
    ck_assert_uint_eq(served[i].received.length, 64 * KIB);
    finish(&large, &served[0], length);
    let_others_pass();
    ck_assert_uint_eq(served[i].received.length, 100 * KIB);
    finish(&small, &served[i], 100 * KIB);
    connection_close(first_client.connection, CONNECTION_END_LOCAL, "over");
    run_until(first_client.n_closed > 0 && first_server.n_closed > 0);
}
END_TEST

/* ---- windows for a server that is far away */

START_TEST(more_is_under_way_the_farther_it_is)
{
    Http2Limits limits = {.stream_window = 4096 * KIB, .buffer_limit = 256 * 1024 * KIB};
    size_t far = WINDOW_FAR_FACTOR * limits.stream_window;
    ck_assert_uint_eq(window_for_round_trip(&limits, 0), limits.stream_window);
    ck_assert_uint_eq(window_for_round_trip(&limits, 10 * NS_PER_MS), limits.stream_window);
    ck_assert_uint_eq(window_for_round_trip(&limits, 20 * NS_PER_MS), 6400 * 1000);
    ck_assert_uint_eq(window_for_round_trip(&limits, 60 * NS_PER_MS), far);
    ck_assert_uint_eq(window_for_round_trip(&limits, UINT64_MAX), far);
    limits.buffer_limit = limits.stream_window + 1;
    ck_assert_uint_eq(window_for_round_trip(&limits, UINT64_MAX), limits.buffer_limit);
    limits.buffer_limit = limits.stream_window;
    ck_assert_uint_eq(window_for_round_trip(&limits, UINT64_MAX), limits.stream_window);
}
END_TEST

/* The client's side: what is read of the server's answers. */
START_TEST(a_slow_acknowledgement_gives_the_client_larger_windows)
{
    Probe probe;
    open_loop(&LIMITS);
    server_settings_take_ms = 2; /* 320 KB/ms: more than WINDOW_FAR_FACTOR * WINDOW */
    connect_pair();
    run_until(client.connection->round_trip_ns > 0);
    ck_assert_uint_ge(client.connection->round_trip_ns, 2 * NS_PER_MS);
    ck_assert_uint_eq(server.connection->round_trip_ns, 0);
    probe_init(&probe, PROBE_CONSUMES);
    probe_request(&probe, false);
    size_t length = 16 * WINDOW;
    _cleanup_(mem_freep) uint8_t *bytes = some_bytes(length);
    stream_queue(&probe.stream, bytes, length, NULL);
    run_until(probe.received.length == length);
    ck_assert_uint_eq(probe.stream.window, WINDOW_FAR_FACTOR * WINDOW);
    probe.mode = PROBE_HOLDS;
    stream_queue(&probe.stream, bytes, length, NULL);
    stream_queue_end(&probe.stream, NULL);
    let_others_pass();
    /* Half a window that was read is not yet worth a frame. */
    ck_assert_uint_ge(probe.received.length, length + WINDOW_FAR_FACTOR / 2 * WINDOW);
    ck_assert_uint_le(probe.received.length, length + WINDOW_FAR_FACTOR * WINDOW);
    finish_echo(&probe);
    probe_deinit(&probe);
    close_loop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connection: flow control");
    TCase *tests = tcase_create("windows");
    tcase_add_checked_fixture(tests, set_up, close_loop);
    tcase_set_timeout(tests, 30); /* tens of MiB, perhaps under a sanitizer */
    tcase_add_test(tests, a_stream_that_is_not_read_stalls_at_its_window);
    tcase_add_test(tests, it_gets_as_much_more_as_was_read);
    tcase_add_test(tests, who_waits_is_told_that_little_is_left);
    tcase_add_test(tests, who_does_not_wait_is_not_told);
    tcase_add_test(tests, any_number_of_stalled_streams_leave_room_for_others);
    tcase_add_test(tests, the_connections_window_is_given_back);
    tcase_add_test(tests, pressure_goes_back_through_the_one_in_between);
    tcase_add_loop_test(tests, a_stalled_stream_can_be_reset, 0, 3);
    suite_add_tcase(suite, tests);
    tests = tcase_create("too much waits");
    tcase_add_checked_fixture(tests, set_up_tight, close_loop);
    tcase_add_test(tests, windows_shrink_while_too_much_waits);
    tcase_add_test(tests, connections_made_meanwhile_begin_with_small_windows);
    suite_add_tcase(suite, tests);
    tests = tcase_create("far away");
    tcase_add_test(tests, more_is_under_way_the_farther_it_is);
    tcase_add_test(tests, a_slow_acknowledgement_gives_the_client_larger_windows);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
