#include "spark_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "spark/codec.h"

#define STREAM_LAST INT32_MAX
#define INTERNAL    "13"
#define UNAVAILABLE "14"

static struct {
    int listener;
    uint16_t port;
    List connections, calls; /* all of this script's */
    unsigned n_connections;
    bool refuses, fails_next_unary;
} server = {.listener = -1};

/* ---- answers */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static ssize_t read_source(nghttp2_session *session, int32_t stream, uint8_t *bytes, size_t length,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    ServerCall *call = source->ptr;
    size_t n = call->allowed - call->next;
    (void)user;
    if (n > length)
        n = length;
    if (n > call->connection->max_data)
        n = call->connection->max_data;
    if (n > 0)
        memcpy(bytes, call->source->bytes + call->next, n);
    call->next += n;
    if (call->state == SERVER_CALL_ENDING && call->next == call->allowed) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        nghttp2_nv trailers[] = {header("grpc-status", call->status), header("grpc-message", call->message)};
        if (!call->ends_plainly) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            (void)nghttp2_submit_trailer(session, stream, trailers, call->message[0] ? 2 : 1);
        }
    } else if (n == 0) {
        call->waits = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

static bool is_alive(const ServerCall *call)
{
    return call->state != SERVER_CALL_CLOSED && endpoint_is_open(&call->connection->endpoint);
}

/* Sends what is allowed by now. */
static void go_on(ServerCall *call)
{
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc"),
                            header("grpc-status", call->status), header("grpc-message", call->message)};
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_source};
    if (!is_alive(call))
        return;
    nghttp2_session *session = call->connection->endpoint.session;
    bool is_status_alone = call->state == SERVER_CALL_ENDING && call->next == call->allowed;
    if (!call->headers_sent && is_status_alone)
        (void)nghttp2_submit_response(session, call->stream, headers,
                                      call->ends_plainly ? 2
                                      : call->message[0] ? 4
                                                         : 3,
                                      NULL);
    else if (!call->headers_sent)
        (void)nghttp2_submit_response(session, call->stream, headers, 2, &provider);
    else if (call->waits)
        (void)nghttp2_session_resume_data(session, call->stream);
    call->headers_sent = true;
    call->waits = false;
}

static void let_go(ServerCall *call)
{
    ModelOperation *operation = call->operation;
    if (!operation || operation->attached != call)
        return;
    operation->attached = NULL;
    operation->exists &= operation->is_reattachable; /* nobody could come back for it */
}

static void end_call(ServerCall *call, const char *status, const char *message)
{
    let_go(call);
    (void)snprintf(call->status, sizeof call->status, "%s", status);
    (void)snprintf(call->message, sizeof call->message, "%s", message);
    call->state = SERVER_CALL_ENDING;
    go_on(call);
}

/* A message that has begun is sent whole. */
static void round_up(ServerCall *call)
{
    ModelOperation *operation = call->operation;
    if (call->state != SERVER_CALL_STREAMING)
        return;
    unsigned n = model_count_whole(operation, call->allowed);
    if (call->allowed > model_length_of(operation, n))
        call->allowed = model_length_of(operation, n + 1);
}

/* ---- what requests do */

static void attach(ServerCall *call, unsigned n_known)
{
    ModelOperation *operation = call->operation;
    if (operation->attached) {
        ServerCall *older = operation->attached;
        round_up(older);
        end_call(older, INTERNAL, "[INVALID_CURSOR.DISCONNECTED] The cursor has been disconnected");
    }
    operation->attached = call;
    call->state = SERVER_CALL_STREAMING;
    call->source = &operation->bytes;
    call->next = call->allowed = model_length_of(operation, n_known);
    if (operation->number % 2) /* else with the first response */
        go_on(call);
}

static void execute(ServerCall *call)
{
    ModelOperation *operation = call->operation;
    if (operation->exists)
        model_violated("%s is executed while it exists", model_operation_id(operation));
    else if (operation->has_run && !operation->may_run_again)
        model_violated("%s is executed again, and nobody has said that it is unknown",
                       model_operation_id(operation));
    else if (operation->has_run && operation->n_received > 0)
        model_violated("%s is executed again, and its client has results of it",
                       model_operation_id(operation));
    else if (operation->has_run && operation->n_release_all > 0)
        model_violated("%s is executed again after release_all", model_operation_id(operation));
    else if (operation->has_run && !operation->is_reattachable)
        model_violated("%s is executed again, and is not reattachable", model_operation_id(operation));
    operation->exists = operation->has_run = true;
    operation->may_run_again = false;
    operation->n_released = 0;
    attach(call, 0);
}

static void reattach(ServerCall *call, const char *last_response_id)
{
    ModelOperation *operation = call->operation;
    unsigned n_known = last_response_id ? model_count_up_to(operation, last_response_id) : 0;
    if (!operation->is_reattachable)
        model_violated("%s is reattached, and cannot be", model_operation_id(operation));
    if (last_response_id && n_known == 0)
        model_violated("%s is reattached after %s, which it does not have", model_operation_id(operation),
                       last_response_id);
    if (!operation->exists) {
        operation->unknown_was_told = operation->may_run_again = true;
        end_call(call, INTERNAL, "[INVALID_HANDLE.OPERATION_NOT_FOUND] Operation not found");
    } else if (n_known < operation->n_released) {
        model_violated("%s is reattached after %u responses, and %u are released",
                       model_operation_id(operation), n_known, operation->n_released);
        end_call(call, INTERNAL, "[INVALID_CURSOR.POSITION_NOT_AVAILABLE] gone");
    } else {
        attach(call, n_known);
    }
}

static void release_until(ModelOperation *operation, const char *response_id)
{
    unsigned n = response_id ? model_count_up_to(operation, response_id) : 0;
    if (n == 0 || n > operation->n_client_released)
        model_violated("%s is released until %s, and the client has released %u responses",
                       model_operation_id(operation), response_id ? response_id : "nothing",
                       operation->n_client_released);
    if (operation->n_release_all > 0)
        model_violated("%s is released until %s after release_all", model_operation_id(operation),
                       response_id);
    if (n > operation->n_released)
        operation->n_released = n;
}

static void release_all(ModelOperation *operation)
{
    if (!operation->client_released_all)
        model_violated("%s is released, and its client has not asked for that",
                       model_operation_id(operation));
    operation->n_release_all++;
    operation->exists = false;
    if (operation->attached) {
        round_up(operation->attached);
        end_call(operation->attached, INTERNAL, "[OPERATION_CANCELED] Operation has been canceled");
    }
}

static void answer_release(ServerCall *call)
{
    uint8_t bytes[256];
    ModelOperation *operation = call->operation;
    size_t length = codec_write_release_response(bytes, sizeof bytes, model_session_id(operation->client),
                                                 model_operation_id(operation), "srv");
    text_append_bytes(&call->answer, (const char *)bytes, length);
    call->source = &call->answer;
    call->allowed = length;
    end_call(call, "0", "");
}

static void process(ServerCall *call)
{
    const Envelope *envelope = &call->watch.envelope;
    const char *response_id = envelope_text(envelope, ENVELOPE_RESPONSE_ID);
    ModelOperation *operation = model_find_operation(envelope_text(envelope, ENVELOPE_OPERATION_ID));
    if (call->connection->last_processed < call->stream)
        call->connection->last_processed = call->stream;
    call->operation = operation;
    model_tell("server: %s of %s%s%s, stream %d of connection %u", call->method ? call->method->name : "?",
               operation ? model_operation_id(operation) : "nothing", response_id ? ", after " : "",
               response_id ? response_id : "", call->stream, call->connection->number);
    if (!operation || !call->method) {
        model_violated("a request is about no operation");
        end_call(call, "0", "");
    } else if (call->method->id == METHOD_EXECUTE_PLAN) {
        execute(call);
    } else if (call->method->id == METHOD_REATTACH_EXECUTE) {
        reattach(call, response_id);
    } else if (server.fails_next_unary) {
        server.fails_next_unary = false;
        end_call(call, UNAVAILABLE, "not now");
    } else {
        if (envelope->flags[ENVELOPE_RELEASE_ALL])
            release_all(operation);
        else
            release_until(operation, response_id);
        answer_release(call);
    }
}

/* ---- HTTP/2 */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    ServerCall *call = mem_new(ServerCall);
    call->connection = user;
    call->stream = frame->hd.stream_id;
    message_watch_reset(&call->watch);
    list_link_init(&call->link);
    list_append(&server.calls, &call->link);
    return nghttp2_session_set_stream_user_data(session, call->stream, call);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
    ServerCall *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags, (void)user;
    if (call && name_length == 5 && memcmp(name, ":path", 5) == 0)
        call->method = method_find((const char *)value, value_length);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t length, void *user)
{
    ServerCall *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags, (void)user;
    if (call && call->method)
        (void)message_watch_feed(&call->watch, call->method->request, bytes, length);
    return 0;
}

/* The operation that a request is about, whether it has been looked at or not. */
static ModelOperation *operation_of(const ServerCall *call)
{
    return call->operation
               ? call->operation
               : model_find_operation(envelope_text(&call->watch.envelope, ENVELOPE_OPERATION_ID));
}

static void forget(ServerCall *call)
{
    ModelOperation *operation = operation_of(call);
    if (operation && call->state <= SERVER_CALL_HELD) {
        operation->n_unprocessed++;
        operation->n_faults += call->connection->endpoint.is_closing; /* that will not be heard any more */
    }
    let_go(call);
    call->state = SERVER_CALL_CLOSED;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    ServerConnection *connection = user;
    ServerCall *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool ends = frame->hd.type <= NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!call || !ends || call->state != SERVER_CALL_RECEIVING)
        return 0;
    call->state = SERVER_CALL_HELD;
    if (connection->endpoint.is_closing && operation_of(call))
        operation_of(call)->n_faults++; /* no answer will leave any more */
    if (call->stream > connection->goaway_last)
        forget(call);
    else if (!connection->holds)
        process(call);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    ServerCall *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)error, (void)user;
    if (call && call->state != SERVER_CALL_CLOSED)
        forget(call);
    return 0;
}

static const nghttp2_session_callbacks *callbacks(void)
{
    static nghttp2_session_callbacks *made;
    if (made)
        return made;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    return made;
}

/* ---- connections */

void server_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(server.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server.listener, 64) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &length) != 0)
        abort();
    server.port = ntohs(address.sin_port);
    list_init(&server.connections);
    list_init(&server.calls);
}

uint16_t server_port(void)
{
    return server.port;
}

static bool accept_one(void)
{
    int yes = 1, fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ServerConnection *connection = mem_new(ServerConnection);
    list_link_init(&connection->link);
    connection->number = server.n_connections++;
    connection->goaway_last = STREAM_LAST;
    connection->max_data = 16384;
    list_append(&server.connections, &connection->link);
    endpoint_open(&connection->endpoint, fd, true, callbacks(), connection);
    model_tell("server: connection %u%s", connection->number, server.refuses ? " refused" : "");
    if (server.refuses)
        endpoint_close(&connection->endpoint);
    return true;
}

/* Its calls are hit by something that is not their own; those that are over, too: that may not be known. */
static void note_fault(ServerConnection *connection)
{
    model.a_goaway_is_lost |= connection->goaway_last != STREAM_LAST;
    list_for_each(link, &server.calls)
    {
        const ServerCall *call = container_of(link, const ServerCall, link);
        if (call->connection == connection && operation_of(call))
            operation_of(call)->n_faults++;
    }
}

static void close_connection(ServerConnection *connection, bool processes)
{
    if (!endpoint_is_open(&connection->endpoint))
        return;
    model_tell("server: connection %u ends", connection->number);
    note_fault(connection);
    list_for_each(link, &server.calls)
    {
        ServerCall *call = container_of(link, ServerCall, link);
        if (call->connection != connection || call->state == SERVER_CALL_CLOSED)
            continue;
        if (call->state == SERVER_CALL_HELD && processes)
            process(call);
        forget(call);
    }
    endpoint_close(&connection->endpoint);
}

bool server_pump(bool reads)
{
    bool moved = reads && accept_one();
    list_for_each(link, &server.connections)
    {
        ServerConnection *connection = container_of(link, ServerConnection, link);
        if (!endpoint_is_open(&connection->endpoint))
            continue;
        EndpointPump pump = endpoint_pump(&connection->endpoint, reads);
        if (pump == ENDPOINT_GONE)
            close_connection(connection, false);
        moved |= pump != ENDPOINT_QUIET;
    }
    return moved;
}

void server_reset(void)
{
    for (ListLink *link; (link = list_first(&server.connections));) {
        ServerConnection *connection = container_of(link, ServerConnection, link);
        endpoint_close(&connection->endpoint);
        list_remove(&server.connections, link);
        free(connection);
    }
    for (ListLink *link; (link = list_first(&server.calls));) {
        ServerCall *call = container_of(link, ServerCall, link);
        list_remove(&server.calls, link);
        text_deinit(&call->answer);
        free(call);
    }
    for (int fd; (fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        (void)close(fd);
    server.n_connections = 0;
    server.refuses = server.fails_next_unary = false;
}

/* ---- steps */

/* One of those that are held, or bring results. NULL: there are none. */
static ServerCall *pick_call(unsigned pick, ServerCallState state)
{
    unsigned n = 0;
    for (int pass = 0; pass < 2; pass++) {
        unsigned i = 0;
        list_for_each(link, &server.calls)
        {
            ServerCall *call = container_of(link, ServerCall, link);
            bool fits = call->state >= state && call->state <= SERVER_CALL_STREAMING && is_alive(call);
            if (fits && pass == 1 && i == pick % n)
                return call;
            i += fits;
        }
        if ((n = i) == 0)
            return NULL;
    }
    return NULL;
}

static ServerConnection *pick_connection(unsigned pick)
{
    ServerConnection *found = NULL;
    list_for_each(link, &server.connections)
    {
        ServerConnection *connection = container_of(link, ServerConnection, link);
        if (endpoint_is_open(&connection->endpoint) &&
            (!found || pick % 2)) /* there are hardly more than two */
            found = connection;
    }
    return found;
}

void server_send(unsigned pick, unsigned n, unsigned part)
{
    ServerCall *call = pick_call(pick, SERVER_CALL_STREAMING);
    if (!call)
        return;
    const ModelOperation *operation = call->operation;
    unsigned from = model_count_whole(operation, call->allowed), to = from + n;
    to = to < operation->n_responses ? to : operation->n_responses;
    size_t until = model_length_of(operation, to);
    if (to < operation->n_responses)
        until += (operation->ends[to] - until) * part / 256;
    if (until > call->allowed)
        call->allowed = until;
    call->connection->max_data = pick & 256                  ? 16384
                                 : until - call->next < 1000 ? 1 + pick / 512
                                                             : 500 + pick / 64;
    model_tell("server: %s may be sent up to response %u and %u/256", model_operation_id(operation), to,
               part);
    go_on(call);
}

/* In place of an answer that has not begun. */
static void answer_page(ServerCall *call)
{
    nghttp2_nv headers[] = {header(":status", "502"), header("content-type", "text/html")};
    let_go(call);
    call->state = SERVER_CALL_ENDING;
    (void)nghttp2_submit_response(call->connection->endpoint.session, call->stream, headers, 2, NULL);
}

void server_end(unsigned pick, ServerEnd end)
{
    ServerCall *call = pick_call(pick, SERVER_CALL_HELD);
    if (!call || !operation_of(call))
        return;
    ModelOperation *operation = operation_of(call);
    bool is_whole = call->state == SERVER_CALL_STREAMING && call->allowed == operation->bytes.length;
    if (end == SERVER_END_FOR_NOW &&
        (call->state == SERVER_CALL_HELD || (!operation->is_reattachable && !is_whole)))
        return;
    model_tell("server: a call of %s ends, kind %d", model_operation_id(operation), (int)end);
    operation->n_faults++;
    if (end == SERVER_END_FOR_NOW || end == SERVER_END_FAILED || pick % 2)
        round_up(call);
    operation->said_unavailable |=
        end == SERVER_END_UNAVAILABLE || (end == SERVER_END_PAGE && call->headers_sent);
    operation->has_failed |= end == SERVER_END_FAILED;
    call->ends_plainly = end == SERVER_END_NO_STATUS;
    if (end == SERVER_END_FOR_NOW)
        end_call(call, "0", "");
    else if (end == SERVER_END_PAGE && !call->headers_sent)
        answer_page(call);
    else if (end == SERVER_END_FAILED)
        end_call(call, INTERNAL, "[DIVIDE_BY_ZERO] Division by zero");
    else
        end_call(call, UNAVAILABLE, "upstream connect error");
}

void server_reset_call(unsigned pick, uint32_t http2_error)
{
    ServerCall *call = pick_call(pick, SERVER_CALL_HELD);
    if (!call)
        return;
    if (call->state != SERVER_CALL_HELD && http2_error == NGHTTP2_REFUSED_STREAM)
        http2_error = NGHTTP2_CANCEL; /* it has been looked at: anything else would be a lie */
    model_tell("server: stream %d of connection %u is reset, error %u", call->stream,
               call->connection->number, http2_error);
    if (operation_of(call))
        operation_of(call)->n_faults++;
    forget(call);
    (void)nghttp2_submit_rst_stream(call->connection->endpoint.session, 0, call->stream, http2_error);
}

void server_go_away(unsigned pick, unsigned last)
{
    ServerConnection *connection = pick_connection(pick);
    if (!connection || connection->endpoint.is_closing)
        return;
    int32_t last_id = last % 3 == 0 ? connection->goaway_last : connection->last_processed;
    model_tell("server: GOAWAY on connection %u, last stream %d", connection->number, last_id);
    if (last_id == STREAM_LAST) { /* what is on its way is still taken */
        (void)nghttp2_submit_shutdown_notice(connection->endpoint.session);
        return;
    }
    connection->goaway_last = last_id;
    (void)nghttp2_submit_goaway(connection->endpoint.session, 0, last_id, NGHTTP2_NO_ERROR, NULL, 0);
    list_for_each(link, &server.calls)
    {
        ServerCall *call = container_of(link, ServerCall, link);
        if (call->connection == connection && call->state == SERVER_CALL_HELD && call->stream > last_id)
            forget(call);
    }
}

void server_cut(unsigned pick, unsigned share, bool shuts, bool processes)
{
    ServerConnection *connection = pick_connection(pick);
    if (!connection || connection->endpoint.is_closing)
        return;
    model_tell("server: connection %u is cut%s", connection->number, shuts ? ", with a proper end" : "");
    endpoint_write_part(&connection->endpoint, share);
    note_fault(connection);
    if (shuts)
        endpoint_shut(&connection->endpoint);
    else
        close_connection(connection, processes);
}

static void process_held(ServerConnection *connection)
{
    list_for_each(link, &server.calls)
    {
        ServerCall *call = container_of(link, ServerCall, link);
        if (call->connection == connection && call->state == SERVER_CALL_HELD)
            process(call);
    }
}

void server_hold(unsigned pick, bool holds)
{
    ServerConnection *connection = pick_connection(pick);
    if (!connection)
        return;
    model_tell("server: connection %u %s", connection->number, holds ? "holds" : "goes on");
    connection->holds = holds;
    if (!holds)
        process_held(connection);
}

void server_refuse(bool refuses)
{
    server.refuses = refuses;
}

void server_lose(unsigned pick)
{
    ModelOperation *operation = model.n_operations ? &model.operations[pick % model.n_operations] : NULL;
    if (!operation || !operation->exists || operation->attached)
        return;
    model_tell("server: %s is forgotten", model_operation_id(operation));
    operation->exists = false;
}

void server_fail_next_unary(void)
{
    server.fails_next_unary = true;
}

bool server_finish(void)
{
    bool moved = server.refuses;
    server.refuses = server.fails_next_unary = false;
    list_for_each(link, &server.connections)
    {
        ServerConnection *connection = container_of(link, ServerConnection, link);
        connection->holds = false;
        if (endpoint_is_open(&connection->endpoint) && !connection->endpoint.is_closing)
            process_held(connection);
    }
    for (ServerCall *call; (call = pick_call(0, SERVER_CALL_STREAMING));) {
        call->allowed = call->operation->bytes.length;
        end_call(call, "0", "");
        moved = true;
    }
    return moved;
}

unsigned server_count_streams(const ModelOperation *operation)
{
    unsigned n = 0;
    list_for_each(link, &server.calls)
    {
        const ServerCall *call = container_of(link, const ServerCall, link);
        n += call->state == SERVER_CALL_STREAMING && call->operation == operation && is_alive(call);
    }
    return n;
}

unsigned server_count_all_streams(void)
{
    unsigned n = 0;
    list_for_each(link, &server.calls) n += is_alive(container_of(link, ServerCall, link));
    return n;
}
