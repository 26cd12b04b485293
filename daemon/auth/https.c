#include "auth/https.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "auth/libcurl.h"
#include "base/list.h"
#include "base/text.h"

#define MAX_IDLE_CONNECTIONS 4L
/* Idle connections are closed, and what libcurl shares between requests is given back, after this. */
#define REST_MS 60000

struct Https {
    uv_loop_t *loop;
    const Libcurl *curl; /* NULL: not loaded yet */
    uv_work_t loading;   /* by a thread of the pool, as it takes some ten ms */
    bool is_loading;
    const Libcurl *loaded; /* what came of it; the thread's until on_loaded() */
    Text problem;          /* likewise */
    CURLM *multi;          /* NULL: nothing has been asked for a while */
    uv_timer_t curl_timer;
    uv_timer_t failed_timer; /* tells those that failed at once, by a later event */
    uv_timer_t rest_timer;
    List exchanges; /* under way; those that have failed already among them */
    bool is_closing;
    unsigned n_open; /* timers, and the thread that loads */
};

/* One of the list of headers, libcurl's type first; made here so that it can be wiped. */
typedef struct HeaderNode {
    struct curl_slist slist;
    size_t size;
    char bytes[];
} HeaderNode;

struct HttpsExchange {
    ListLink link;
    Https *https;
    HttpsDone done;
    void *context;
    HttpsRequest *waiting; /* a copy, until libcurl is loaded */
    CURL *easy;            /* NULL: it waits, or has failed already */
    CURLU *url;
    struct curl_slist *headers;
    Secret *body_sent;
    char *host; /* of the URL, for messages */
    char error[CURL_ERROR_SIZE];
    Text failure; /* set: it is over */
    char *body;
    size_t length, capacity;
    bool is_too_long;
    int64_t date_s;
};

/* A socket of libcurl's that the loop watches. */
typedef struct Watch {
    uv_poll_t poll;
    Https *https;
    curl_socket_t socket;
} Watch;

/* --- the loop's side --- */

static void exchange_free(HttpsExchange *exchange);
static void collect_ended(Https *https);

static void act(Https *https, curl_socket_t socket, int events)
{
    int n_running;
    if (!https->multi)
        return;
    (void)https->curl->multi_socket_action(https->multi, socket, events, &n_running);
    collect_ended(https);
}

static void on_curl_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    Watch *watch = container_of(poll, Watch, poll);
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    act(watch->https, watch->socket, flags);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, Watch, poll));
}

static Watch *watch_new(Https *https, curl_socket_t socket)
{
    Watch *watch = mem_new(Watch);
    watch->https = https;
    watch->socket = socket;
    if (uv_poll_init(https->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    (void)https->curl->multi_assign(https->multi, socket, watch);
    return watch;
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
    (void)easy;
    Https *https = context;
    Watch *watch = socket_context;
    if (what == CURL_POLL_REMOVE) {
        if (!watch)
            return 0;
        (void)https->curl->multi_assign(https->multi, socket, NULL);
        (void)uv_poll_stop(&watch->poll);
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        return 0;
    }
    if (!watch && !(watch = watch_new(https, socket)))
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_socket) == 0 ? 0 : -1;
}

static int on_curl_timeout(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    Https *https = context;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&https->curl_timer);
    else
        (void)uv_timer_start(&https->curl_timer, on_curl_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void multi_end(Https *https)
{
    if (https->multi)
        (void)https->curl->multi_cleanup(https->multi);
    https->multi = NULL;
    (void)uv_timer_stop(&https->curl_timer);
}

static void on_rested(uv_timer_t *timer)
{
    multi_end(timer->data);
}

static bool multi_begin(Https *https, Text *reason)
{
    (void)uv_timer_stop(&https->rest_timer);
    if (https->multi)
        return true;
    const Libcurl *curl = https->curl;
    CURLM *multi = https->multi = curl->multi_init();
    if (!multi) {
        text_append(reason, "libcurl does not start");
        return false;
    }
    (void)curl->multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void)curl->multi_setopt(multi, CURLMOPT_SOCKETDATA, https);
    (void)curl->multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
    (void)curl->multi_setopt(multi, CURLMOPT_TIMERDATA, https);
    (void)curl->multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
    return true;
}

/* --- what comes in --- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    HttpsExchange *exchange = context;
    size_t length = size * count, needed = exchange->length + length + 1;
    if (needed - 1 > HTTPS_ANSWER_LIMIT) {
        exchange->is_too_long = true;
        return 0;
    }
    if (needed > exchange->capacity) {
        size_t capacity = needed < 4096 ? 4096 : needed * 2;
        char *body = mem_alloc(capacity);
        if (exchange->body) {
            memcpy(body, exchange->body, exchange->length);
            secret_wipe(exchange->body, exchange->capacity);
            free(exchange->body);
        }
        exchange->body = body;
        exchange->capacity = capacity;
    }
    memcpy(exchange->body + exchange->length, bytes, length);
    exchange->length += length;
    exchange->body[exchange->length] = '\0';
    return length;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    static const char DATE[] = "date:";
    HttpsExchange *exchange = context;
    size_t length = size * count;
    if (length > sizeof DATE - 1 && strncasecmp(bytes, DATE, sizeof DATE - 1) == 0) {
        _cleanup_(mem_freep) char *date =
            mem_copy_bytes_as_string(bytes + sizeof DATE - 1, length - (sizeof DATE - 1));
        time_t seconds = exchange->https->curl->getdate(date, NULL);
        exchange->date_s = seconds > 0 ? seconds : 0;
    }
    return length;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    /* Helper programs must not inherit it. */
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* --- its end --- */

/* libcurl's own words, which name hosts and reasons but nothing that was sent. */
static void describe_failure(const HttpsExchange *exchange, CURLcode code, Text *text)
{
    const char *host = exchange->host;
    const char *detail = exchange->error[0] ? exchange->error : exchange->https->curl->easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: text_printf(text, "cannot resolve %s", host); break;
    case CURLE_COULDNT_RESOLVE_PROXY: text_printf(text, "cannot resolve the proxy for %s", host); break;
    case CURLE_COULDNT_CONNECT: text_printf(text, "cannot connect to %s (%s)", host, detail); break;
    case CURLE_OPERATION_TIMEDOUT: text_printf(text, "no answer from %s in time (%s)", host, detail); break;
    case CURLE_PEER_FAILED_VERIFICATION:
        text_printf(text, "the certificate of %s is not trusted (%s)", host, detail);
        break;
    case CURLE_SSL_CONNECT_ERROR: text_printf(text, "no TLS with %s (%s)", host, detail); break;
    case CURLE_SSL_CACERT_BADFILE: text_printf(text, "cannot read the CA certificates (%s)", detail); break;
    case CURLE_GOT_NOTHING: text_printf(text, "%s closed the connection without an answer", host); break;
    default: text_printf(text, "the request to %s failed (%s)", host, detail); break;
    }
}

static void response_fill(HttpsExchange *exchange, HttpsResponse *response)
{
    const Libcurl *curl = exchange->https->curl;
    long status = 0;
    char *location = NULL;
    *response = (HttpsResponse){.body = "", .date_s = exchange->date_s};
    if (exchange->failure.length > 0) {
        response->failure = text_string(&exchange->failure);
        return;
    }
    (void)curl->easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl->easy_getinfo(exchange->easy, CURLINFO_REDIRECT_URL, &location);
    response->status = (unsigned)status;
    response->location = location;
    if (exchange->body) {
        response->body = exchange->body;
        response->length = exchange->length;
    }
}

/* Takes it out of libcurl and of the list; whoever waits is told by the caller. */
static void exchange_detach(HttpsExchange *exchange)
{
    Https *https = exchange->https;
    if (exchange->easy)
        (void)https->curl->multi_remove_handle(https->multi, exchange->easy);
    list_remove(&https->exchanges, &exchange->link);
    if (list_is_empty(&https->exchanges) && https->multi && !https->is_closing)
        (void)uv_timer_start(&https->rest_timer, on_rested, REST_MS, 0);
}

static void exchange_finish(HttpsExchange *exchange)
{
    HttpsResponse response;
    exchange_detach(exchange);
    response_fill(exchange, &response);
    exchange->done(exchange->context, &response);
    exchange_free(exchange);
}

static void exchange_end(HttpsExchange *exchange, CURLcode code)
{
    if (exchange->is_too_long)
        text_printf(&exchange->failure, "the answer of %s is longer than %d KiB", exchange->host,
                    HTTPS_ANSWER_LIMIT / 1024);
    else if (code != CURLE_OK)
        describe_failure(exchange, code, &exchange->failure);
    exchange_finish(exchange);
}

static void collect_ended(Https *https)
{
    int n_left;
    CURLMsg *message;
    while (https->multi && (message = https->curl->multi_info_read(https->multi, &n_left))) {
        char *exchange = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        (void)https->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        exchange_end((HttpsExchange *)(void *)exchange, code);
    }
}

static HttpsExchange *find_failed(Https *https)
{
    list_for_each(link, &https->exchanges)
    {
        HttpsExchange *exchange = container_of(link, HttpsExchange, link);
        if (exchange->failure.length > 0)
            return exchange;
    }
    return NULL;
}

static void on_failed(uv_timer_t *timer)
{
    Https *https = timer->data;
    HttpsExchange *exchange;
    while ((exchange = find_failed(https)))
        exchange_finish(exchange);
}

/* --- requests that wait for libcurl --- */

static char *copy_or_null(const char *string)
{
    return string ? mem_copy_string(string) : NULL;
}

static HttpsRequest *request_copy(const HttpsRequest *request)
{
    HttpsRequest *copy = mem_new(HttpsRequest);
    size_t n_headers = 0;
    while (request->headers && request->headers[n_headers])
        n_headers++;
    char **headers = mem_alloc_zeroed(n_headers + 1, sizeof *headers);
    for (size_t i = 0; i < n_headers; i++)
        headers[i] = mem_copy_string(request->headers[i]);
    *copy = (HttpsRequest){
        .method = mem_copy_string(request->method),
        .url = mem_copy_string(request->url),
        .headers = (const char *const *)headers,
        .authorization = request->authorization ? secret_copy(request->authorization) : NULL,
        .body = request->body ? secret_copy(request->body) : NULL,
        .content_type = copy_or_null(request->content_type),
        .ca_file = copy_or_null(request->ca_file),
        .proxy = copy_or_null(request->proxy),
        .timeout_ms = request->timeout_ms,
    };
    return copy;
}

/* What the contract lends out as const was made by request_copy(). */
#define OWNED(pointer) ((void *)(uintptr_t)(pointer))

static void request_free(HttpsRequest *request)
{
    for (size_t i = 0; request->headers[i]; i++)
        free(OWNED(request->headers[i]));
    free(OWNED(request->headers));
    free(OWNED(request->method));
    free(OWNED(request->url));
    free(OWNED(request->content_type));
    free(OWNED(request->ca_file));
    free(OWNED(request->proxy));
    secret_free(OWNED(request->authorization));
    secret_free(OWNED(request->body));
    free(request);
}

static void free_headers(struct curl_slist *list)
{
    while (list) {
        HeaderNode *node = container_of(list, HeaderNode, slist);
        list = list->next;
        secret_wipe(node->bytes, node->size);
        free(node);
    }
}

static void exchange_free(HttpsExchange *exchange)
{
    const Libcurl *curl = exchange->https->curl;
    if (exchange->waiting)
        request_free(exchange->waiting);
    if (exchange->easy)
        curl->easy_cleanup(exchange->easy);
    if (exchange->url)
        curl->url_cleanup(exchange->url);
    free_headers(exchange->headers);
    secret_free(exchange->body_sent);
    if (exchange->body)
        secret_wipe(exchange->body, exchange->capacity);
    free(exchange->body);
    free(exchange->host);
    text_deinit(&exchange->failure);
    free(exchange);
}

/* --- its beginning --- */

static bool is_near_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, bytes) == 1)
        return bytes[0] == 127 || (bytes[0] == 169 && bytes[1] == 254);
    size_t length = strlen(host);
    if (length < 2 || host[0] != '[')
        return false;
    _cleanup_(mem_freep) char *inner = mem_copy_bytes_as_string(host + 1, length - 2);
    if (inet_pton(AF_INET6, inner, bytes) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK((struct in6_addr *)(void *)bytes) ||
           (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

/* False, with a failure set. */
static bool set_url(HttpsExchange *exchange, const char *url, bool *ret_is_plain)
{
    const Libcurl *curl = exchange->https->curl;
    char *scheme = NULL, *host = NULL;
    exchange->url = curl->url();
    CURLUcode code = curl->url_set(exchange->url, CURLUPART_URL, url, CURLU_DISALLOW_USER);
    if (code == CURLUE_OK)
        code = curl->url_get(exchange->url, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl->url_get(exchange->url, CURLUPART_HOST, &host, 0);
    if (code != CURLUE_OK)
        text_append(&exchange->failure, "the URL to ask is not one");
    exchange->host = mem_copy_string(host ? host : "");
    *ret_is_plain = scheme && strcasecmp(scheme, "http") == 0;
    if (scheme && !*ret_is_plain && strcasecmp(scheme, "https") != 0)
        text_printf(&exchange->failure, "%s is to be asked by https, not %s", exchange->host, scheme);
    if (*ret_is_plain && !is_near_address(exchange->host))
        text_printf(
            &exchange->failure,
            "%s is to be asked by http, without encryption, which is only for addresses of this machine",
            exchange->host);
    curl->free_string(scheme);
    curl->free_string(host);
    return exchange->failure.length == 0;
}

static struct curl_slist **add_header(struct curl_slist **end, const char *name, const char *value,
                                      size_t value_length)
{
    size_t name_length = strlen(name), size = name_length + value_length + 1;
    HeaderNode *node = mem_alloc(sizeof(HeaderNode) + size);
    memcpy(node->bytes, name, name_length);
    memcpy(node->bytes + name_length, value, value_length);
    node->bytes[size - 1] = '\0';
    node->size = size;
    node->slist = (struct curl_slist){node->bytes, NULL};
    *end = &node->slist;
    return &node->slist.next;
}

static void set_headers(HttpsExchange *exchange, const HttpsRequest *request)
{
    struct curl_slist **end = &exchange->headers;
    end = add_header(end, "Expect:", "", 0); /* no waiting for a 100 before the body */
    for (size_t i = 0; request->headers && request->headers[i]; i++)
        end = add_header(end, request->headers[i], "", 0);
    if (request->authorization)
        end = add_header(end, "Authorization: ", secret_reveal(request->authorization),
                         secret_length(request->authorization));
    if (request->body && request->content_type)
        end = add_header(end, "Content-Type: ", request->content_type, strlen(request->content_type));
    (void)exchange->https->curl->easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
}

static void set_body(HttpsExchange *exchange, const HttpsRequest *request)
{
    __typeof__(curl_easy_setopt) *set = exchange->https->curl->easy_setopt;
    if (request->body || strcmp(request->method, "POST") == 0) {
        exchange->body_sent = request->body
                                  ? secret_new(secret_reveal(request->body), secret_length(request->body))
                                  : secret_new("", 0);
        (void)set(exchange->easy, CURLOPT_POST, 1L);
        (void)set(exchange->easy, CURLOPT_POSTFIELDS, secret_reveal(exchange->body_sent));
        (void)set(exchange->easy, CURLOPT_POSTFIELDSIZE, (long)secret_length(exchange->body_sent));
    }
    (void)set(exchange->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* What is trusted, and by which way it goes. */
static void set_route(HttpsExchange *exchange, const HttpsRequest *request, bool is_plain)
{
    __typeof__(curl_easy_setopt) *set = exchange->https->curl->easy_setopt;
    /* OpenSSL heeds this for the calls themselves; libcurl leaves it to its callers. */
    const char *ca_file = request->ca_file ? request->ca_file : getenv("SSL_CERT_FILE");
    (void)set(exchange->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)set(exchange->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)set(exchange->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (ca_file && *ca_file)
        (void)set(exchange->easy, CURLOPT_CAINFO, ca_file);
    else
        (void)exchange->https->curl->easy_getinfo(exchange->easy, CURLINFO_CAINFO, &ca_file);
    /* The system's roots are in a file and in a folder. With the file alone libcurl keeps what it has read,
     * which takes long enough to hold up the loop, instead of reading it for each connection. */
    if (ca_file && *ca_file)
        (void)set(exchange->easy, CURLOPT_CAPATH, NULL);
    if (is_plain) {
        (void)set(exchange->easy, CURLOPT_PROXY, ""); /* it stays on this machine */
    } else if (request->proxy) {
        (void)set(exchange->easy, CURLOPT_PROXY, request->proxy);
        (void)set(exchange->easy, CURLOPT_NOPROXY, ""); /* no_proxy belongs to the environment's proxy */
    }
}

static void set_options(HttpsExchange *exchange, const HttpsRequest *request)
{
    __typeof__(curl_easy_setopt) *set = exchange->https->curl->easy_setopt;
    CURL *easy = exchange->easy;
    long timeout_ms = request->timeout_ms < 1           ? 1
                      : request->timeout_ms > INT32_MAX ? INT32_MAX
                                                        : (long)request->timeout_ms;
    (void)set(easy, CURLOPT_PRIVATE, (char *)exchange);
    (void)set(easy, CURLOPT_CURLU, exchange->url);
    (void)set(easy, CURLOPT_ERRORBUFFER, exchange->error);
    (void)set(easy, CURLOPT_NOSIGNAL, 1L);
    (void)set(easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver thread, it may take minutes */
    (void)set(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)set(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)set(easy, CURLOPT_USERAGENT, "sparkbouncer/" SPARKBOUNCER_VERSION);
    (void)set(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)set(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)set(easy, CURLOPT_WRITEDATA, exchange);
    (void)set(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)set(easy, CURLOPT_HEADERDATA, exchange);
}

/* False, with a failure set. */
static bool exchange_begin(HttpsExchange *exchange, const HttpsRequest *request)
{
    Https *https = exchange->https;
    bool is_plain;
    if (!multi_begin(https, &exchange->failure) || !set_url(exchange, request->url, &is_plain))
        return false;
    CURL *easy = https->curl->easy_init();
    if (!easy) {
        text_append(&exchange->failure, "libcurl has no memory");
        return false;
    }
    exchange->easy = easy;
    set_options(exchange, request);
    set_route(exchange, request, is_plain);
    set_headers(exchange, request);
    set_body(exchange, request);
    CURLMcode code = https->curl->multi_add_handle(https->multi, easy);
    if (code == CURLM_OK)
        return true;
    text_append(&exchange->failure, "libcurl refuses the request");
    https->curl->easy_cleanup(easy);
    exchange->easy = NULL;
    return false;
}

/* --- loading libcurl --- */

static void https_release(Https *https)
{
    if (--https->n_open > 0)
        return;
    text_deinit(&https->problem);
    free(https);
}

static HttpsExchange *find_waiting(Https *https)
{
    list_for_each(link, &https->exchanges)
    {
        HttpsExchange *exchange = container_of(link, HttpsExchange, link);
        if (exchange->waiting)
            return exchange;
    }
    return NULL;
}

static void load(uv_work_t *work)
{
    Https *https = container_of(work, Https, loading);
    https->loaded = libcurl_load(&https->problem);
}

static void on_loaded(uv_work_t *work, int status)
{
    (void)status;
    Https *https = container_of(work, Https, loading);
    HttpsExchange *exchange;
    https->is_loading = false;
    https->curl = https->loaded;
    while ((exchange = find_waiting(https))) {
        HttpsRequest *request = steal(exchange->waiting);
        if (!https->curl)
            text_append(&exchange->failure, text_string(&https->problem));
        else
            (void)exchange_begin(exchange, request);
        request_free(request);
    }
    if (!https->is_closing)
        on_failed(&https->failed_timer);
    text_clear(&https->problem);
    https_release(https);
}

static void wait_for_library(Https *https)
{
    if (https->is_loading)
        return;
    https->is_loading = true;
    https->n_open++;
    (void)uv_queue_work(https->loop, &https->loading, load, on_loaded);
}

HttpsExchange *https_send(Https *https, const HttpsRequest *request, HttpsDone done, void *context)
{
    HttpsExchange *exchange = mem_new(HttpsExchange);
    exchange->https = https;
    exchange->done = done;
    exchange->context = context;
    list_link_init(&exchange->link);
    list_append(&https->exchanges, &exchange->link);
    if (!https->curl) {
        exchange->waiting = request_copy(request);
        wait_for_library(https);
    } else if (!exchange_begin(exchange, request)) {
        (void)uv_timer_start(&https->failed_timer, on_failed, 0, 0);
    }
    return exchange;
}

void https_cancel(HttpsExchange *exchange)
{
    exchange_detach(exchange);
    exchange_free(exchange);
}

/* --- Https --- */

static void timer_init(Https *https, uv_timer_t *timer)
{
    (void)uv_timer_init(https->loop, timer);
    timer->data = https;
    https->n_open++;
}

Https *https_new(uv_loop_t *loop)
{
    Https *https = mem_new(Https);
    https->loop = loop;
    list_init(&https->exchanges);
    timer_init(https, &https->curl_timer);
    timer_init(https, &https->failed_timer);
    timer_init(https, &https->rest_timer);
    /* It alone never keeps the loop running. */
    uv_unref((uv_handle_t *)&https->rest_timer);
    return https;
}

static void on_timer_closed(uv_handle_t *handle)
{
    https_release(handle->data);
}

Https *https_close(Https *https)
{
    if (!https)
        return NULL;
    https->is_closing = true;
    multi_end(https);
    uv_close((uv_handle_t *)&https->curl_timer, on_timer_closed);
    uv_close((uv_handle_t *)&https->failed_timer, on_timer_closed);
    uv_close((uv_handle_t *)&https->rest_timer, on_timer_closed);
    return NULL;
}
