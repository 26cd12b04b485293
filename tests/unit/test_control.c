#include "admin/control.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/microhttpd.h"
#include "cli/control_client.h"

static uv_loop_t loop;
static Log logger;
static char folder[] = "/tmp/test-control-XXXXXX";
static char path[128], log_path[128];

/* ---- a daemon that only remembers what it was asked */

static struct {
    bool is_ready, closes_at_stop;
    unsigned n_stops;
    Control *control;
    bool refuses_reload;
    ControlQuestion *question; /* ours to answer */
    unsigned n_guests, n_probes, n_starts;
    char guest[256]; /* the latest, in one line */
} fake;

static json_t *on_status(void *context)
{
    ck_assert_ptr_eq(context, &fake);
    return json_pack("{s:s}", "state", "running");
}

static bool on_is_ready(void *context)
{
    ck_assert_ptr_eq(context, &fake);
    return fake.is_ready;
}

static void on_stop(void *context)
{
    ck_assert_ptr_eq(context, &fake);
    fake.n_stops++;
    if (fake.closes_at_stop) {
        control_close(fake.control);
        fake.control = NULL;
    }
}

static bool on_reload(void *context, ControlQuestion *question)
{
    ck_assert_ptr_eq(context, &fake);
    ck_assert_ptr_null(fake.question);
    if (!fake.refuses_reload)
        fake.question = question;
    return !fake.refuses_reload;
}

static const char *on_add_guest(void *context, const GuestProfile *guest, unsigned *ret_status, Text *problem)
{
    ck_assert_ptr_eq(context, &fake);
    ck_assert_ptr_null(guest->label);
    fake.n_guests++;
    (void)snprintf(fake.guest, sizeof fake.guest, "%s|%s|%s|%d", guest->host, guest->token,
                   guest->cluster_id ? guest->cluster_id : "-", guest->is_serverless);
    if (strcmp(guest->host, "bad") != 0)
        return "guest-abc";
    *ret_status = 429;
    text_append(problem, "there are too many");
    return NULL;
}

static bool on_probe(void *context, const char *profile, unsigned *ret_status, Text *problem)
{
    ck_assert_ptr_eq(context, &fake);
    fake.n_probes++;
    if (strcmp(profile, "p") == 0)
        return true;
    *ret_status = 404;
    text_printf(problem, "there is no profile %s", profile);
    return false;
}

static bool on_start(void *context, const char *profile, unsigned *ret_status, Text *problem)
{
    ck_assert_ptr_eq(context, &fake);
    fake.n_starts++;
    if (strcmp(profile, "p") == 0)
        return true;
    *ret_status = 409;
    text_printf(problem, "profile %s has no cluster_id", profile);
    return false;
}

static const ControlHost HOST = {.status = on_status,
                                 .is_ready = on_is_ready,
                                 .stop = on_stop,
                                 .reload = on_reload,
                                 .add_guest = on_add_guest,
                                 .probe = on_probe,
                                 .start = on_start,
                                 .context = &fake};

/* ---- fixture */

static void setup(void)
{
    memset(&fake, 0, sizeof fake);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/made/control.sock", folder);
    (void)snprintf(log_path, sizeof log_path, "%s/log", folder);
    logger = (Log){.level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT};
    logger.fd = open(log_path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(logger.fd, 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static void teardown(void)
{
    char command[160];
    if (fake.control)
        control_close(fake.control);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_ne(access(path, F_OK), 0); /* the socket is gone */
    (void)close(logger.fd);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void start(void)
{
    fake.control = control_new(&loop, &logger, path, &HOST);
    ck_assert_ptr_nonnull(fake.control);
}

static void expect_logged(const char *part)
{
    char bytes[4096] = "";
    ck_assert_int_ge(pread(logger.fd, bytes, sizeof bytes - 1, 0), 0);
    ck_assert_msg(strstr(bytes, part) != NULL, "\"%s\" is not in the log: %s", part, bytes);
}

static void expect_refused(const char *part)
{
    ck_assert_ptr_null(control_new(&loop, &logger, path, &HOST));
    expect_logged(part);
}

/* ---- a client in a process of its own, while the loop runs here */

typedef struct Asking {
    uv_poll_t poll;
    int fd;
    char answer[4096]; /* "STATUS BODY", or "error -N" */
    size_t length;
    bool is_done;
} Asking;

static void on_answer(uv_poll_t *poll, int status, int events)
{
    Asking *asking = container_of(poll, Asking, poll);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(events, UV_READABLE);
    ssize_t n = read(asking->fd, asking->answer + asking->length, sizeof asking->answer - 1 - asking->length);
    if (n > 0) {
        asking->length += (size_t)n;
        return;
    }
    asking->is_done = true;
    uv_close((uv_handle_t *)poll, NULL);
}

static void ask_in_child(int fd, const char *method, const char *target, uid_t uid)
{
    ControlReply reply = CONTROL_REPLY_NULL;
    if (uid != 0 && setresuid(uid, uid, uid) != 0)
        _exit(1);
    int error = control_client_request(path, method, target, 5000, &reply);
    if (error == 0)
        (void)dprintf(fd, "%u %s", reply.status, text_string(&reply.body));
    else
        (void)dprintf(fd, "error %d", error);
    control_reply_deinit(&reply);
    _exit(0);
}

static void ask(Asking *asking, const char *method, const char *target, uid_t uid)
{
    int ends[2];
    *asking = (Asking){.fd = -1};
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        ask_in_child(ends[1], method, target, uid);
    (void)close(ends[1]);
    asking->fd = ends[0];
    ck_assert_int_eq(uv_poll_init(&loop, &asking->poll, ends[0]), 0);
    ck_assert_int_eq(uv_poll_start(&asking->poll, UV_READABLE, on_answer), 0);
    while (!asking->is_done)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* lets the closed handle go */
    (void)close(ends[0]);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

static void expect_answer(const char *method, const char *target, const char *answer)
{
    Asking asking;
    ask(&asking, method, target, 0);
    ck_assert_str_eq(asking.answer, answer);
}

/* ---- tests */

START_TEST(routes)
{
    start();
    expect_answer("GET", "/status", "200 {\"state\":\"running\"}");
    expect_answer("GET", "/ready", "503 {\"ready\":false}");
    fake.is_ready = true;
    expect_answer("GET", "/ready", "200 {\"ready\":true}");
    expect_answer("GET", "/ready?now", "200 {\"ready\":true}");
    ck_assert_uint_eq(fake.n_stops, 0);
}
END_TEST

START_TEST(wrong_requests)
{
    start();
    expect_answer("GET", "/", "404 {\"error\":\"there is no such page; try /status\"}");
    expect_answer("GET", "/status/../stop", "404 {\"error\":\"there is no such page; try /status\"}");
    expect_answer("GET", "/stop", "405 {\"error\":\"this page takes only POST\"}");
    expect_answer("POST", "/ready", "405 {\"error\":\"this page takes only GET\"}");
    expect_answer("BREW", "/status", "405 {\"error\":\"this page takes only GET\"}");
    ck_assert_uint_eq(fake.n_stops, 0);
}
END_TEST

START_TEST(stops_after_the_answer)
{
    start();
    expect_answer("POST", "/stop", "202 {\"stopping\":true}");
    ck_assert_uint_eq(fake.n_stops, 1);
    expect_answer("POST", "/stop", "202 {\"stopping\":true}");
    ck_assert_uint_eq(fake.n_stops, 2);
}
END_TEST

START_TEST(may_be_closed_by_stop)
{
    start();
    fake.closes_at_stop = true;
    expect_answer("POST", "/stop", "202 {\"stopping\":true}");
    ck_assert_ptr_null(fake.control);
    expect_answer("GET", "/ready", "error -2"); /* ENOENT */
}
END_TEST

START_TEST(others_are_refused)
{
    Asking asking;
    start();
    if (geteuid() != 0)
        return; /* nobody else to be */
    char made[160];
    (void)snprintf(made, sizeof made, "%s/made", folder);
    ck_assert_int_eq(chmod(folder, 0711) | chmod(made, 0711) | chmod(path, 0666), 0);
    ask(&asking, "POST", "/stop", 65534);
    ck_assert_str_eq(asking.answer, "403 {\"error\":\"only the daemon's own user and root may ask\"}");
    ck_assert_uint_eq(fake.n_stops, 0);
    expect_logged("refused uid 65534");
}
END_TEST

START_TEST(socket_is_private)
{
    struct stat facts;
    mode_t umask_before = umask(0);
    start();
    ck_assert_int_eq(stat(path, &facts), 0);
    ck_assert_uint_eq(facts.st_mode & 0777, 0600);
    *strrchr(path, '/') = '\0';
    ck_assert_int_eq(stat(path, &facts), 0);
    ck_assert_uint_eq(facts.st_mode & 0777, 0700);
    path[strlen(path)] = '/';
    ck_assert_uint_eq(umask(umask_before), 0);
}
END_TEST

START_TEST(stale_socket_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    start();
    control_close(fake.control);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    start();
    expect_answer("GET", "/ready", "503 {\"ready\":false}");
}
END_TEST

START_TEST(second_daemon_is_refused)
{
    start();
    expect_refused("another sparkbouncer is running on ");
    expect_answer("GET", "/ready", "503 {\"ready\":false}"); /* the first one still answers */
}
END_TEST

START_TEST(socket_of_another_is_left)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    start();
    ck_assert_int_eq(unlink(path), 0);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    control_close(fake.control);
    fake.control = NULL;
    ck_assert_int_eq(unlink(path), 0); /* it was still there */
    (void)close(fd);
}
END_TEST

START_TEST(what_is_no_socket_is_left)
{
    (void)snprintf(path, sizeof path, "%s/log", folder);
    expect_refused("no socket");
    ck_assert_int_eq(access(path, F_OK), 0);
    (void)snprintf(path, sizeof path, "%s/nothing", folder);
}
END_TEST

START_TEST(shared_folder_is_refused)
{
    (void)snprintf(path, sizeof path, "%s/control.sock", folder);
    ck_assert_int_eq(chmod(folder, 0770), 0);
    expect_refused("writable by nobody else");
    ck_assert_int_eq(chmod(folder, 0700), 0);
}
END_TEST

START_TEST(long_path_is_refused)
{
    (void)snprintf(path, sizeof path, "%s/%0100d", folder, 0);
    expect_refused("too long");
}
END_TEST

static int connect_silently(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

START_TEST(closes_with_open_connections)
{
    int fds[3];
    start();
    for (size_t i = 0; i < 3; i++)
        fds[i] = connect_silently();
    ck_assert_int_eq(write(fds[0], "GET /sta", 8), 8);
    for (int i = 0; i < 8; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    control_close(fake.control);
    fake.control = NULL;
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 3; i++)
        (void)close(fds[i]);
}
END_TEST

START_TEST(connections_are_limited)
{
    enum { N = 40, LIMIT = 32 };
    int fds[N];
    char byte;
    unsigned n_closed = 0;
    start();
    for (size_t i = 0; i < N; i++) {
        fds[i] = connect_silently();
        for (int j = 0; j < 4; j++)
            (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    for (size_t i = 0; i < N; i++)
        n_closed += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
    ck_assert_uint_eq(n_closed, N - LIMIT);
    for (size_t i = 0; i < N; i++)
        (void)close(fds[i]);
    for (int j = 0; j < 4 * N; j++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    expect_answer("GET", "/ready", "503 {\"ready\":false}");
}
END_TEST

static bool library_is_loaded(void)
{
    char line[512];
    bool is_loaded = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        is_loaded |= strstr(line, "libmicrohttpd") != NULL;
    if (maps)
        (void)fclose(maps);
    return is_loaded;
}

START_TEST(library_is_there_only_when_needed)
{
    start();
    ck_assert(!library_is_loaded());
    for (int i = 0; i < 2; i++) {
        expect_answer("GET", "/ready", "503 {\"ready\":false}");
        ck_assert(library_is_loaded());
        while (library_is_loaded() &&
               !MICROHTTPD_STAYS) /* the next event is that nobody has asked for a while */
            (void)uv_run(&loop, UV_RUN_ONCE);
    }
}
END_TEST

/* ---- bodies, and answers that come later */

/* An HTTP/1.0 request as it is, in the given pieces, on a connection of its own. */
static int begin_raw(const char *const *pieces, size_t n_pieces)
{
    int fd = connect_silently();
    for (size_t i = 0; i < n_pieces; i++) {
        ssize_t length = (ssize_t)strlen(pieces[i]);
        ck_assert(length == 0 || send(fd, pieces[i], (size_t)length, MSG_NOSIGNAL) == length);
        for (int j = 0; j < 4; j++)
            (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    return fd;
}

/* Status and body of the answer, once the other side has closed. */
static void end_raw(int fd, char *answer, size_t size)
{
    Asking asking = {.fd = fd};
    ck_assert_int_eq(uv_poll_init(&loop, &asking.poll, fd), 0);
    ck_assert_int_eq(uv_poll_start(&asking.poll, UV_READABLE, on_answer), 0);
    while (!asking.is_done)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)close(fd);
    const char *body = strstr(asking.answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    ck_assert_int_eq(strncmp(asking.answer, "HTTP/1.", 7), 0);
    (void)snprintf(answer, size, "%.3s %s", asking.answer + 9, body + 4);
}

static void expect_posted(const char *path_, const char *body, const char *expected)
{
    char head[128], answer[512];
    const char *pieces[] = {head, body};
    (void)snprintf(head, sizeof head, "POST %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", path_, strlen(body));
    end_raw(begin_raw(pieces, 2), answer, sizeof answer);
    ck_assert_str_eq(answer, expected);
}

START_TEST(guests_are_taken)
{
    start();
    expect_posted("/profiles", "{\"host\":\"h\",\"token\":\"t\"}", "201 {\"profile\":\"guest-abc\"}");
    ck_assert_str_eq(fake.guest, "h|t|-|0");
    expect_posted("/profiles", "{\"serverless\":true,\"cluster_id\":\"c\",\"token\":\"t\",\"host\":\"h\"}",
                  "201 {\"profile\":\"guest-abc\"}");
    ck_assert_str_eq(fake.guest, "h|t|c|1");
    expect_posted("/profiles", "{\"host\":\"h\",\"token\":\"t\",\"cluster_id\":null,\"serverless\":null}",
                  "201 {\"profile\":\"guest-abc\"}");
    ck_assert_str_eq(fake.guest, "h|t|-|0");
    expect_posted("/profiles", "{\"host\":\"bad\",\"token\":\"t\"}",
                  "429 {\"error\":\"there are too many\"}");
    ck_assert_uint_eq(fake.n_guests, 4);
}
END_TEST

START_TEST(wrong_bodies)
{
    static const char NO_OBJECT[] = "400 {\"error\":\"this page takes a body: one JSON object\"}";
    static const char *const NO_OBJECTS[] = {"",
                                             "s3cret",
                                             "[\"s3cret\"]",
                                             "{\"token\":\"s3cret\"",
                                             "{\"token\":\"s3cret\",\"token\":\"x\"}",
                                             "\"\\ud800\""};
    static const char *const WRONG[] = {"{}",
                                        "{\"host\":\"h\"}",
                                        "{\"token\":\"s3cret\"}",
                                        "{\"host\":1,\"token\":\"s3cret\"}",
                                        "{\"host\":\"h\",\"token\":\"s3cret\",\"cluster_id\":false}",
                                        "{\"host\":\"h\",\"token\":\"s3cret\",\"serverless\":\"auto\"}",
                                        "{\"host\":\"h\",\"token\":\"s3cret\",\"more\":1}"};
    start();
    for (size_t i = 0; i < sizeof NO_OBJECTS / sizeof NO_OBJECTS[0]; i++)
        expect_posted("/profiles", NO_OBJECTS[i], NO_OBJECT);
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        expect_posted("/profiles", WRONG[i],
                      "400 {\"error\":\"a profile has the strings host and token, perhaps cluster_id, and "
                      "perhaps serverless, which is true or false; nothing else\"}");
    ck_assert_uint_eq(fake.n_guests, 0);
}
END_TEST

START_TEST(body_in_pieces_and_too_large)
{
    char answer[512], head[64], large[20000];
    const char *pieces[] = {"POST /profiles HTTP/1.0\r\nContent-Length: 24\r\n\r\n{\"ho", "st\":\"h\",\"to",
                            "ken\":\"t\"}"};
    start();
    end_raw(begin_raw(pieces, 3), answer, sizeof answer);
    ck_assert_str_eq(answer, "201 {\"profile\":\"guest-abc\"}");
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    (void)snprintf(head, sizeof head, "POST /profiles HTTP/1.0\r\nContent-Length: %zu\r\n\r\n",
                   sizeof large - 1);
    pieces[0] = head;
    pieces[1] = large;
    end_raw(begin_raw(pieces, 2), answer, sizeof answer);
    ck_assert_str_eq(answer, "413 {\"error\":\"the body is too large\"}");
}
END_TEST

START_TEST(probes)
{
    start();
    expect_posted("/probe", "{\"profile\":\"p\"}", "202 {\"probing\":true}");
    expect_posted("/probe", "{\"profile\":\"q\"}", "404 {\"error\":\"there is no profile q\"}");
    expect_posted("/probe", "{\"profile\":1}",
                  "400 {\"error\":\"a probe has the string profile and nothing else\"}");
    ck_assert_uint_eq(fake.n_probes, 2);
}
END_TEST

START_TEST(starts)
{
    start();
    expect_posted("/start", "{\"profile\":\"p\"}", "202 {\"starting\":true}");
    expect_posted("/start", "{\"profile\":\"q\"}", "409 {\"error\":\"profile q has no cluster_id\"}");
    expect_posted("/start", "{\"profile\":\"p\",\"x\":1}",
                  "400 {\"error\":\"a start has the string profile and nothing else\"}");
    ck_assert_uint_eq(fake.n_starts, 2);
}
END_TEST

static int begin_reload(void)
{
    static const char *const PIECES[] = {"POST /reload HTTP/1.0\r\n\r\n"};
    int fd = begin_raw(PIECES, 1);
    while (!fake.question)
        (void)uv_run(&loop, UV_RUN_ONCE);
    return fd;
}

static void answer_question(void)
{
    ControlQuestion *question = fake.question;
    fake.question = NULL;
    control_question_answer(question, 409, json_pack("{s:s}", "error", "broken"));
}

START_TEST(reload_is_answered_later)
{
    char answer[512], byte;
    start();
    int fd = begin_reload();
    expect_answer("GET", "/ready", "503 {\"ready\":false}"); /* others are served meanwhile */
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    answer_question();
    end_raw(fd, answer, sizeof answer);
    ck_assert_str_eq(answer, "409 {\"error\":\"broken\"}");
    fake.refuses_reload = true;
    expect_answer("POST", "/reload", "503 {\"error\":\"the daemon stops\"}");
}
END_TEST

START_TEST(asker_of_reload_goes_away)
{
    start();
    (void)close(begin_reload());
    for (int i = 0; i < 8; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    answer_question();
    expect_answer("GET", "/ready", "503 {\"ready\":false}");
}
END_TEST

START_TEST(closes_before_reload_is_answered)
{
    start();
    int fd = begin_reload();
    control_close(fake.control);
    fake.control = NULL;
    ck_assert_ptr_null(fake.question->asker);
    answer_question();
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)close(fd);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, guests_are_taken);
    tcase_add_test(tests, wrong_bodies);
    tcase_add_test(tests, body_in_pieces_and_too_large);
    tcase_add_test(tests, probes);
    tcase_add_test(tests, starts);
    tcase_add_test(tests, reload_is_answered_later);
    tcase_add_test(tests, asker_of_reload_goes_away);
    tcase_add_test(tests, closes_before_reload_is_answered);
    tcase_add_test(tests, routes);
    tcase_add_test(tests, wrong_requests);
    tcase_add_test(tests, stops_after_the_answer);
    tcase_add_test(tests, may_be_closed_by_stop);
    tcase_add_test(tests, others_are_refused);
    tcase_add_test(tests, socket_is_private);
    tcase_add_test(tests, stale_socket_is_replaced);
    tcase_add_test(tests, second_daemon_is_refused);
    tcase_add_test(tests, socket_of_another_is_left);
    tcase_add_test(tests, what_is_no_socket_is_left);
    tcase_add_test(tests, shared_folder_is_refused);
    tcase_add_test(tests, long_path_is_refused);
    tcase_add_test(tests, closes_with_open_connections);
    tcase_add_test(tests, connections_are_limited);
    tcase_add_test(tests, library_is_there_only_when_needed);
}

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tests = tcase_create("control");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
