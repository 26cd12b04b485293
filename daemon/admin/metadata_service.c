#include "admin/metadata_service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "admin/metadata_request.h"
#include "admin/microhttpd.h"
#include "conf/address.h"

#define BACKLOG           16
#define MAX_CONNECTIONS   32   /* programs of one person */
#define CONNECTION_MEMORY 8192 /* bytes; a request is a line and a few headers */
#define TIMEOUT_S         10   /* without a byte either way */
#define LIFE_S            600  /* told of a token whose life is not known: then it is asked for again */

struct MetadataService {
    Relay *relay;
    Microhttpd library;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* its epoll descriptor */
    uv_timer_t timer; /* its next time-out */
    unsigned n_open_handles;
    uint16_t port;
    char secret[METADATA_SECRET_SIZE];
    char url[64 + METADATA_SECRET_SIZE];
    List askings;
};

/* One request, from its first line to the last byte of its answer. */
typedef struct Asking {
    ListLink link; /* in the service */
    MetadataService *service;
    struct MHD_Connection *connection;
    Upstream *upstream; /* a reference; NULL: none */
    RefresherWaiter waiter;
    bool is_suspended; /* waits for a credential */
    unsigned status;   /* 0: there is no answer yet */
    char *body;
} Asking;

/* ---- answers */

static void free_answer(void *body)
{
    secret_wipe(body, strlen(body));
    free(body);
}

static void refuse(Asking *asking, unsigned status, const char *reason)
{
    json_t *document = json_pack("{s:s}", "error", reason);
    asking->status = status;
    asking->body = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (!asking->body)
        asking->body = mem_copy_string("{}");
    json_decref(document);
}

/* By hand: jansson would leave copies of the token behind. */
static char *append_token(char *end, const Secret *authorization)
{
    for (const char *p = secret_reveal(authorization) + strlen("Bearer "); *p; p++) {
        if (*p == '"' || *p == '\\')
            *end++ = '\\';
        *end++ = *p;
    }
    return end;
}

static void answer_token(Asking *asking, const Credential *credential)
{
    RefresherFacts facts;
    refresher_facts(asking->upstream->refresher, &facts);
    if (!credential->authorization) {
        refuse(asking, 404, "this profile needs no token");
        return;
    }
    int64_t expires_on = (int64_t)time(NULL) + (facts.lives_ms ? (int64_t)(facts.lives_ms / 1000) : LIFE_S);
    size_t size = 2 * secret_length(credential->authorization) + 128;
    char *body = mem_alloc(size), *end = body;
    end = stpcpy(end, "{\"access_token\":\"");
    end = append_token(end, credential->authorization);
    (void)snprintf(end, size - (size_t)(end - body),
                   "\",\"token_type\":\"Bearer\",\"expires_on\":%" PRId64 "}", expires_on);
    asking->status = 200;
    asking->body = body;
}

static void answer_failure(Asking *asking)
{
    refuse(asking, 503, refresher_problem(asking->upstream->refresher));
}

/* ---- waiting for a credential */

static void on_timer(uv_timer_t *timer);

static void resume(Asking *asking)
{
    MetadataService *service = asking->service;
    asking->is_suspended = false;
    service->library.resume_connection(asking->connection);
    (void)uv_timer_start(&service->timer, on_timer, 0, 0);
}

static void on_ready(RefresherWaiter *waiter)
{
    Asking *asking = container_of(waiter, Asking, waiter);
    Credential *credential = refresher_current(asking->upstream->refresher);
    if (credential)
        answer_token(asking, credential);
    else
        answer_failure(asking);
    resume(asking);
}

static void on_failed(RefresherWaiter *waiter)
{
    Asking *asking = container_of(waiter, Asking, waiter);
    answer_failure(asking);
    resume(asking);
}

static void use_upstream(Asking *asking)
{
    Refresher *refresher = asking->upstream->refresher;
    Credential *credential = refresher_current(refresher);
    if (credential) {
        answer_token(asking, credential);
        return;
    }
    asking->is_suspended = true;
    asking->service->library.suspend_connection(asking->connection);
    refresher_wait(refresher, &asking->waiter);
}

/* ---- what libmicrohttpd calls, within MHD_run() */

static const char *header(const Asking *asking, const char *name)
{
    return asking->service->library.lookup_connection_value(asking->connection, MHD_HEADER_KIND, name);
}

static void consider(Asking *asking, const char *method, const char *path)
{
    MetadataService *service = asking->service;
    const MetadataRequest request = {.method = method,
                                     .path = path,
                                     .host = header(asking, "Host"),
                                     .origin = header(asking, "Origin"),
                                     .fetch_site = header(asking, "Sec-Fetch-Site"),
                                     .version = header(asking, "X-Databricks-Metadata-Version"),
                                     .workspace = header(asking, "X-Databricks-Host")};
    const char *name = NULL, *reason = NULL;
    bool is_unknown;
    unsigned status = metadata_request_check(&request, service->secret, service->port, &name, &reason);
    if (status != 200) {
        refuse(asking, status, reason);
        return;
    }
    const ProfileSettings *profile = metadata_request_find(service->relay->settings, request.workspace, name);
    asking->upstream = profile ? relay_upstream(service->relay, profile->name, &reason, &is_unknown) : NULL;
    if (asking->upstream)
        upstream_ref(asking->upstream);
    if (asking->upstream)
        use_upstream(asking);
    else
        refuse(asking, 404,
               reason ? reason : "no usable profile of the daemon has this host; see 'sparkbouncer check'");
}

static enum MHD_Result send_answer(Asking *asking)
{
    const Microhttpd *library = &asking->service->library;
    char *body = steal(asking->body);
    struct MHD_Response *response =
        library->create_response_from_buffer_with_free_callback(strlen(body), body, free_answer);
    if (!response) {
        free_answer(body);
        return MHD_NO;
    }
    (void)library->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    (void)library->add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    enum MHD_Result result = library->queue_response(asking->connection, asking->status, response);
    library->destroy_response(response);
    return result;
}

static Asking *asking_new(MetadataService *service, struct MHD_Connection *connection)
{
    Asking *asking = mem_new(Asking);
    asking->service = service;
    asking->connection = connection;
    asking->waiter = (RefresherWaiter){.on_ready = on_ready, .on_failed = on_failed};
    list_link_init(&asking->waiter.link);
    list_append(&service->askings, &asking->link);
    return asking;
}

/* Called for the headers, for each part of the body, at its end, and once more when it is resumed. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_length, void **held)
{
    (void)version;
    (void)body;
    Asking *asking = *held;
    if (!asking) {
        *held = asking_new(context, connection);
        return MHD_YES;
    }
    if (*body_length > 0) { /* nobody reads it */
        *body_length = 0;
        return MHD_YES;
    }
    if (asking->status == 0)
        consider(asking, method, path);
    return asking->status == 0 ? MHD_YES : send_answer(asking);
}

static void on_request_ended(void *context, struct MHD_Connection *connection, void **held,
                             enum MHD_RequestTerminationCode how)
{
    (void)connection;
    (void)how;
    MetadataService *service = context;
    Asking *asking = *held;
    *held = NULL;
    if (!asking)
        return;
    if (asking->is_suspended)
        refresher_stop_waiting(asking->upstream->refresher, &asking->waiter);
    upstream_unref(asking->upstream);
    list_remove(&service->askings, &asking->link);
    if (asking->body)
        free_answer(asking->body);
    free(asking);
}

/* ---- what the loop calls */

static void run(MetadataService *service)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    (void)service->library.run(service->daemon);
    if (service->library.get_timeout(service->daemon, &timeout_ms) == MHD_YES)
        (void)uv_timer_start(&service->timer, on_timer, timeout_ms, 0);
    else
        (void)uv_timer_stop(&service->timer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(container_of(poll, MetadataService, poll));
}

static void on_timer(uv_timer_t *timer)
{
    run(container_of(timer, MetadataService, timer));
}

/* ---- beginning and end */

static int make_secret(MetadataService *service)
{
    unsigned char bytes[(METADATA_SECRET_SIZE - 1) / 2];
    int error = uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(service->secret + 2 * i, 3, "%02x", bytes[i]);
    return error;
}

/* The listening socket, or a negative errno. */
static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static struct MHD_Daemon *start(MetadataService *service, int fd)
{
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return service->library.start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
                                         service, MHD_OPTION_ARRAY, options, MHD_OPTION_NOTIFY_COMPLETED,
                                         on_request_ended, service, MHD_OPTION_END);
}

static int watch(MetadataService *service)
{
    uv_loop_t *loop = service->relay->loop;
    const union MHD_DaemonInfo *info =
        service->library.get_daemon_info(service->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int error = info ? uv_poll_init(loop, &service->poll, info->epoll_fd) : UV_ENOTSUP;
    if (error != 0)
        return error;
    (void)uv_timer_init(loop, &service->timer);
    service->n_open_handles = 2;
    return uv_poll_start(&service->poll, UV_READABLE, on_readable);
}

/* 0, or -1 and a sentence in `reason`. */
static int open_service(MetadataService *service, Text *reason)
{
    if (!microhttpd_load(&service->library, reason))
        return -1;
    int fd = listen_on(&service->port);
    if (fd < 0) {
        text_printf(reason, "cannot listen on 127.0.0.1:%u: %s", service->port, uv_strerror(fd));
        return -1;
    }
    service->daemon = start(service, fd);
    if (!service->daemon)
        (void)close(fd);
    if (!service->daemon || watch(service) != 0 || make_secret(service) != 0) {
        text_append(reason, "libmicrohttpd cannot be started");
        return -1;
    }
    (void)snprintf(service->url, sizeof service->url, "http://127.0.0.1:%u/%s", service->port,
                   service->secret);
    return 0;
}

MetadataService *metadata_service_new(Relay *relay, const char *address)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    _cleanup_(address_deinit) Address parsed = ADDRESS_NULL;
    MetadataService *service = mem_new(MetadataService);
    service->relay = relay;
    list_init(&service->askings);
    if (address_parse(&parsed, address, &reason) == 0) {
        service->port = parsed.port;
        if (open_service(service, &reason) == 0)
            return service;
    }
    log_write(relay->log, LOG_LEVEL_ERROR, "metadata_service = %s: %s", address, text_string(&reason));
    return metadata_service_close(service);
}

static void service_free(MetadataService *service)
{
    microhttpd_unload(&service->library);
    secret_wipe(service, sizeof *service);
    free(service);
}

static void on_poll_closed(uv_handle_t *handle)
{
    MetadataService *service = container_of(handle, MetadataService, poll);
    if (--service->n_open_handles == 0)
        service_free(service);
}

static void on_timer_closed(uv_handle_t *handle)
{
    MetadataService *service = container_of(handle, MetadataService, timer);
    if (--service->n_open_handles == 0)
        service_free(service);
}

/* A suspended connection cannot be closed. */
static void resume_all(MetadataService *service)
{
    list_for_each(link, &service->askings)
    {
        Asking *asking = container_of(link, Asking, link);
        if (!asking->is_suspended)
            continue;
        refresher_stop_waiting(asking->upstream->refresher, &asking->waiter);
        refuse(asking, 503, "the daemon stops");
        resume(asking);
    }
}

MetadataService *metadata_service_close(MetadataService *service)
{
    if (!service)
        return NULL;
    bool has_handles = service->n_open_handles > 0;
    resume_all(service);
    if (has_handles) { /* before the descriptor that is watched goes */
        uv_close((uv_handle_t *)&service->poll, on_poll_closed);
        uv_close((uv_handle_t *)&service->timer, on_timer_closed);
    }
    if (service->daemon)
        service->library.stop_daemon(service->daemon);
    service->daemon = NULL;
    if (!has_handles)
        service_free(service);
    return NULL;
}

const char *metadata_service_url(const MetadataService *service)
{
    return service ? service->url : NULL;
}
