#pragma once

/*
 * A scripted HTTP server for one test, on the loop of what is tested: one answer after the other, each on a
 * connection of its own, and everything that was asked is noted. It is its own CONNECT proxy to a TLS server
 * in front of itself, so that requests to any host end here.
 */

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/mem.h"
#include "base/text.h"
#include "tls_server.h"

#define MAX_ANSWERS 16

typedef struct Answer {
    const char *status;  /* "200 OK"; NULL: none, the connection stays open */
    const char *headers; /* each with its line end; may be NULL */
    const char *body;
} Answer;

static uv_loop_t loop;
static TlsServer tls_end;
static uv_tcp_t http_listener;
static struct sockaddr_in http_address;
static Answer script[MAX_ANSWERS];
static size_t n_scripted, n_asked, n_connected; /* the last: by CONNECT */
static Text asked[MAX_ANSWERS];                 /* head and body of each request */
static Text connected;                          /* what CONNECT named, one a line */

/* Awaits an event; the test's time limit is the only one. What makes the condition true calls uv_stop(), as
 * libuv may run timers first and then wait. */
#define run_until(condition)                                                                                 \
    do {                                                                                                     \
        while (!(condition))                                                                                 \
            (void)uv_run(&loop, UV_RUN_ONCE);                                                                \
    } while (0)

/* One connection to it. */
typedef struct Visitor {
    uv_tcp_t tcp;
    Text head;
    uv_connect_t connecting;
    struct Visitor *other; /* the other end of a tunnel */
    bool is_answered;
} Visitor;

/* Its bytes follow. */
typedef struct Sending {
    uv_write_t write;
    bool ends; /* the connection, when it is written */
} Sending;

static inline void on_visitor_closed(uv_handle_t *handle)
{
    Visitor *visitor = handle->data;
    text_deinit(&visitor->head);
    free(visitor);
}

static inline void visitor_close(Visitor *visitor)
{
    if (uv_is_closing((uv_handle_t *)&visitor->tcp))
        return;
    if (visitor->other) {
        visitor->other->other = NULL;
        visitor_close(visitor->other);
    }
    uv_close((uv_handle_t *)&visitor->tcp, on_visitor_closed);
}

static inline void on_sent(uv_write_t *write, int status)
{
    Sending *sending = container_of(write, Sending, write);
    if (sending->ends || status != 0)
        visitor_close(write->handle->data);
    free(sending);
}

static inline void visitor_send(Visitor *visitor, const char *bytes, size_t length, bool ends)
{
    Sending *sending = mem_alloc(sizeof(Sending) + length);
    char *copy = (char *)(sending + 1);
    memcpy(copy, bytes, length);
    sending->ends = ends;
    uv_buf_t buffer = uv_buf_init(copy, (unsigned)length);
    ck_assert_int_eq(uv_write(&sending->write, (uv_stream_t *)&visitor->tcp, &buffer, 1, on_sent), 0);
}

static inline void on_visitor_allocate(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
    static char bytes[65536];
    (void)handle;
    (void)size;
    *ret_buffer = uv_buf_init(bytes, sizeof bytes);
}

static inline void on_visitor_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static inline void on_tunnel_connected(uv_connect_t *request, int status)
{
    static const char GOOD[] = "HTTP/1.1 200 Connected\r\n\r\n";
    Visitor *inner = request->handle->data;
    if (status != 0 || !inner->other)
        return;
    ck_assert_int_eq(uv_read_start((uv_stream_t *)&inner->tcp, on_visitor_allocate, on_visitor_read), 0);
    visitor_send(inner->other, GOOD, sizeof GOOD - 1, false);
}

static inline Visitor *visitor_new(void)
{
    Visitor *visitor = mem_new(Visitor);
    ck_assert_int_eq(uv_tcp_init(&loop, &visitor->tcp), 0);
    visitor->tcp.data = visitor;
    return visitor;
}

static inline void tunnel(Visitor *visitor)
{
    Visitor *inner = visitor_new();
    const char *target = visitor->head.bytes + strlen("CONNECT ");
    text_append_bytes(&connected, target, strcspn(target, " "));
    text_append(&connected, "\n");
    n_connected++;
    visitor->other = inner;
    inner->other = visitor;
    ck_assert_int_eq(uv_tcp_connect(&inner->connecting, &inner->tcp,
                                    (const struct sockaddr *)&tls_end.address, on_tunnel_connected),
                     0);
}

static inline void answer(Visitor *visitor)
{
    visitor->is_answered = true;
    ck_assert_msg(n_asked < n_scripted, "asked too often: %s", text_string(&visitor->head));
    const Answer *next = &script[n_asked];
    text_append_bytes(&asked[n_asked++], visitor->head.bytes, visitor->head.length);
    if (!next->status)
        return;
    Text whole = TEXT_NULL;
    text_printf(&whole, "HTTP/1.1 %s\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n", next->status,
                next->headers ? next->headers : "", next->body ? strlen(next->body) : 0);
    text_append(&whole, next->body ? next->body : "");
    visitor_send(visitor, whole.bytes, whole.length, true);
    text_deinit(&whole);
}

static inline bool is_whole(const Text *head)
{
    static const char LENGTH[] = "Content-Length: ";
    const char *end = strstr(text_string(head), "\r\n\r\n");
    const char *length = strstr(text_string(head), LENGTH);
    if (!end)
        return false;
    size_t body = length && length < end ? (size_t)atol(length + sizeof LENGTH - 1) : 0;
    return head->length >= (size_t)(end - head->bytes) + 4 + body;
}

static inline void on_visitor_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    Visitor *visitor = stream->data;
    if (length < 0) {
        visitor_close(visitor);
    } else if (visitor->other) {
        visitor_send(visitor->other, buffer->base, (size_t)length, false);
    } else if (!visitor->is_answered) {
        text_append_bytes(&visitor->head, buffer->base, (size_t)length);
        if (is_whole(&visitor->head)) {
            if (strncmp(visitor->head.bytes, "CONNECT ", 8) == 0)
                tunnel(visitor);
            else
                answer(visitor);
        }
    }
}

static inline void on_visit(uv_stream_t *stream, int status)
{
    Visitor *visitor = visitor_new();
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(uv_accept(stream, (uv_stream_t *)&visitor->tcp), 0);
    ck_assert_int_eq(uv_read_start((uv_stream_t *)&visitor->tcp, on_visitor_allocate, on_visitor_read), 0);
}

static inline void script_add(const char *status, const char *headers, const char *body)
{
    ck_assert_uint_lt(n_scripted, MAX_ANSWERS);
    script[n_scripted++] = (Answer){status, headers, body};
}

/* Of this server without TLS, and with. */
static inline unsigned plain_port(void)
{
    return ntohs(http_address.sin_port);
}

static inline unsigned tls_port(void)
{
    return ntohs(tls_end.address.sin_port);
}

static inline void http_server_start(void)
{
    int length = sizeof http_address;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(uv_tcp_init(&loop, &http_listener), 0);
    ck_assert_int_eq(uv_tcp_bind(&http_listener, (struct sockaddr *)&any, 0), 0);
    ck_assert_int_eq(uv_tcp_getsockname(&http_listener, (struct sockaddr *)&http_address, &length), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&http_listener, 8, on_visit), 0);
    tls_server_init(&tls_end,
                    "DNS:localhost,IP:127.0.0.1,DNS:login.microsoftonline.com,DNS:login.microsoftonline.us,"
                    "DNS:adb-1.2.azuredatabricks.net,DNS:oauth2.googleapis.com",
                    -100, 1000, "\2h2", TLS1_3_VERSION);
    tls_server_start(&tls_end, &http_address);
}

static inline void close_visitor_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (handle->type == UV_TCP && handle->data)
        visitor_close(handle->data);
}

/* What is tested must have closed its own. */
static inline void http_server_stop(void)
{
    uv_walk(&loop, close_visitor_handle, NULL);
    tls_server_join(&tls_end); /* its thread connects to the listener */
    uv_close((uv_handle_t *)&http_listener, NULL);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    tls_server_deinit(&tls_end);
    for (size_t i = 0; i < MAX_ANSWERS; i++)
        text_deinit(&asked[i]);
    text_deinit(&connected);
    n_scripted = n_asked = n_connected = 0;
}
