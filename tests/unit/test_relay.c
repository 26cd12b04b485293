/* Whole relays between a client and a server that are sockets of the test: what a server gets and a client
 * sees when things happen in an order that no friendly peer takes. */

#include <check.h>

#include "../fuzz/relay_rig.h"

#define SESSION   "5e551000-0000-4000-8000-000000000001"
#define OPERATION "0be7a000-0000-4000-9000-000000000001"

static Rig rig;

static void set_up(void)
{
    rig_init(&rig);
}

static void tear_down(void)
{
    rig_deinit(&rig);
}

/* ---- what was received */

/* Everything that has come; the loop goes on meanwhile. */
static void receive(int fd, Text *received)
{
    static char bytes[65536];
    rig_settle(&rig);
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0; rig_settle(&rig))
        text_append_bytes(received, bytes, (size_t)n);
}

/* The DATA of a stream in what was received; `skip`: bytes before the first frame. */
static void data_of(const Text *received, size_t skip, uint32_t stream, Text *data)
{
    const uint8_t *p = (const uint8_t *)text_string(received) + skip;
    for (size_t left = received->length - skip; left >= 9;) {
        size_t length = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        uint32_t id = (uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
        ck_assert_uint_le(9 + length, left);
        if (p[3] == FRAME_DATA && id == stream)
            bytes_add(data, p + 9, length);
        p += 9 + length;
        left -= 9 + length;
    }
}

static void expect_data(int fd, size_t skip, uint32_t stream, const Text *expected)
{
    _cleanup_(text_deinit) Text received = TEXT_NULL, data = TEXT_NULL;
    receive(fd, &received);
    data_of(&received, skip, stream, &data);
    ck_assert_uint_eq(data.length, expected->length);
    ck_assert(memcmp(text_string(&data), text_string(expected), data.length) == 0);
}

/* ---- what the ends say */

static void greet(int fd, const char *settings, size_t length)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    if (fd == rig.client)
        text_append(&out, CLIENT_PREFACE);
    frame_add(&out, FRAME_SETTINGS, 0, 0, settings, length);
    rig_send_text(&rig, fd, &out);
    rig_settle(&rig);
}

static void wait_for_server(void)
{
    while (rig.server < 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
        rig_accept_server(&rig);
    }
}

static void server_hangs_up(void)
{
    rig_settle(&rig);
    rig_hang_up(&rig.server);
    rig_settle(&rig);
}

static void framed(Text *out, const Text *message)
{
    text_append_bytes(out, "", 1);
    bytes_add_u32(out, (uint32_t)message->length);
    bytes_add(out, text_string(message), message->length);
}

/* A request, framed; ExecutePlan is reattachable. */
static void write_request(Text *out, MethodId id, const char *session, size_t n_more)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    envelope_add(&message, id, session, OPERATION, false);
    if (id == METHOD_EXECUTE_PLAN)
        field_add(&message, 5, "\n\2\10\1");
    if (n_more > 0) { /* a field that is not looked into */
        uint8_t head[] = {0xfa, 0x7f, (uint8_t)(0x80 | (n_more & 0x7f)),
                          (uint8_t)(0x80 | (n_more >> 7 & 0x7f)), (uint8_t)(n_more >> 14)};
        bytes_add(&message, head, sizeof head);
        for (size_t i = 0; i < n_more; i++)
            text_append_bytes(&message, &"0123456789abcdef"[i * 7 % 16], 1);
    }
    framed(out, &message);
}

static void client_begins(uint32_t stream, MethodId id)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    request_add(&out, stream, method_get(id)->path, NULL, NULL, false);
    rig_send_text(&rig, rig.client, &out);
}

static void send_data(int fd, uint32_t stream, const char *bytes, size_t length, bool end)
{
    for (size_t part; length > 0; bytes += part, length -= part) {
        _cleanup_(text_deinit) Text out = TEXT_NULL;
        part = length < 16384 ? length : 16384;
        frame_add(&out, FRAME_DATA, end && part == length ? FLAG_END_STREAM : 0, stream, bytes, part);
        rig_send_text(&rig, fd, &out);
        rig_settle(&rig);
    }
}

static void client_calls(uint32_t stream, MethodId id, const Text *request)
{
    client_begins(stream, id);
    send_data(rig.client, stream, request->bytes, request->length, true);
}

static void server_begins(uint32_t stream)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    answer_headers_add(&out, stream, "200", false);
    rig_send_text(&rig, rig.server, &out);
}

static void server_fails(uint32_t stream, const char *status, const char *words)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL, block = TEXT_NULL;
    hpack_add(&block, ":status", "200");
    hpack_add(&block, "content-type", "application/grpc");
    hpack_add(&block, "grpc-status", status);
    hpack_add(&block, "grpc-message", words);
    frame_add_headers(&out, stream, &block, true);
    rig_send_text(&rig, rig.server, &out);
    rig_settle(&rig);
}

/* An ExecutePlanResponse with an id, framed. */
static void write_response(Text *out, const char *id, size_t n_more)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    field_add(&message, 1, SESSION);
    field_add(&message, 13, id);
    for (; n_more > 0; n_more -= n_more < 100 ? n_more : 100)
        field_add(&message, 15,
                  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
                  "2345678901234567");
    framed(out, &message);
}

static Call *only_call(void)
{
    ck_assert_uint_eq(rig.relay.calls.n_entries, 1);
    return container_of(list_first(&rig.relay.calls), Call, link);
}

#define WIDE           "\0\4\0\x0f\xff\xff" /* SETTINGS_INITIAL_WINDOW_SIZE of about a MiB */
#define SHUT           "\0\4\0\0\0\0"       /* of nothing */
#define PREFACE_LENGTH (sizeof CLIENT_PREFACE - 1)

/* ---- requests that are sent again */

/* What the server had of it is needed again, however much the client adds while the daemon connects. */
START_TEST(a_request_grows_between_two_attempts)
{
    static const char MORE_ROOM[] = {0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0x0f, 0, 0};
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    greet(rig.client, NULL, 0);
    write_request(&request, METHOD_ANALYZE_PLAN, SESSION, 90000);
    client_begins(1, METHOD_ANALYZE_PLAN);
    send_data(rig.client, 1, request.bytes, 40000, false);
    wait_for_server();
    greet(rig.server, WIDE, 6);
    server_hangs_up();
    send_data(rig.client, 1, request.bytes + 40000, request.length - 40000, true);
    wait_for_server();
    greet(rig.server, WIDE, 6);
    rig_send(&rig, rig.server, MORE_ROOM, sizeof MORE_ROOM);
    expect_data(rig.server, PREFACE_LENGTH, 1, &request);
}
END_TEST

/* A ReattachExecute of ours that could not be sent is no part of the plan that is then executed. */
START_TEST(an_unsent_reattach_leaves_no_trace)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    greet(rig.client, NULL, 0);
    write_request(&request, METHOD_EXECUTE_PLAN, SESSION, 0);
    client_calls(1, METHOD_EXECUTE_PLAN, &request);
    wait_for_server();
    greet(rig.server, NULL, 0);
    server_hangs_up();
    wait_for_server();
    greet(rig.server, SHUT, 6);
    ck_assert(only_call()->reattaches);
    ck_assert_int_eq(only_call()->state, CALL_RUNNING);
    server_hangs_up();
    wait_for_server();
    greet(rig.server, NULL, 0);
    while (only_call()->state != CALL_RUNNING)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    rig_settle(&rig);
    server_fails(1, "13", "INVALID_HANDLE.OPERATION_NOT_FOUND");
    ck_assert(!only_call()->reattaches);
    expect_data(rig.server, PREFACE_LENGTH, 3, &request);
}
END_TEST

/* Nor is what the client adds to its request a part of ours. */
START_TEST(a_client_adds_to_its_request_while_it_is_reattached)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL, response = TEXT_NULL, received = TEXT_NULL,
                                data = TEXT_NULL;
    greet(rig.client, NULL, 0);
    write_request(&request, METHOD_EXECUTE_PLAN, SESSION, 0);
    write_response(&response, "r1", 0);
    client_begins(1, METHOD_EXECUTE_PLAN);
    send_data(rig.client, 1, request.bytes, request.length, false);
    wait_for_server();
    greet(rig.server, NULL, 0);
    server_begins(1);
    send_data(rig.server, 1, response.bytes, response.length, false);
    server_hangs_up();
    wait_for_server();
    ck_assert(only_call()->reattaches);
    send_data(rig.client, 1, request.bytes, request.length, false);
    greet(rig.server, SHUT, 6);
    send_data(rig.client, 1, request.bytes, request.length, true);
    greet(rig.server, WIDE, 6);
    receive(rig.server, &received);
    data_of(&received, PREFACE_LENGTH, 1, &data);
    ck_assert_uint_gt(data.length, 5);
    ck_assert_uint_eq(data.length, 5u + (uint8_t)data.bytes[4]); /* one message, and not the client's */
    ck_assert_uint_ne(data.length, request.length);
}
END_TEST

/* ---- results that go on */

/* The newer stream of the client has the results; the older one must not get what it has already. */
START_TEST(taken_over_in_the_middle_of_what_is_sent_again)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL, response = TEXT_NULL, received = TEXT_NULL,
                                data = TEXT_NULL, again = TEXT_NULL;
    greet(rig.client, NULL, 0);
    write_request(&request, METHOD_EXECUTE_PLAN, SESSION, 0);
    write_response(&response, "r1", 1000);
    client_calls(1, METHOD_EXECUTE_PLAN, &request);
    wait_for_server();
    greet(rig.server, NULL, 0);
    server_begins(1);
    send_data(rig.server, 1, response.bytes, 600, false);
    server_hangs_up();
    wait_for_server();
    greet(rig.server, NULL, 0);
    server_begins(1);
    send_data(rig.server, 1, response.bytes, 300, false);
    ck_assert_int_eq(only_call()->resume.state, RESUME_CHECKING);
    write_request(&again, METHOD_REATTACH_EXECUTE, SESSION, 0);
    client_calls(3, METHOD_REATTACH_EXECUTE, &again);
    send_data(rig.server, 1, response.bytes + 300, response.length - 300, false);
    receive(rig.client, &received);
    data_of(&received, 0, 1, &data);
    ck_assert_uint_le(data.length, response.length);
    ck_assert(memcmp(data.bytes, response.bytes, data.length) == 0);
}
END_TEST

/* A server that cuts again and again may send a window full each time. */
START_TEST(results_do_not_pile_up_for_a_client_that_does_not_read)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    greet(rig.client, NULL, 0);
    write_request(&request, METHOD_EXECUTE_PLAN, SESSION, 0);
    client_calls(1, METHOD_EXECUTE_PLAN, &request);
    for (unsigned i = 0; i < 30; i++) {
        _cleanup_(text_deinit) Text response = TEXT_NULL;
        char id[8];
        (void)snprintf(id, sizeof id, "r%u", i);
        write_response(&response, id, 50000);
        while (rig.server < 0 && only_call()->wait != WAIT_BACKOFF) {
            (void)uv_run(&rig.loop, UV_RUN_ONCE);
            rig_accept_server(&rig);
        }
        if (rig.server < 0)
            break;
        greet(rig.server, NULL, 0);
        server_begins(1);
        send_data(rig.server, 1, response.bytes, response.length, false);
        server_hangs_up();
    }
    ck_assert_uint_le(only_call()->from_client.output.n_bytes, 6 * rig.relay.http2.limits.stream_window);
}
END_TEST

/* ---- results that are read ahead to disk */

static char spool_folder[64];

static void allow_spool(void)
{
    strcpy(spool_folder, "/tmp/test_relay.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(spool_folder));
    rig.relay.settings->profiles[0].spool = 1024 * 1024;
    spool_files_change(&rig.relay.spool_files, spool_folder, 16 * 1024 * 1024);
}

static void forbid_spool(void)
{
    rig.relay.settings->profiles[0].spool = 0;
    ck_assert_int_eq(rmdir(spool_folder), 0);
}

/* A client that takes nothing yet has its operation's results coming. */
static void begin_unread(void)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    greet(rig.client, SHUT, 6);
    write_request(&request, METHOD_EXECUTE_PLAN, SESSION, 0);
    client_calls(1, METHOD_EXECUTE_PLAN, &request);
    wait_for_server();
    greet(rig.server, NULL, 0);
    server_begins(1);
}

static void wait_for_file(void)
{
    while (!only_call()->spool.file)
        rig_wait(&rig);
}

static void server_ends(const char *status)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    answer_trailers_add(&out, 1, status);
    rig_send_text(&rig, rig.server, &out);
    rig_settle(&rig);
}

static void client_reads_on(void)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    frame_add(&out, FRAME_SETTINGS, 0, 0, WIDE, 6);
    frame_add(&out, FRAME_WINDOW_UPDATE, 0, 0, "\0\x0f\0\0", 4);
    rig_send_text(&rig, rig.client, &out);
}

static void expect_read(const Text *expected)
{
    _cleanup_(text_deinit) Text received = TEXT_NULL, data = TEXT_NULL;
    client_reads_on();
    while (!list_is_empty(&rig.relay.calls)) { /* the pool of libuv works meanwhile */
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
        receive(rig.client, &received);
    }
    receive(rig.client, &received);
    data_of(&received, 0, 1, &data);
    ck_assert_uint_eq(data.length, expected->length);
    ck_assert(memcmp(text_string(&data), text_string(expected), data.length) == 0);
    ck_assert_uint_eq(rig.relay.spool_files.n_unread, 0);
}

/* More than all windows, and the end, before the client reads the first byte. */
START_TEST(results_wait_on_disk)
{
    _cleanup_(text_deinit) Text results = TEXT_NULL;
    allow_spool();
    begin_unread();
    write_response(&results, "a", 30000);
    write_response(&results, "b", 30000);
    size_t sent = 60000;
    send_data(rig.server, 1, results.bytes, sent, false);
    wait_for_file();
    for (unsigned i = 0; i < 10; i++) {
        write_response(&results, "c", 40000);
        send_data(rig.server, 1, results.bytes + sent, results.length - sent, false);
        sent = results.length;
        while (spool_pending(only_call()) > 0)
            (void)uv_run(&rig.loop, UV_RUN_ONCE);
        ck_assert_uint_eq(only_call()->to_upstream.n_unconsumed, 0); /* the server has its window back */
    }
    ck_assert_uint_eq(spool_unread(only_call()), results.length - 60000);
    ck_assert_str_eq(only_call()->resume.last_response_id, "c");
    server_ends("13");
    ck_assert_int_eq(only_call()->state, CALL_ANSWERED);
    expect_read(&results);
    forbid_spool();
}
END_TEST

static int find_file(void)
{
    char link[64], path[256];
    for (int fd = 3; fd < 256; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = '\0';
        if (strncmp(path, spool_folder, strlen(spool_folder)) == 0)
            return fd;
    }
    return -1;
}

/* The disk gives back less than was written: what the client gets does not pass for all, even when the server
 * had ended well. */
START_TEST(results_on_disk_are_lost)
{
    _cleanup_(text_deinit) Text results = TEXT_NULL, received = TEXT_NULL, data = TEXT_NULL;
    bool has_ended = _i == 1;
    allow_spool();
    begin_unread();
    write_response(&results, "a", 50000);
    send_data(rig.server, 1, results.bytes, 50000, false);
    wait_for_file();
    write_response(&results, "b", 50000);
    send_data(rig.server, 1, results.bytes + 50000, results.length - 50000, false);
    while (spool_pending(only_call()) > 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    ck_assert_int_eq(ftruncate(find_file(), 0), 0);
    if (has_ended)
        server_ends("13");
    ck_assert_int_eq(only_call()->state, has_ended ? CALL_ANSWERED : CALL_RUNNING);
    client_reads_on();
    while (!list_is_empty(&rig.relay.calls)) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
        receive(rig.client, &received);
    }
    receive(rig.client, &received);
    data_of(&received, 0, 1, &data);
    ck_assert_uint_eq(data.length, 50000);
    ck_assert_uint_eq(rig.relay.counts.n_failed, 1);
    bool is_reset = memmem(received.bytes, received.length, "\0\0\4\3\0\0\0\0\1\0\0\0\2", 13) != NULL;
    ck_assert(is_reset == has_ended); /* else it gets a status */
    forbid_spool();
}
END_TEST

/* All results are there when the client turns out to be slow: only the end is still to come. */
START_TEST(nothing_but_the_end_comes_after_the_file)
{
    _cleanup_(text_deinit) Text results = TEXT_NULL;
    allow_spool();
    begin_unread();
    write_response(&results, "a", 50000);
    send_data(rig.server, 1, results.bytes, results.length, false);
    wait_for_file();
    server_ends("13");
    expect_read(&results);
    forbid_spool();
}
END_TEST

/* ---- what a client may write */

START_TEST(a_session_id_with_line_ends_is_no_header)
{
    static const char *const IDS[] = {"a\r\nx-databricks-cluster-id: b", "with blank", "\xc3\xa4", SESSION};
    ProfileSettings *profile = &rig.relay.settings->profiles[0];
    profile->is_serverless = true;
    greet(rig.client, NULL, 0);
    for (unsigned i = 0; i < 4; i++) {
        _cleanup_(text_deinit) Text request = TEXT_NULL;
        write_request(&request, METHOD_CONFIG, IDS[i], 0);
        client_calls(2 * i + 1, METHOD_CONFIG, &request);
        if (i == 0) {
            wait_for_server();
            greet(rig.server, NULL, 0);
        }
        const Call *call = container_of(rig.relay.calls.head.previous, Call, link);
        ck_assert_int_eq(call->state, CALL_RUNNING);
        bool is_there = header_list_find(&call->request_headers, "x-databricks-session-id") != NULL;
        ck_assert_int_eq(is_there, i == 3);
    }
    profile->is_serverless = false;
}
END_TEST

/* ---- reloads */

static Settings *changed_settings(const char *cluster_id, uint64_t connect_timeout_ms)
{
    Settings *settings = mem_new(Settings);
    *settings = *rig.relay.settings;
    settings->n_references = 100; /* never freed by others: what it has is the rig's */
    settings->profiles = mem_new(ProfileSettings);
    settings->profiles[0] = rig.relay.settings->profiles[0];
    settings->profiles[0].cluster_id = cluster_id ? mem_copy_string(cluster_id) : NULL;
    settings->profiles[0].connect_timeout_ms = connect_timeout_ms;
    return settings;
}

static void reload(Settings *next)
{
    SettingsChange change = SETTINGS_CHANGE_NULL;
    settings_change_compute(&change, rig.relay.settings, next);
    relay_change_settings(&rig.relay, next, &change);
    settings_change_deinit(&change);
}

/* Another cluster has not heard of the operation, and would execute it once more. */
START_TEST(a_call_does_not_follow_its_profile_to_another_cluster)
{
    const char *problem;
    bool is_unknown;
    Settings *slower = changed_settings(NULL, 5000), *elsewhere = changed_settings("another", 5000);
    Upstream *former = upstream_ref(relay_upstream(&rig.relay, "p", &problem, &is_unknown));
    reload(slower);
    Upstream *follower = relay_follow(&rig.relay, former);
    ck_assert_ptr_ne(follower, former);
    reload(elsewhere);
    ck_assert_ptr_eq(relay_follow(&rig.relay, follower), follower);
    (void)upstream_unref(follower);
    rig_settle(&rig);
    Settings *rig_own = rig_settings(false, false);
    reload(rig_own);
    rig_settle(&rig);
    free(elsewhere->profiles[0].cluster_id);
    free(elsewhere->profiles);
    free(elsewhere);
    free(slower->profiles);
    free(slower);
}
END_TEST

/* The answer may come when neither the session nor its profile is there any more. */
START_TEST(a_clone_of_a_forgotten_session_is_not_registered)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL, out = TEXT_NULL, message = TEXT_NULL;
    greet(rig.client, NULL, 0);
    write_request(&request, METHOD_CLONE_SESSION, SESSION, 0);
    request_add(&out, 1, method_get(METHOD_CLONE_SESSION)->path, "x-session", "etl", false);
    rig_send_text(&rig, rig.client, &out);
    send_data(rig.client, 1, request.bytes, request.length, true);
    wait_for_server();
    greet(rig.server, NULL, 0);
    ck_assert_ptr_nonnull(only_call()->mapped);
    registry_forget(&rig.relay.registry, only_call()->session);
    text_clear(&out);
    field_add(&message, 1, SESSION);
    field_add(&message, 3, "5e551000-0000-4000-8000-00000000000c");
    answer_headers_add(&out, 1, "200", false);
    message_add(&out, 1, &message, false);
    rig_send_text(&rig, rig.server, &out);
    rig_settle(&rig);
    ck_assert_uint_eq(rig.relay.registry.sessions.n_entries, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay");
    TCase *tests = tcase_create("relay");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_request_grows_between_two_attempts);
    tcase_add_test(tests, an_unsent_reattach_leaves_no_trace);
    tcase_add_test(tests, a_client_adds_to_its_request_while_it_is_reattached);
    tcase_add_test(tests, taken_over_in_the_middle_of_what_is_sent_again);
    tcase_add_test(tests, results_do_not_pile_up_for_a_client_that_does_not_read);
    tcase_add_test(tests, results_wait_on_disk);
    tcase_add_test(tests, nothing_but_the_end_comes_after_the_file);
    tcase_add_loop_test(tests, results_on_disk_are_lost, 0, 2);
    tcase_add_test(tests, a_session_id_with_line_ends_is_no_header);
    tcase_add_test(tests, a_call_does_not_follow_its_profile_to_another_cluster);
    tcase_add_test(tests, a_clone_of_a_forgotten_session_is_not_registered);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
