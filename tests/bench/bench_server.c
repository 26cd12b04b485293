/*
 * bench-server: a Spark Connect server of the benchmark's that costs next to nothing: nghttp2 over epoll, one
 * thread, results that are never copied. It answers every method with a valid message and ExecutePlan with as
 * many bytes as the request says (messages.h).
 *
 *   bench-server [--listen 127.0.0.1:0] [--tls CERTIFICATE KEY]
 *
 * Prints `ready HOST:PORT`, and ends on SIGTERM or SIGINT.
 */

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "link.h"
#include "messages.h"

#define REQUEST_KEPT 1024 /* of a request: all there is to know is at its beginning */
#define PREFIX       5

typedef struct Server {
    Watch watch;
    FastLoop loop;
    int fd;
    SSL_CTX *tls;
    nghttp2_session_callbacks *callbacks;
} Server;

typedef struct Call {
    struct Call *next_free;
    Body body;
    const SparkMethod *method;
    SparkRequest request;
    Order order;
    uint64_t n_received;
    size_t n_kept;
    uint8_t kept[REQUEST_KEPT];
} Call;

static volatile sig_atomic_t interrupted;
static Call *free_calls;

static Call *call_new(void)
{
    Call *call = free_calls;
    if (call)
        free_calls = call->next_free;
    else if (!(call = malloc(sizeof(*call))))
        abort();
    call->method = NULL;
    call->n_received = call->n_kept = 0;
    return call;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call_new());
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    if (name_length == 5 && memcmp(name, ":path", 5) == 0) {
        Call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (call)
            call->method = spark_method_find((const char *)value, value_length);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t length, void *user_data)
{
    Call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)flags;
    (void)user_data;
    if (!call)
        return 0;
    call->n_received += length;
    size_t room = REQUEST_KEPT - call->n_kept;
    if (room > 0) {
        size_t part = length < room ? length : room;
        memcpy(call->kept + call->n_kept, data, part);
        call->n_kept += part;
    }
    return 0;
}

static void make_result(Body *body)
{
    Call *call = container_of(body, Call, body);
    Bytes head = BYTES_NULL, tail = BYTES_NULL;
    size_t size = 0;
    if (body->index < call->order.messages) {
        size = (size_t)call->order.size;
        message_result(&head, &tail, &call->request, body->index, size);
        body->is_last = body->waits && body->index + 1 == call->order.messages;
    } else {
        message_complete(&head, &call->request, body->index);
        body->is_last = true;
    }
    body_set(body, &head, size, &tail);
    bytes_deinit(&head);
    bytes_deinit(&tail);
}

static void make_answer(Body *body)
{
    Call *call = container_of(body, Call, body);
    Bytes answer = BYTES_NULL;
    char note[64];
    snprintf(note, sizeof(note), "bytes=%" PRIu64, call->n_received);
    message_answer(&answer, call->method, &call->request, note);
    body->is_last = true;
    body_set(body, &answer, 0, &(Bytes)BYTES_NULL);
    bytes_deinit(&answer);
}

#define HEADER(name, value)                                                                                  \
    {                                                                                                        \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,    \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                     \
    }

static void refuse(nghttp2_session *session, int32_t stream_id)
{
    static const nghttp2_nv headers[] = {HEADER(":status", "200"), HEADER("content-type", "application/grpc"),
                                         HEADER("grpc-status", "12")};
    nghttp2_submit_response(session, stream_id, headers, 3, NULL);
}

static void answer(nghttp2_session *session, int32_t stream_id, Call *call)
{
    static const nghttp2_nv headers[] = {HEADER(":status", "200"), HEADER("content-type", "application/grpc"),
                                         HEADER("grpc-encoding", "identity"),
                                         HEADER("grpc-accept-encoding", "gzip")};
    size_t length = 0;
    if (call->n_kept >= PREFIX)
        length = (size_t)call->kept[1] << 24 | (size_t)call->kept[2] << 16 | (size_t)call->kept[3] << 8 |
                 call->kept[4];
    if (!call->method) {
        refuse(session, stream_id);
        return;
    }
    bool is_whole = length + PREFIX <= call->n_kept;
    (void)spark_request_parse(call->method, call->kept + PREFIX, is_whole ? length : call->n_kept - PREFIX,
                              &call->request);
    call->order = message_read_order(call->kept + PREFIX, is_whole ? length : 0);
    call->body = (Body){.make = call->method->answers_stream ? make_result : make_answer,
                        .with_trailers = true,
                        .waits = call->order.stays_open};
    body_begin(&call->body);
    nghttp2_data_provider provider = {.source.ptr = &call->body, .read_callback = body_read};
    nghttp2_submit_response(session, stream_id, headers, sizeof(headers) / sizeof(headers[0]), &provider);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        Call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (call)
            answer(session, frame->hd.stream_id, call);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user_data)
{
    Call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)error_code;
    (void)user_data;
    if (call) {
        call->next_free = free_calls;
        free_calls = call;
    }
    return 0;
}

static int free_call_of(nghttp2_session *session, int32_t stream_id)
{
    return on_stream_close(session, stream_id, 0, NULL);
}

static void on_gone(Link *link)
{
    /* nghttp2 tells nothing of streams that end with their session. */
    int32_t last = (int32_t)nghttp2_session_get_last_proc_stream_id(link->session);
    for (int32_t id = last, n = 0; id > 0 && n < 4096; id -= 2, n++)
        free_call_of(link->session, id);
    link_deinit(link);
    free(link);
}

static void on_accept(Watch *watch, uint32_t events)
{
    Server *server = container_of(watch, Server, watch);
    int fd, yes = 1;
    (void)events;
    while ((fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        Link *link = calloc(1, sizeof(*link));
        if (!link)
            abort();
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        link->gone = on_gone;
        link_init(link, &server->loop, fd, true, server->tls, server->callbacks);
    }
}

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void print_ready(const Server *server)
{
    struct sockaddr_in at;
    socklen_t length = sizeof(at);
    if (getsockname(server->fd, (struct sockaddr *)&at, &length) != 0)
        fail("getsockname failed");
    printf("ready 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
}

static void prepare_callbacks(Server *server)
{
    if (nghttp2_session_callbacks_new(&server->callbacks) != 0)
        abort();
    link_prepare_callbacks(server->callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(server->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(server->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(server->callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(server->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(server->callbacks, on_stream_close);
}

int main(int argc, char **argv)
{
    const char *listen = "127.0.0.1:0";
    Server server = {.watch.ready = on_accept};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc) {
            listen = argv[++i];
        } else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
            server.tls = link_tls_server(argv[i + 1], argv[i + 2]);
            i += 2;
        } else {
            fail("usage: bench-server [--listen HOST:PORT] [--tls CERTIFICATE KEY]");
        }
    }
    struct sigaction end = {.sa_handler = on_signal};
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    prepare_callbacks(&server);
    fast_loop_init(&server.loop);
    server.fd = listen_at(listen);
    fast_loop_add(&server.loop, server.fd, &server.watch, EPOLLIN);
    print_ready(&server);
    while (!interrupted)
        fast_loop_turn(&server.loop, UINT64_MAX);
    return 0;
}
