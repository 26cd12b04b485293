/* The metadata service: who is refused, whose token is given, and that a request waits for one. Mints are
 * played by this file. */

#include "admin/metadata_service.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/metadata_request.h"

/* ---- requests, checked */

#define SECRET "0123456789abcdef0123456789abcdef"

static const MetadataRequest GOOD = {.method = "GET",
                                     .path = "/" SECRET,
                                     .host = "127.0.0.1:7000",
                                     .version = "1",
                                     .workspace = "https://w.example"};

static unsigned check(const MetadataRequest *request, const char **ret_profile)
{
    const char *reason = NULL;
    *ret_profile = NULL;
    unsigned status = metadata_request_check(request, SECRET, 7000, ret_profile, &reason);
    ck_assert_int_eq(status != 200, reason != NULL);
    return status;
}

START_TEST(requests)
{
    static const struct {
        MetadataRequest request;
        unsigned status;
    } CASES[] = {
        {{"GET", "/" SECRET, "localhost:7000", NULL, NULL, "1", "w"}, 200},
        {{"GET", "/" SECRET "/", "LOCALHOST:7000", NULL, NULL, "1", "w"}, 200},
        {{"GET", "/" SECRET, "evil.example:7000", NULL, NULL, "1", "w"}, 403},
        {{"GET", "/" SECRET, "127.0.0.1:7001", NULL, NULL, "1", "w"}, 403},
        {{"GET", "/" SECRET, "127.0.0.1", NULL, NULL, "1", "w"}, 403},
        {{"GET", "/" SECRET, NULL, NULL, NULL, "1", "w"}, 403},
        {{"GET", "/" SECRET, "localhost:7000", "https://evil.example", NULL, "1", "w"}, 403},
        {{"GET", "/" SECRET, "localhost:7000", "null", NULL, "1", "w"}, 403},
        {{"GET", "/" SECRET, "localhost:7000", NULL, "cross-site", "1", "w"}, 403},
        {{"GET", "/", "localhost:7000", NULL, NULL, "1", "w"}, 404},
        {{"GET", "", "localhost:7000", NULL, NULL, "1", "w"}, 404},
        {{"GET", "/0123456789abcdef0123456789abcde", "localhost:7000", NULL, NULL, "1", "w"}, 404},
        {{"GET", "/1123456789abcdef0123456789abcdef", "localhost:7000", NULL, NULL, "1", "w"}, 404},
        {{"GET", "/" SECRET "x", "localhost:7000", NULL, NULL, "1", "w"}, 404},
        {{"POST", "/" SECRET, "localhost:7000", NULL, NULL, "1", "w"}, 405},
        {{"GET", "/" SECRET, "localhost:7000", NULL, NULL, NULL, "w"}, 400},
        {{"GET", "/" SECRET, "localhost:7000", NULL, NULL, "2", "w"}, 400},
        {{"GET", "/" SECRET, "localhost:7000", NULL, NULL, "1", NULL}, 400},
        {{"GET", "/" SECRET, "localhost:7000", NULL, NULL, "1", ""}, 400},
    };
    const char *profile;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        ck_assert_uint_eq(check(&CASES[i].request, &profile), CASES[i].status);
    MetadataRequest named = GOOD;
    ck_assert_uint_eq(check(&GOOD, &profile), 200);
    ck_assert_ptr_null(profile);
    named.path = "/" SECRET "/dev";
    ck_assert_uint_eq(check(&named, &profile), 200);
    ck_assert_str_eq(profile, "dev");
}
END_TEST

START_TEST(workspaces)
{
    static const struct {
        const char *workspace;
        bool is_it;
    } CASES[] = {
        {"https://w.example", true},
        {"https://w.example/", true},
        {"w.example", true},
        {"HTTPS://W.Example:443/", true},
        {"https://w.example?o=1", true},
        {"https://w.example:444", false},
        {"http://w.example", false},
        {"https://w.example.evil", false},
        {"https://evil/w.example", false},
        {"https://", false},
        {"", false},
        {"https://w.example:x", false},
        {"https://[", false},
    };
    ProfileSettings profile = {.host = (char[]){"w.example"}, .port = 443};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        ck_assert_msg(metadata_request_is_for(CASES[i].workspace, &profile) == CASES[i].is_it, "%s",
                      CASES[i].workspace);
}
END_TEST

/* ---- mints */

static struct {
    MintDone done; /* NULL: none is under way */
    void *context;
} mint;

Mint *mint_start(const MintContext *context, AuthType type, MintDone done, void *done_context)
{
    (void)context;
    (void)type;
    ck_assert(mint.done == NULL);
    mint.done = done;
    mint.context = done_context;
    return (Mint *)&mint;
}

void mint_cancel(Mint *cancelled)
{
    ck_assert_ptr_eq(cancelled, &mint);
    mint.done = NULL;
}

void token_deinit(Token *token)
{
    secret_free(token->access);
    *token = (Token)TOKEN_NULL;
}

static void end_mint(MintResult result, const char *token, const char *sentence)
{
    MintDone done = mint.done;
    MintOutcome outcome = {
        .result = result,
        .token = {.access = token ? secret_new(token, strlen(token)) : NULL, .lives_ms = 3600 * 1000},
        .sentence = sentence};
    mint.done = NULL;
    done(mint.context, &outcome);
    token_deinit(&outcome.token);
}

/* ---- fixture: a relay of three profiles, two of them of one workspace */

static uv_loop_t loop;
static Log logger;
static Relay relay;
static Settings settings;
static ProfileSettings profiles[3];
static MetadataService *service;
static char path[METADATA_SECRET_SIZE + 1];
static uint16_t port;

static ProfileSettings profile_of(char *name, char *host)
{
    return (ProfileSettings){.name = name,
                             .host = host,
                             .port = 443,
                             .databricks = true,
                             .connections = 1,
                             .max_connections = 1,
                             .connect_timeout_ms = 1000,
                             .auth = {.chain = {AUTH_OAUTH_M2M}, .n_chain = 1}};
}

static void set_up(void)
{
    static char one[] = "one", two[] = "two", other[] = "other", w[] = "w.example", v[] = "v.example";
    memset(&mint, 0, sizeof mint);
    logger = (Log){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .level = LOG_LEVEL_DEBUG};
    profiles[0] = profile_of(one, w);
    profiles[1] = profile_of(two, w);
    profiles[2] = profile_of(other, v);
    profiles[2].auth.chain[0] = AUTH_PAT;
    profiles[2].auth.token = secret_new("p\"\\t", 4);
    settings = (Settings){.n_references = 1,
                          .profiles = profiles,
                          .n_profiles = 3,
                          .default_profile = two,
                          .stream_window = 65536,
                          .buffer_limit = 1 << 20,
                          .header_limit = 16384,
                          .max_sessions = 1,
                          .max_calls_per_connection = 1};
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(relay_init(&relay, &loop, &settings, &logger), 0);
    service = metadata_service_new(&relay, "127.0.0.1:0");
    ck_assert_ptr_nonnull(service);
    unsigned number;
    ck_assert_int_eq(sscanf(metadata_service_url(service), "http://127.0.0.1:%u%33s", &number, path), 2);
    ck_assert_uint_eq(strlen(path), 33);
    port = (uint16_t)number;
}

static void tear_down(void)
{
    service = metadata_service_close(service);
    relay_close(&relay);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    relay_deinit(&relay);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    secret_free(profiles[2].auth.token);
    (void)close(logger.fd);
}

/* ---- a client on the same loop */

static int ask(const char *target, const char *more_headers)
{
    char request[512];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\n"
                          "X-Databricks-Metadata-Version: 1\r\n%s\r\n",
                          target, port, more_headers);
    ck_assert_int_eq(write(fd, request, (size_t)length), length);
    return fd;
}

typedef struct Answer {
    uv_poll_t poll;
    int fd;
    char bytes[4096];
    size_t length;
    bool is_over;
} Answer;

static void on_answer(uv_poll_t *poll, int status, int events)
{
    Answer *answer = container_of(poll, Answer, poll);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(events, UV_READABLE);
    ssize_t n =
        recv(answer->fd, answer->bytes + answer->length, sizeof answer->bytes - 1 - answer->length, 0);
    ck_assert_int_ge(n, 0);
    answer->length += (size_t)n;
    answer->is_over = n == 0;
}

/* What comes until the server closes. */
static const char *answer(int fd)
{
    static Answer answer;
    answer = (Answer){.fd = fd};
    ck_assert_int_eq(uv_poll_init(&loop, &answer.poll, fd), 0);
    ck_assert_int_eq(uv_poll_start(&answer.poll, UV_READABLE, on_answer), 0);
    while (!answer.is_over)
        (void)uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&answer.poll, NULL);
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* lets the closed handle go */
    (void)close(fd);
    return answer.bytes;
}

static void expect_answer(const char *text, const char *status, const char *part)
{
    ck_assert_msg(strncmp(text, status, strlen(status)) == 0, "%s: %s", status, text);
    ck_assert_msg(strstr(text, part) != NULL, "%s is not in: %s", part, text);
}

static void run_until_minting(void)
{
    while (!mint.done)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

START_TEST(waits_for_the_token_of_the_default_profile)
{
    int first = ask(path, "X-Databricks-Host: https://w.example\r\n");
    int second = ask(path, "X-Databricks-Host: https://w.example\r\n");
    run_until_minting();
    ck_assert_ptr_null(destinations_find(&relay.destinations, "one")->upstream);
    for (int i = 0; i < 20; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT); /* the second one waits as well */
    end_mint(MINT_OK, "t0ken", NULL);
    expect_answer(answer(first), "HTTP/1.1 200 ",
                  "\r\n\r\n{\"access_token\":\"t0ken\",\"token_type\":\"Bearer\",\"expires_on\":");
    expect_answer(answer(second), "HTTP/1.1 200 ", "t0ken");
    expect_answer(answer(ask(path, "X-Databricks-Host: w.example\r\n")), "HTTP/1.1 200 ", "t0ken");
    ck_assert_ptr_null((void *)(uintptr_t)mint.done);
}
END_TEST

START_TEST(a_failure_is_told)
{
    int fd = ask(path, "X-Databricks-Host: https://w.example\r\n");
    run_until_minting();
    end_mint(MINT_LOGIN_NEEDED, NULL, "profile two: run databricks auth login");
    expect_answer(answer(fd), "HTTP/1.1 503 ", "databricks auth login");
}
END_TEST

START_TEST(a_profile_by_name)
{
    char target[64];
    (void)snprintf(target, sizeof target, "%s/one", path);
    int fd = ask(target, "X-Databricks-Host: https://w.example\r\n");
    run_until_minting();
    ck_assert_ptr_nonnull(destinations_find(&relay.destinations, "one")->upstream);
    end_mint(MINT_OK, "t1", NULL);
    expect_answer(answer(fd), "HTTP/1.1 200 ", "\"t1\"");
    expect_answer(answer(ask(target, "X-Databricks-Host: https://v.example\r\n")), "HTTP/1.1 404 ",
                  "has this host");
}
END_TEST

START_TEST(others_get_nothing)
{
    expect_answer(answer(ask(path, "X-Databricks-Host: https://x.example\r\n")), "HTTP/1.1 404 ", "host");
    expect_answer(answer(ask("/", "X-Databricks-Host: https://v.example\r\n")), "HTTP/1.1 404 ", "page");
    expect_answer(answer(ask(path, "Origin: http://localhost\r\nX-Databricks-Host: https://v.example\r\n")),
                  "HTTP/1.1 403 ", "browsers");
    expect_answer(answer(ask(path, "")), "HTTP/1.1 400 ", "X-Databricks-Host");
}
END_TEST

START_TEST(a_token_with_quotes_is_still_json)
{
    expect_answer(answer(ask(path, "X-Databricks-Host: https://v.example\r\n")), "HTTP/1.1 200 ",
                  "{\"access_token\":\"p\\\"\\\\t\",");
}
END_TEST

START_TEST(closes_while_somebody_waits)
{
    int fd = ask(path, "X-Databricks-Host: https://w.example\r\n");
    run_until_minting();
    service = metadata_service_close(service);
    (void)close(fd);
}
END_TEST

START_TEST(a_taken_port_is_said)
{
    char address[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    ck_assert_ptr_null(metadata_service_new(&relay, address));
    ck_assert_ptr_null(metadata_service_url(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metadata_service");
    TCase *pure = tcase_create("requests"), *tests = tcase_create("service");
    tcase_add_test(pure, requests);
    tcase_add_test(pure, workspaces);
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, waits_for_the_token_of_the_default_profile);
    tcase_add_test(tests, a_failure_is_told);
    tcase_add_test(tests, a_profile_by_name);
    tcase_add_test(tests, others_get_nothing);
    tcase_add_test(tests, a_token_with_quotes_is_still_json);
    tcase_add_test(tests, closes_while_somebody_waits);
    tcase_add_test(tests, a_taken_port_is_said);
    suite_add_tcase(suite, pure);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
