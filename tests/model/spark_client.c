#include "spark_client.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/list.h"
#include "endpoint.h"
#include "frame_bytes.h"
#include "virtual_clock.h"

#define CONNECT_TIMEOUT_MS (10 * 1000) /* of the profile, and so is the next */
#define RESUME_TIMEOUT_MS  (60 * 1000)
#define KEPT_REQUEST       (60 * 1000) /* bytes of a request that can surely be sent again */
#define MAX_ATTEMPTS       5

typedef struct ClientCall {
    ListLink link;
    unsigned client;
    int32_t stream;
    MethodId method;
    ModelOperation *operation;
    Text request;
    size_t n_sent;
    size_t from, n_received; /* bytes of the operation's responses: where it began, and what came since */
    size_t n_unconsumed;
    bool is_open, is_paused, is_cancelled;
    bool was_paused;    /* once: when something came says nothing about when it was sent */
    bool is_taken_over; /* the client has asked for the same results again */
    bool release_all;
    uint64_t progress_ms;
    int status; /* -1: none has come */
    char message[400];
} ClientCall;

static struct {
    Endpoint endpoints[MODEL_N_CLIENTS];
    List calls;
    struct sockaddr_un address;
    socklen_t address_length;
} clients = {.endpoints = {{.fd = -1}, {.fd = -1}}};

static bool is_stream(const ClientCall *call)
{
    return call->method != METHOD_RELEASE_EXECUTE;
}

static const char *name_of(const ClientCall *call)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "%s of %s, stream %d of client %u", method_get(call->method)->name,
                   model_operation_id(call->operation), call->stream, call->client);
    return name;
}

/* ---- what may come */

/* Whether the daemon may have given it up by now. */
static bool is_out_of_time(const ClientCall *call)
{
    uint64_t silent_ms = virtual_clock_ms() - call->progress_ms;
    return call->was_paused || silent_ms >= (call->n_received > 0 ? RESUME_TIMEOUT_MS : CONNECT_TIMEOUT_MS);
}

static bool is_unavailable_for_a_reason(const ClientCall *call)
{
    const ModelOperation *operation = call->operation;
    bool is_kept = call->request.length < KEPT_REQUEST;
    bool was_refused = is_kept ? operation->n_unprocessed >= MAX_ATTEMPTS - 1
                               : operation->n_unprocessed > 0 || !operation->has_run;
    return call->is_taken_over || is_out_of_time(call) || operation->client_released_all ||
           operation->said_unavailable || was_refused ||
           (!operation->is_reattachable &&
            (operation->n_faults > 0 || (model.a_goaway_is_lost && !operation->has_run)));
}

static bool could_be_run_again(const ClientCall *call)
{
    return call->method == METHOD_EXECUTE_PLAN && call->n_received == 0 &&
           call->request.length < KEPT_REQUEST && !call->is_taken_over &&
           !call->operation->client_released_all;
}

/* Whether an error of the server's is one that the client may see. */
static bool is_error_in_place(const ClientCall *call)
{
    const ModelOperation *operation = call->operation;
    if (strstr(call->message, "DISCONNECTED"))
        return call->is_taken_over || operation->client_released_all || is_out_of_time(call);
    if (strstr(call->message, "DIVIDE_BY_ZERO"))
        return operation->has_failed;
    if (strstr(call->message, "OPERATION_CANCELED"))
        return operation->client_released_all;
    return strstr(call->message, "OPERATION_NOT_FOUND") && operation->unknown_was_told &&
           !could_be_run_again(call);
}

static void check_results(const ClientCall *call)
{
    const ModelOperation *operation = call->operation;
    bool is_whole = call->from + call->n_received == operation->bytes.length;
    if (call->status == 0 && !is_whole && !call->is_taken_over &&
        !(operation->is_reattachable && is_out_of_time(call)))
        model_violated("%s ended well after %zu of %zu bytes", name_of(call), call->from + call->n_received,
                       operation->bytes.length);
    else if (call->status == 13 && !is_error_in_place(call))
        model_violated("%s failed for no reason: %s", name_of(call), call->message);
    else if (call->status == 14 && !is_unavailable_for_a_reason(call))
        model_violated("%s is unavailable for no reason, after %zu of %zu bytes: %s", name_of(call),
                       call->from + call->n_received, operation->bytes.length, call->message);
    else if (call->status != 0 && call->status != 13 && call->status != 14)
        model_violated("%s ended with status %d: %s", name_of(call), call->status, call->message);
}

static void check_release(const ClientCall *call)
{
    if (call->status == 0 && call->release_all && call->operation->n_release_all == 0)
        model_violated("%s is said to have released all, and has not", name_of(call));
    else if (call->status == 0 && call->n_received == 0)
        model_violated("%s was answered with nothing", name_of(call));
}

static void ended(ClientCall *call)
{
    call->is_open = false;
    if (call->is_cancelled)
        return;
    model_tell("client %u: %s ends with status %d %s", call->client, name_of(call), call->status,
               call->message);
    if (call->status < 0)
        model_violated("%s ended without a status", name_of(call));
    else if (is_stream(call))
        check_results(call);
    else
        check_release(call);
}

static void received(ClientCall *call, const uint8_t *bytes, size_t length)
{
    ModelOperation *operation = call->operation;
    size_t at = call->from + call->n_received;
    call->n_received += length;
    call->progress_ms = virtual_clock_ms();
    if (!is_stream(call))
        return;
    if (at + length > operation->bytes.length || memcmp(operation->bytes.bytes + at, bytes, length) != 0)
        model_violated("%s got other bytes than it should at %zu", name_of(call), at);
    if (operation->n_received < at + length)
        operation->n_received = at + length;
}

/* ---- HTTP/2 */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
    ClientCall *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags, (void)user;
    if (call && name_length == 11 && memcmp(name, "grpc-status", 11) == 0)
        call->status = atoi((const char *)value);
    else if (call && name_length == 12 && memcmp(name, "grpc-message", 12) == 0)
        (void)snprintf(call->message, sizeof call->message, "%.*s", (int)value_length, value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t length, void *user)
{
    ClientCall *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags, (void)user;
    (void)nghttp2_session_consume_connection(session, length);
    if (!call)
        return 0;
    received(call, bytes, length);
    if (call->is_paused)
        call->n_unconsumed += length;
    else
        (void)nghttp2_session_consume_stream(session, stream, length);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    ClientCall *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)error, (void)user;
    if (call && call->is_open)
        ended(call);
    return 0;
}

static const nghttp2_session_callbacks *callbacks(void)
{
    static nghttp2_session_callbacks *made;
    if (made)
        return made;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    return made;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *bytes, size_t length,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    ClientCall *call = source->ptr;
    size_t n = call->request.length - call->n_sent;
    (void)session, (void)stream, (void)user;
    if (n > length)
        n = length;
    memcpy(bytes, call->request.bytes + call->n_sent, n);
    call->n_sent += n;
    if (call->n_sent == call->request.length)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

/* ---- calls */

static void connect_client(unsigned client)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(fd, (const struct sockaddr *)&clients.address, clients.address_length) != 0)
        abort();
    endpoint_open(&clients.endpoints[client], fd, false, callbacks(), NULL);
}

/* `message` is taken over. */
static ClientCall *begin(MethodId method, ModelOperation *operation, Text *message)
{
    ClientCall *call = mem_new(ClientCall);
    call->client = operation->client;
    call->method = method;
    call->operation = operation;
    call->is_open = true;
    call->status = -1;
    call->progress_ms = virtual_clock_ms();
    list_link_init(&call->link);
    list_append(&clients.calls, &call->link);
    text_append_bytes(&call->request, "", 1);
    bytes_add_u32(&call->request, (uint32_t)message->length);
    bytes_add(&call->request, message->bytes, message->length);
    if (!endpoint_is_open(&clients.endpoints[call->client]))
        connect_client(call->client);
    nghttp2_nv headers[] = {header(":method", "POST"),    header(":scheme", "http"),
                            header(":authority", "here"), header(":path", method_get(method)->path),
                            header("te", "trailers"),     header("content-type", "application/grpc")};
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_request};
    call->stream =
        nghttp2_submit_request(clients.endpoints[call->client].session, NULL, headers, 6, &provider, call);
    model_tell("client %u: %s begins", call->client, name_of(call));
    return call;
}

static void add_session(Text *message, const ModelOperation *operation)
{
    field_add(message, 1, model_session_id(operation->client));
    field_add(message, 2, "\n\1u");
}

static void add_plan(Text *message, size_t length)
{
    static const char PLAN[70 * 1000];
    uint8_t head[] = {3 << 3 | 2, (uint8_t)((length & 0x7f) | 0x80), (uint8_t)((length >> 7 & 0x7f) | 0x80),
                      (uint8_t)(length >> 14)};
    bytes_add(message, head, sizeof head);
    bytes_add(message, PLAN, length);
}

void client_execute(unsigned client, bool is_reattachable, uint32_t traits)
{
    static const size_t PLANS[] = {10, 10, 10, 10, 2000, 2000, 30000, 70000};
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    ModelOperation *operation = model_add_operation(client % MODEL_N_CLIENTS, is_reattachable, traits);
    if (!operation)
        return;
    add_session(&message, operation);
    add_plan(&message, PLANS[traits >> 20 & 7]);
    if (is_reattachable)
        field_add(&message, 5, "\n\2\10\1");
    field_add(&message, 6, model_operation_id(operation));
    (void)begin(METHOD_EXECUTE_PLAN, operation, &message);
}

/* One that can be reattached and has not been released. */
static ModelOperation *pick_operation(unsigned pick)
{
    ModelOperation *operation = model.n_operations ? &model.operations[pick % model.n_operations] : NULL;
    return operation && operation->is_reattachable && !operation->client_released_all ? operation : NULL;
}

/* Whether a request about it is on its way, which a later one could overtake. */
static bool is_being_sent(const ModelOperation *operation)
{
    list_for_each(link, &clients.calls)
    {
        const ClientCall *call = container_of(link, const ClientCall, link);
        if (call->operation == operation && call->is_open && call->n_sent < call->request.length)
            return true;
    }
    return false;
}

/* Calls for the same results count as taken over from now on. */
static void take_over(const ModelOperation *operation)
{
    list_for_each(link, &clients.calls)
    {
        ClientCall *older = container_of(link, ClientCall, link);
        older->is_taken_over |= older->operation == operation && older->is_open && is_stream(older);
    }
}

void client_reattach(unsigned pick, unsigned after)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    ModelOperation *operation = pick_operation(pick);
    if (!operation || is_being_sent(operation))
        return;
    unsigned n_whole = model_count_whole(operation, operation->n_received);
    if (n_whole == operation->n_responses) /* nobody asks for more after the last one */
        return;
    take_over(operation);
    unsigned n_known = operation->n_client_released + after % (n_whole - operation->n_client_released + 1);
    add_session(&message, operation);
    field_add(&message, 3, model_operation_id(operation));
    if (n_known > 0)
        field_add(&message, 5, model_response_id(operation, n_known - 1));
    ClientCall *call = begin(METHOD_REATTACH_EXECUTE, operation, &message);
    call->from = model_length_of(operation, n_known);
}

/* Responses that no call of the client will ask for again. */
static unsigned count_releasable(const ModelOperation *operation)
{
    size_t length = operation->n_received;
    list_for_each(link, &clients.calls)
    {
        const ClientCall *call = container_of(link, const ClientCall, link);
        if (call->operation == operation && call->is_open && is_stream(call) &&
            call->from + call->n_received < length)
            length = call->from + call->n_received;
    }
    return model_count_whole(operation, length);
}

void client_release_until(unsigned pick)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL, until = TEXT_NULL;
    ModelOperation *operation = pick_operation(pick);
    unsigned n = operation ? count_releasable(operation) : 0;
    if (n == 0 || n <= operation->n_client_released)
        return;
    operation->n_client_released = n;
    add_session(&message, operation);
    field_add(&message, 3, model_operation_id(operation));
    field_add(&until, 1, model_response_id(operation, n - 1));
    field_add(&message, 6, text_string(&until));
    (void)begin(METHOD_RELEASE_EXECUTE, operation, &message);
}

static unsigned count_releases(const ModelOperation *operation)
{
    unsigned n = 0;
    list_for_each(link, &clients.calls)
    {
        const ClientCall *call = container_of(link, const ClientCall, link);
        n += call->operation == operation && call->is_open && !is_stream(call);
    }
    return n;
}

void client_release_all(unsigned pick)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    ModelOperation *operation = pick_operation(pick);
    if (!operation || is_being_sent(operation) || count_releases(operation) > 0)
        return;
    operation->client_released_all = true;
    add_session(&message, operation);
    field_add(&message, 3, model_operation_id(operation));
    field_add(&message, 5, "");
    begin(METHOD_RELEASE_EXECUTE, operation, &message)->release_all = true;
}

/* One that brings results. NULL: there is none. */
static ClientCall *pick_call(unsigned pick)
{
    unsigned n = 0;
    list_for_each(link, &clients.calls)
    {
        const ClientCall *call = container_of(link, const ClientCall, link);
        n += call->is_open && is_stream(call);
    }
    unsigned i = 0;
    list_for_each(link, &clients.calls)
    {
        ClientCall *call = container_of(link, ClientCall, link);
        if (call->is_open && is_stream(call) && i++ == pick % n)
            return call;
    }
    return NULL;
}

void client_cancel(unsigned pick)
{
    ClientCall *call = pick_call(pick);
    if (!call)
        return;
    model_tell("client %u: cancels %s", call->client, name_of(call));
    call->is_cancelled = true;
    call->is_open = false;
    (void)nghttp2_submit_rst_stream(clients.endpoints[call->client].session, 0, call->stream, NGHTTP2_CANCEL);
}

static void consume(ClientCall *call)
{
    call->is_paused = false;
    if (call->is_open)
        (void)nghttp2_session_consume_stream(clients.endpoints[call->client].session, call->stream,
                                             call->n_unconsumed);
    call->n_unconsumed = 0;
}

void client_pause(unsigned pick)
{
    ClientCall *call = pick_call(pick);
    if (!call)
        return;
    model_tell("client %u: %s %s", call->client, call->is_paused ? "reads" : "does not read", name_of(call));
    if (call->is_paused)
        consume(call);
    else
        call->is_paused = call->was_paused = true;
}

void client_die(unsigned client)
{
    client %= MODEL_N_CLIENTS;
    model_tell("client %u: its connection breaks", client);
    list_for_each(link, &clients.calls)
    {
        ClientCall *call = container_of(link, ClientCall, link);
        call->is_open &= call->client != client;
    }
    endpoint_close(&clients.endpoints[client]);
}

/* ---- life */

void clients_open(int listener)
{
    clients.address_length = sizeof clients.address;
    if (getsockname(listener, (struct sockaddr *)&clients.address, &clients.address_length) != 0)
        abort();
    list_init(&clients.calls);
}

bool clients_pump(bool reads)
{
    bool moved = false;
    for (unsigned i = 0; i < MODEL_N_CLIENTS; i++) {
        if (!endpoint_is_open(&clients.endpoints[i]))
            continue;
        EndpointPump pump = endpoint_pump(&clients.endpoints[i], reads);
        moved |= pump != ENDPOINT_QUIET;
        if (pump != ENDPOINT_GONE)
            continue;
        model_violated("the daemon has closed the connection of client %u", i);
        client_die(i);
    }
    return moved;
}

void clients_finish(void)
{
    list_for_each(link, &clients.calls) consume(container_of(link, ClientCall, link));
}

unsigned clients_count_calls(const ModelOperation *operation)
{
    unsigned n = 0;
    list_for_each(link, &clients.calls)
    {
        const ClientCall *call = container_of(link, const ClientCall, link);
        n += call->is_open && (!operation || (call->operation == operation && is_stream(call)));
    }
    return n;
}

void clients_reset(void)
{
    for (unsigned i = 0; i < MODEL_N_CLIENTS; i++)
        endpoint_close(&clients.endpoints[i]);
    for (ListLink *link; (link = list_first(&clients.calls));) {
        ClientCall *call = container_of(link, ClientCall, link);
        list_remove(&clients.calls, link);
        text_deinit(&call->request);
        free(call);
    }
}
