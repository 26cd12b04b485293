#include "admin/http_server.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "admin/control_routes.h"
#include "admin/microhttpd.h"
#include "base/list.h"
#include "base/secret.h"

struct HttpServer {
    Microhttpd library;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* its epoll descriptor */
    uv_timer_t timer; /* its next time-out; without connections, the end of being unused */
    unsigned n_open_handles;
    unsigned n_connections;
    bool stop_wanted;
    List suspended; /* requests that are answered later */
    const ControlHost *host;
    void (*on_unused)(void *context);
    void *context;
};

/* One request, from its first line to the last byte of its answer. */
typedef struct HttpRequest {
    HttpServer *server;
    struct MHD_Connection *connection;
    ListLink link; /* in server->suspended */
    bool stops;
    bool is_too_large;
    char *body; /* HTTP_SERVER_MAX_BODY bytes, wiped in the end; NULL: none */
    size_t body_length;
    ControlQuestion *question; /* whose answer it waits for; NULL: none */
    ControlAnswer answer;      /* that has come, or none: without a body */
} HttpRequest;

static void http_server_run(HttpServer *server);

/* ---- what libmicrohttpd calls, within MHD_run() */

static enum MHD_Result send_answer(HttpServer *server, struct MHD_Connection *connection,
                                   const ControlAnswer *answer)
{
    const Microhttpd *library = &server->library;
    struct MHD_Response *response =
        library->create_response_from_buffer(strlen(answer->body), answer->body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer->body);
        return MHD_NO;
    }
    (void)library->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    (void)library->add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (answer->allowed)
        (void)library->add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allowed);
    enum MHD_Result result = library->queue_response(connection, answer->status, response);
    library->destroy_response(response);
    return result;
}

/* A copy of what may be a token stays nowhere. */
static void take_body(HttpRequest *request, const char *bytes, size_t length)
{
    if (!request->body)
        request->body = mem_alloc(HTTP_SERVER_MAX_BODY);
    request->is_too_large |= length > HTTP_SERVER_MAX_BODY - request->body_length;
    if (!request->is_too_large) {
        memcpy(request->body + request->body_length, bytes, length);
        request->body_length += length;
    }
    secret_wipe((char *)(uintptr_t)bytes, length); /* the library's own buffer, which it hands out as const */
}

static void resume(HttpRequest *request)
{
    list_remove(&request->server->suspended, &request->link);
    request->server->library.resume_connection(request->connection);
}

/* The server may be closed when this returns. */
static void on_answer(void *asker, unsigned status, json_t *document)
{
    HttpRequest *request = asker;
    request->question = NULL;
    request->answer = (ControlAnswer){.status = status, .body = control_body(document)};
    HttpServer *server = request->server;
    resume(request);
    http_server_run(server);
}

static enum MHD_Result wait_for_answer(HttpRequest *request, ControlQuestion *question)
{
    request->question = question;
    question->asker = request;
    question->deliver = on_answer;
    list_append(&request->server->suspended, &request->link);
    request->server->library.suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result answer_request(HttpRequest *request, const char *method, const char *path)
{
    static const char TOO_LARGE[] = "{\"error\":\"the body is too large\"}";
    HttpServer *server = request->server;
    ControlAnswer answer = {.status = 413};
    if (request->is_too_large)
        answer.body = mem_copy_string(TOO_LARGE);
    else
        control_answer(
            server->host,
            &(ControlRequest){
                .method = method, .path = path, .body = request->body, .body_length = request->body_length},
            &answer);
    if (answer.question)
        return wait_for_answer(request, answer.question);
    request->stops = answer.stops;
    return send_answer(server, request->connection, &answer);
}

/* Called for the headers, for each part of the body, once more at its end, and again when it is resumed. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_length, void **held)
{
    (void)version;
    HttpServer *server = context;
    HttpRequest *request = *held;
    if (!request) {
        *held = request = mem_new(HttpRequest);
        request->server = server;
        request->connection = connection;
        list_link_init(&request->link);
        return MHD_YES;
    }
    if (*body_length > 0) {
        take_body(request, body, *body_length);
        *body_length = 0;
        return MHD_YES;
    }
    if (request->question)
        return MHD_NO; /* resumed only to be closed */
    if (!request->answer.body)
        return answer_request(request, method, path);
    ControlAnswer answer = request->answer;
    request->answer.body = NULL;
    return send_answer(server, connection, &answer);
}

static void on_request_ended(void *context, struct MHD_Connection *connection, void **held,
                             enum MHD_RequestTerminationCode how)
{
    (void)connection;
    (void)how; /* whoever asked to stop and left meant it all the same */
    HttpServer *server = context;
    HttpRequest *request = *held;
    *held = NULL;
    if (!request)
        return;
    server->stop_wanted |= request->stops;
    if (request->question)
        request->question->asker = NULL;
    if (request->body)
        secret_wipe(request->body, request->body_length);
    free(request->body);
    free(request->answer.body);
    free(request);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **held,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)connection;
    (void)held;
    HttpServer *server = context;
    switch (what) {
    case MHD_CONNECTION_NOTIFY_STARTED: server->n_connections++; break;
    case MHD_CONNECTION_NOTIFY_CLOSED: server->n_connections--; break;
    }
}

/* ---- what the loop calls */

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_server_run(container_of(poll, HttpServer, poll));
}

static void on_timer(uv_timer_t *timer)
{
    HttpServer *server = container_of(timer, HttpServer, timer);
    if (server->n_connections > 0)
        http_server_run(server);
    else
        server->on_unused(server->context);
}

static void set_timer(HttpServer *server)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = HTTP_SERVER_UNUSED_MS;
    if (server->n_connections == 0 || server->library.get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        (void)uv_timer_start(&server->timer, on_timer, timeout_ms, 0);
    else
        (void)uv_timer_stop(&server->timer);
}

/* The server may be closed when this returns. */
static void http_server_run(HttpServer *server)
{
    (void)server->library.run(server->daemon);
    set_timer(server);
    bool stop_wanted = server->stop_wanted;
    server->stop_wanted = false;
    if (stop_wanted) /* only now: stopping may close this server, which libmicrohttpd must not be in */
        server->host->stop(server->host->context);
}

void http_server_add(HttpServer *server, int fd)
{
    struct sockaddr_un nameless = {.sun_family = AF_UNIX};
    (void)server->library.add_connection(server->daemon, fd, (const struct sockaddr *)&nameless,
                                         sizeof nameless.sun_family); /* closes the socket when it fails */
    http_server_run(server);
}

/* ---- beginning and end */

static struct MHD_Daemon *start(HttpServer *server)
{
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, HTTP_SERVER_MAX_CONNECTIONS, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, HTTP_SERVER_TIMEOUT_S, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_SERVER_CONNECTION_MEMORY, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return server->library.start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
                                        0, NULL, NULL, on_request, server, MHD_OPTION_ARRAY, options,
                                        MHD_OPTION_NOTIFY_COMPLETED, on_request_ended, server,
                                        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
}

static int watch(HttpServer *server, uv_loop_t *loop)
{
    const union MHD_DaemonInfo *info =
        server->library.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int error = info ? uv_poll_init(loop, &server->poll, info->epoll_fd) : UV_ENOTSUP;
    if (error != 0)
        return error;
    (void)uv_timer_init(loop, &server->timer);
    server->n_open_handles = 2;
    error = uv_poll_start(&server->poll, UV_READABLE, on_ready);
    if (error == 0)
        set_timer(server);
    return error;
}

HttpServer *http_server_new(uv_loop_t *loop, const ControlHost *host, void (*on_unused)(void *context),
                            void *context, Text *reason)
{
    HttpServer *server = mem_new(HttpServer);
    server->host = host;
    list_init(&server->suspended);
    server->on_unused = on_unused;
    server->context = context;
    bool is_loaded = microhttpd_load(&server->library, reason);
    server->daemon = is_loaded ? start(server) : NULL;
    if (server->daemon && watch(server, loop) == 0)
        return server;
    if (is_loaded)
        text_append(reason, "libmicrohttpd cannot be started");
    http_server_close(server);
    return NULL;
}

static void http_server_free(HttpServer *server)
{
    microhttpd_unload(&server->library);
    free(server);
}

static void on_poll_closed(uv_handle_t *handle)
{
    HttpServer *server = container_of(handle, HttpServer, poll);
    if (--server->n_open_handles == 0)
        http_server_free(server);
}

static void on_timer_closed(uv_handle_t *handle)
{
    HttpServer *server = container_of(handle, HttpServer, timer);
    if (--server->n_open_handles == 0)
        http_server_free(server);
}

void http_server_close(HttpServer *server)
{
    bool has_handles = server->n_open_handles > 0;
    if (has_handles) { /* before the descriptor that is watched goes */
        uv_close((uv_handle_t *)&server->poll, on_poll_closed);
        uv_close((uv_handle_t *)&server->timer, on_timer_closed);
    }
    for (ListLink *link; (link = list_first(&server->suspended));) /* the library insists */
        resume(container_of(link, HttpRequest, link));
    if (server->daemon)
        server->library.stop_daemon(server->daemon);
    server->daemon = NULL;
    if (!has_handles)
        http_server_free(server);
}
