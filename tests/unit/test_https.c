/* Https: what goes out, what comes back, and every way in which nothing does. */

#include "http_server.h"

#include "auth/https.h"
#include "base/clock.h"

static Https *https;

/* What the callback was given. */
static struct {
    unsigned n_done;
    unsigned status;
    bool has_failed;
    Text failure, body, location;
    int64_t date_s;
} got;

static void on_done(void *context, const HttpsResponse *response)
{
    ck_assert_ptr_eq(context, &got);
    uv_stop(&loop);
    got.n_done++;
    got.status = response->status;
    got.has_failed = response->failure != NULL;
    got.date_s = response->date_s;
    text_clear(&got.failure);
    text_clear(&got.body);
    text_clear(&got.location);
    text_append(&got.failure, response->failure ? response->failure : "");
    text_append_bytes(&got.body, response->body, response->length);
    text_append(&got.location, response->location ? response->location : "");
    ck_assert_uint_eq(strlen(response->body), response->length);
}

static void set_up(void)
{
    /* No proxy of the shell stands between. */
    static const char *const VARIABLES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY",    "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++)
        ck_assert_int_eq(unsetenv(VARIABLES[i]), 0);
    http_server_start();
    https = https_new(&loop);
}

static void tear_down(void)
{
    https = https_close(https);
    http_server_stop();
    text_deinit(&got.failure);
    text_deinit(&got.body);
    text_deinit(&got.location);
}

/* `url` with the port in the place of an @. */
static HttpsExchange *send_to(const char *url, unsigned port, HttpsRequest request)
{
    char whole[256];
    const char *place = strchr(url, '@');
    if (place && port)
        (void)snprintf(whole, sizeof whole, "%.*s%u%s", (int)(place - url), url, port, place + 1);
    else
        (void)snprintf(whole, sizeof whole, "%s", url);
    request.url = whole;
    request.method = request.method ? request.method : "GET";
    request.timeout_ms = request.timeout_ms ? request.timeout_ms : 20000;
    return https_send(https, &request, on_done, &got);
}

#define SECURE "https://127.0.0.1:@/path?query=1"
#define PLAIN  "http://127.0.0.1:@/path?query=1"

static void exchange(const char *url, unsigned port, HttpsRequest request)
{
    unsigned before = got.n_done;
    (void)send_to(url, port, request);
    ck_assert_uint_eq(got.n_done, before); /* never at once */
    run_until(got.n_done > before);
    ck_assert_uint_eq(got.n_done, before + 1);
}

static void expect_failure(const char *part)
{
    ck_assert(got.has_failed);
    ck_assert_uint_eq(got.status, 0);
    ck_assert_msg(strstr(text_string(&got.failure), part), "\"%s\" is not in: %s", part,
                  text_string(&got.failure));
}

static bool was_asked(size_t index, const char *part)
{
    return strstr(text_string(&asked[index]), part) != NULL;
}

START_TEST(test_get)
{
    script_add("200 OK", "Date: Wed, 25 Nov 2026 16:00:00 GMT\r\n", "{\"a\":1}");
    const char *headers[] = {"X-One: 1", "X-Two: 2", NULL};
    exchange(SECURE, tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file, .headers = headers});
    ck_assert_str_eq(text_string(&got.failure), "");
    ck_assert_uint_eq(got.status, 200);
    ck_assert_str_eq(text_string(&got.body), "{\"a\":1}");
    ck_assert_int_eq(got.date_s, 1795622400);
    ck_assert(was_asked(0, "GET /path?query=1 HTTP/1.1\r\n"));
    ck_assert(was_asked(0, "\r\nX-One: 1\r\n") && was_asked(0, "\r\nX-Two: 2\r\n"));
    ck_assert(was_asked(0, "\r\nUser-Agent: sparkbouncer/"));
    ck_assert(!was_asked(0, "Authorization") && !was_asked(0, "Content-Type"));
}
END_TEST

START_TEST(test_post)
{
    Secret *authorization = secret_new("Basic eHl6", 10), *body = secret_new("a=b&c=d", 7);
    script_add("400 Bad Request", NULL, "no");
    exchange(SECURE, tls_port(),
             (HttpsRequest){.ca_file = tls_end.ca_file,
                            .method = "POST",
                            .authorization = authorization,
                            .body = body,
                            .content_type = "application/x-www-form-urlencoded"});
    ck_assert_uint_eq(got.status, 400);
    ck_assert_str_eq(text_string(&got.body), "no");
    ck_assert_int_eq(got.date_s, 0);
    ck_assert(was_asked(0, "POST /path") && was_asked(0, "\r\nAuthorization: Basic eHl6\r\n"));
    ck_assert(was_asked(0, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    ck_assert(was_asked(0, "\r\n\r\na=b&c=d") && !was_asked(0, "Expect"));
    secret_free(authorization);
    secret_free(body);
}
END_TEST

START_TEST(test_post_without_body)
{
    script_add("200 OK", NULL, NULL);
    exchange(PLAIN, plain_port(), (HttpsRequest){.method = "POST"});
    ck_assert_uint_eq(got.status, 200);
    ck_assert(was_asked(0, "\r\nContent-Length: 0\r\n"));
}
END_TEST

START_TEST(test_redirect_is_not_followed)
{
    script_add("302 Found", "Location: https://login.example/tenant/oauth2\r\n", "");
    exchange(SECURE, tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file});
    ck_assert_uint_eq(got.status, 302);
    ck_assert_str_eq(text_string(&got.location), "https://login.example/tenant/oauth2");
    ck_assert_uint_eq(n_asked, 1);
}
END_TEST

START_TEST(test_netrc_is_not_read)
{
    char folder[] = "/tmp/test_https.XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/.netrc", folder);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("default login somebody password netrc-password\n", file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(setenv("HOME", folder, 1), 0);
    script_add("200 OK", NULL, "");
    exchange(PLAIN, plain_port(), (HttpsRequest){0});
    ck_assert_uint_eq(got.status, 200);
    ck_assert(!was_asked(0, "Authorization"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(test_untrusted)
{
    exchange(SECURE, tls_port(), (HttpsRequest){0});
    expect_failure("the certificate of 127.0.0.1 is not trusted");
    ck_assert_uint_eq(n_asked, 0);
    exchange(SECURE, tls_port(), (HttpsRequest){.ca_file = "/nonexistent/ca.pem"});
    expect_failure("cannot read the CA certificates");
}
END_TEST

START_TEST(test_wrong_name)
{
    exchange("https://127.0.0.2:@/", tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file});
    /* The listener is 127.0.0.1's alone. */
    expect_failure("cannot connect to 127.0.0.2");
    script_add("200 OK", NULL, "");
    exchange("https://localhost:@/", tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file});
    ck_assert_uint_eq(got.status, 200);
    char proxy[64];
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", plain_port());
    exchange("https://another.example/", 0, (HttpsRequest){.ca_file = tls_end.ca_file, .proxy = proxy});
    expect_failure("the certificate of another.example is not trusted");
}
END_TEST

START_TEST(test_plain_is_for_this_machine)
{
    static const char *const FAR[] = {"http://example.com/", "http://10.0.0.1/",
                                      "http://127.0.0.1.example.com/", "http://[2001:db8::1]/",
                                      "http://0.0.0.0/"};
    for (size_t i = 0; i < sizeof FAR / sizeof FAR[0]; i++) {
        exchange(FAR[i], 0, (HttpsRequest){0});
        expect_failure("only for addresses of this machine");
    }
    exchange("ftp://127.0.0.1/", 0, (HttpsRequest){0});
    expect_failure("by https, not ftp");
    exchange("no url at all", 0, (HttpsRequest){0});
    expect_failure("the URL to ask is not one");
    exchange("https://user:password@127.0.0.1/", 0, (HttpsRequest){0});
    expect_failure("the URL to ask is not one");
    ck_assert_ptr_null(strstr(text_string(&got.failure), "password"));
    exchange("http://[::1]:@/", 1, (HttpsRequest){0});
    expect_failure("cannot connect to [::1]");
}
END_TEST

START_TEST(test_no_such_host)
{
    exchange("https://no-such-host.invalid/", 0, (HttpsRequest){0});
    expect_failure("cannot resolve no-such-host.invalid");
}
END_TEST

START_TEST(test_too_long)
{
    char *body = mem_alloc(HTTPS_ANSWER_LIMIT + 2);
    memset(body, 'x', HTTPS_ANSWER_LIMIT + 1);
    body[HTTPS_ANSWER_LIMIT + 1] = '\0';
    script_add("200 OK", NULL, body);
    exchange(PLAIN, plain_port(), (HttpsRequest){0});
    expect_failure("longer than 256 KiB");
    ck_assert_uint_eq(got.body.length, 0);
    script_add("200 OK", NULL, body + 1);
    exchange(PLAIN, plain_port(), (HttpsRequest){0});
    ck_assert_uint_eq(got.body.length, HTTPS_ANSWER_LIMIT);
    free(body);
}
END_TEST

START_TEST(test_time_limit)
{
    script_add(NULL, NULL, NULL);
    exchange(SECURE, tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file, .timeout_ms = 300});
    expect_failure("no answer from 127.0.0.1 in time");
}
END_TEST

START_TEST(test_cancel)
{
    script_add(NULL, NULL, NULL);
    HttpsExchange *waiting = send_to(SECURE, tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file});
    run_until(n_asked == 1);
    https_cancel(waiting);
    https_cancel(send_to(SECURE, tls_port(), (HttpsRequest){.ca_file = tls_end.ca_file}));
    https_cancel(send_to("ftp://x/", 0, (HttpsRequest){0}));
    https_cancel(send_to("https://no-such-host.invalid/", 0, (HttpsRequest){0}));
    script_add("200 OK", NULL, "");
    exchange(PLAIN, plain_port(), (HttpsRequest){0});
    ck_assert_uint_eq(got.n_done, 1);
    ck_assert_uint_eq(got.status, 200);
}
END_TEST

/* While libcurl is being loaded. */
START_TEST(test_cancel_at_once)
{
    https_cancel(send_to(PLAIN, plain_port(), (HttpsRequest){0}));
    https_cancel(send_to("ftp://x/", 0, (HttpsRequest){0}));
}
END_TEST

/* Several at once end each by itself. */
START_TEST(test_many)
{
    for (size_t i = 0; i < 8; i++) {
        script_add("200 OK", NULL, "");
        (void)send_to(PLAIN, plain_port(), (HttpsRequest){0});
    }
    (void)send_to("ftp://x/", 0, (HttpsRequest){0});
    run_until(got.n_done == 9);
    ck_assert_uint_eq(n_asked, 8);
}
END_TEST

START_TEST(test_proxy)
{
    char proxy[64];
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", plain_port());
    HttpsRequest request = {.ca_file = tls_end.ca_file, .proxy = proxy};
    script_add("200 OK", NULL, "first");
    exchange("https://login.microsoftonline.com/tenant", 0, request);
    ck_assert_str_eq(text_string(&got.failure), "");
    ck_assert_str_eq(text_string(&got.body), "first");
    ck_assert_str_eq(text_string(&connected), "login.microsoftonline.com:443\n");

    /* The environment's, unless its no_proxy or the request says otherwise. */
    ck_assert_int_eq(setenv("https_proxy", proxy, 1), 0);
    request.proxy = NULL;
    script_add("200 OK", NULL, "second");
    exchange("https://login.microsoftonline.com/tenant", 0, request);
    ck_assert_uint_eq(n_connected, 2);
    request.proxy = "";
    script_add("200 OK", NULL, "third");
    exchange(SECURE, tls_port(), request);
    ck_assert_uint_eq(n_connected, 2);
    request.proxy = NULL;
    ck_assert_int_eq(setenv("no_proxy", "127.0.0.1", 1), 0);
    script_add("200 OK", NULL, "fourth");
    exchange(SECURE, tls_port(), request);
    ck_assert_uint_eq(n_connected, 2);
    ck_assert_str_eq(text_string(&got.body), "fourth");

    /* The profile's own does not heed no_proxy. */
    request.proxy = proxy;
    script_add("200 OK", NULL, "fifth");
    exchange(SECURE, tls_port(), request);
    ck_assert_uint_eq(n_connected, 3);

    /* What is on this machine never goes through one. */
    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    ck_assert_int_eq(setenv("no_proxy", "", 1), 0);
    script_add("200 OK", NULL, "sixth");
    exchange(PLAIN, plain_port(), (HttpsRequest){0});
    ck_assert_str_eq(text_string(&got.body), "sixth");
}
END_TEST

/* Closed with nothing asked, nothing is loaded; the memory of a daemon with static tokens stays as it is. */
START_TEST(test_nothing_is_loaded_before_it_is_needed)
{
    char line[512];
    bool is_loaded = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        is_loaded = is_loaded || strstr(line, "libcurl");
    ck_assert_int_eq(fclose(maps), 0);
    ck_assert(!is_loaded);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("https");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_get);
    tcase_add_test(tests, test_post);
    tcase_add_test(tests, test_post_without_body);
    tcase_add_test(tests, test_redirect_is_not_followed);
    tcase_add_test(tests, test_netrc_is_not_read);
    tcase_add_test(tests, test_untrusted);
    tcase_add_test(tests, test_wrong_name);
    tcase_add_test(tests, test_plain_is_for_this_machine);
    tcase_add_test(tests, test_no_such_host);
    tcase_add_test(tests, test_too_long);
    tcase_add_test(tests, test_time_limit);
    tcase_add_test(tests, test_cancel);
    tcase_add_test(tests, test_cancel_at_once);
    tcase_add_test(tests, test_many);
    tcase_add_test(tests, test_proxy);
    tcase_add_test(tests, test_nothing_is_loaded_before_it_is_needed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
