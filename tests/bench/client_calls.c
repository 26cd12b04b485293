#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define PREFIX    5
#define KEPT      512 /* of the end of a message */
#define MAX_NAMES 20

typedef enum CallKind { CALL_CONFIG, CALL_EXECUTE, CALL_UPLOAD, CALL_RELEASE } CallKind;

typedef struct Call {
    struct Call *next_free;
    Connection *connection;
    CallKind kind;
    Body body;
    uint64_t due_ns, n_messages, n_bytes, n_data; /* n_data: of the messages themselves */
    bool has_status, is_first_seen;
    int status;
    char operation[ID_SIZE], response[ID_SIZE];
    uint8_t prefix[PREFIX];
    size_t n_prefix, left; /* of the message that is coming in */
    uint8_t kept[KEPT];
    size_t n_kept;
} Call;

static Call *free_calls;

static Call *call_new(Connection *connection, CallKind kind, uint64_t due_ns)
{
    Call *call = free_calls;
    if (call)
        free_calls = call->next_free;
    else if (!(call = malloc(sizeof(*call))))
        abort();
    call->connection = connection;
    call->kind = kind;
    call->due_ns = due_ns;
    call->n_messages = call->n_bytes = call->n_data = 0;
    call->has_status = call->is_first_seen = false;
    call->status = -1;
    call->response[0] = '\0';
    call->n_prefix = call->left = call->n_kept = 0;
    return call;
}

/* --- requests
 * ----------------------------------------------------------------------------------------------- */

static void make_request(Body *body)
{
    Call *call = container_of(body, Call, body);
    const Connection *connection = call->connection;
    Bytes request = BYTES_NULL;
    if (call->kind == CALL_CONFIG)
        message_config(&request, connection->session);
    else if (call->kind == CALL_EXECUTE)
        message_execute(&request, connection->session, call->operation, &connection->client->options->order);
    else
        message_release(&request, connection->session, call->operation,
                        call->response[0] ? call->response : NULL);
    body->is_last = true;
    body_set(body, &request, 0, &(Bytes)BYTES_NULL);
    bytes_deinit(&request);
}

static void make_chunk(Body *body)
{
    Call *call = container_of(body, Call, body);
    const Connection *connection = call->connection;
    const Options *options = connection->client->options;
    uint64_t before = body->index * options->chunk;
    uint64_t left = options->upload - before;
    size_t chunk = (size_t)(left < options->chunk ? left : options->chunk);
    Bytes request = BYTES_NULL;
    message_artifact(&request, connection->session, body->index, chunk, options->upload);
    body->is_last = left <= options->chunk;
    body_set(body, &request, chunk, &(Bytes)BYTES_NULL);
    call->n_data += PREFIX + request.length + chunk;
    bytes_deinit(&request);
}

#define HEADER(name, value)                                                                                  \
    {                                                                                                        \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,    \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                     \
    }
#define PATH(name) HEADER(":path", "/spark.connect.SparkConnectService/" name)

/* What PySpark's grpcio sends. */
static const nghttp2_nv common_headers[] = {
    HEADER(":method", "POST"),
    HEADER(":scheme", "http"),
    HEADER(":authority", "localhost:15002"),
    HEADER("te", "trailers"),
    HEADER("content-type", "application/grpc"),
    HEADER("user-agent", "_SPARK_CONNECT_PYTHON spark/4.3.0 os/linux python/3.11.2 grpc-python/1.76.0 "
                         "grpc-c/51.0.0 (linux; chttp2)"),
    HEADER("grpc-accept-encoding", "identity, deflate, gzip"),
};
#define N_COMMON (sizeof(common_headers) / sizeof(common_headers[0]))

static const nghttp2_nv paths[] = {
    [CALL_CONFIG] = PATH("Config"),
    [CALL_EXECUTE] = PATH("ExecutePlan"),
    [CALL_UPLOAD] = PATH("AddArtifacts"),
    [CALL_RELEASE] = PATH("ReleaseExecute"),
};

static nghttp2_nv request_headers[MAX_NAMES];
static size_t n_request_headers;

static void submit(Call *call)
{
    Client *client = call->connection->client;
    nghttp2_data_provider provider = {.source.ptr = &call->body, .read_callback = body_read};
    call->body.make = call->kind == CALL_UPLOAD ? make_chunk : make_request;
    call->body.with_trailers = call->body.waits = false;
    call->body.n_sent = &client->counts.bytes_out;
    body_begin(&call->body);
    request_headers[1] = paths[call->kind];
    size_t n_headers = call->kind == CALL_RELEASE ? N_COMMON + 1 : n_request_headers;
    if (nghttp2_submit_request(call->connection->link.session, NULL, request_headers, n_headers, &provider,
                               call) < 0)
        fail("nghttp2 takes no more requests");
    client->n_in_flight++;
}

void call_begin(Connection *connection, uint64_t due_ns)
{
    static const CallKind kinds[] = {
        [LOAD_UNARY] = CALL_CONFIG, [LOAD_STREAM] = CALL_EXECUTE,      [LOAD_UPLOAD] = CALL_UPLOAD,
        [LOAD_IDLE] = CALL_CONFIG,  [LOAD_IDLE_STREAM] = CALL_EXECUTE, [LOAD_STALLED] = CALL_EXECUTE,
    };
    Client *client = connection->client;
    Call *call = call_new(connection, kinds[client->options->kind], due_ns);
    snprintf(call->operation, sizeof(call->operation), "0be7a000-0000-4000-8000-%012" PRIx64,
             client->n_begun++ & 0xffffffffff);
    connection->n_calls++;
    submit(call);
}

static void release(const Call *of, const char *response)
{
    Call *call = call_new(of->connection, CALL_RELEASE, 0);
    memcpy(call->operation, of->operation, sizeof(call->operation));
    if (response)
        memcpy(call->response, response, sizeof(call->response));
    submit(call);
}

/* --- responses
 * ---------------------------------------------------------------------------------------------- */

static void message_ended(Call *call)
{
    Client *client = call->connection->client;
    call->n_messages++;
    if (call->kind == CALL_RELEASE)
        return;
    client->counts.messages++;
    if (!call->is_first_seen) {
        call->is_first_seen = true;
        histogram_add(&client->counts.first_message, now_ns() - call->due_ns);
    }
    bool is_result = call->kind == CALL_EXECUTE && call->n_messages <= client->options->order.messages;
    if (!is_result || client->options->kind != LOAD_STREAM)
        return;
    char id[ID_SIZE];
    if (!message_find_response_id(call->kept, call->n_kept, call->operation, id))
        client_error(client, "message %" PRIu64 " has no response id", call->n_messages);
    else if (client->options->releases)
        release(call, id);
}

/* The last KEPT bytes of the message are all that is looked at. */
static void keep_end(Call *call, const uint8_t *data, size_t length)
{
    size_t left_after = call->left - length;
    if (left_after >= KEPT)
        return;
    if (length > KEPT) {
        data += length - KEPT;
        length = KEPT;
    }
    if (call->n_kept + length > KEPT) {
        size_t drop = call->n_kept + length - KEPT;
        memmove(call->kept, call->kept + drop, call->n_kept - drop);
        call->n_kept -= drop;
    }
    memcpy(call->kept + call->n_kept, data, length);
    call->n_kept += length;
}

static void take_data(Call *call, const uint8_t *data, size_t length)
{
    while (length > 0) {
        if (call->n_prefix < PREFIX) {
            call->prefix[call->n_prefix++] = *data++;
            length--;
            if (call->n_prefix < PREFIX)
                continue;
            call->left = (size_t)call->prefix[1] << 24 | (size_t)call->prefix[2] << 16 |
                         (size_t)call->prefix[3] << 8 | call->prefix[4];
            call->n_kept = 0;
        }
        size_t part = length < call->left ? length : call->left;
        keep_end(call, data, part);
        call->left -= part;
        data += part;
        length -= part;
        if (call->left == 0) {
            call->n_prefix = 0;
            message_ended(call);
        }
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t length, void *user_data)
{
    Call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)flags;
    (void)user_data;
    if (!call)
        return 0;
    call->n_bytes += length;
    call->connection->client->counts.bytes_in += length;
    take_data(call, data, length);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    if (name_length == 11 && memcmp(name, "grpc-status", 11) == 0 && value_length > 0) {
        Call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (call) {
            call->has_status = true;
            call->status = value_length == 1 ? value[0] - '0' : 99;
        }
    }
    return 0;
}

static bool says_bytes(const Call *call, char note[64], uint64_t n)
{
    int length = snprintf(note, 64, "bytes=%" PRIu64, n);
    return memmem(call->kept, call->n_kept, note, (size_t)length) != NULL;
}

/* NULL: as it should be. */
static const char *complaint(const Call *call, char note[64])
{
    const Options *options = call->connection->client->options;
    if (!call->has_status)
        return "no grpc-status";
    if (call->status != 0)
        return "not OK";
    uint64_t expected = call->kind == CALL_EXECUTE ? options->order.messages + 1 : 1;
    if (call->n_messages != expected || call->n_prefix != 0)
        return "too few or too many messages";
    if (call->kind == CALL_EXECUTE && call->n_bytes < options->order.messages * options->order.size)
        return "too few bytes";
    if (call->kind == CALL_UPLOAD && !says_bytes(call, note, call->n_data) &&
        !says_bytes(call, note,
                    call->n_data - PREFIX * call->body.index)) /* fake-server counts no prefixes */
        return "the upload did not arrive whole";
    return NULL;
}

static void call_ended(Call *call, uint32_t error_code)
{
    Connection *connection = call->connection;
    Client *client = connection->client;
    char note[64];
    const char *wrong = error_code == 0 ? complaint(call, note) : "reset";
    client->n_in_flight--;
    if (wrong)
        client_error(client, "%.*s: %s (grpc-status %d, HTTP/2 error %u, %" PRIu64 " messages)",
                     (int)paths[call->kind].valuelen, (const char *)paths[call->kind].value, wrong,
                     call->status, error_code, call->n_messages);
    if (call->kind == CALL_RELEASE) {
        client->counts.releases++;
        return;
    }
    client->counts.calls++;
    histogram_add(&client->counts.latency, now_ns() - call->due_ns);
    connection->n_calls--;
    if (call->kind == CALL_EXECUTE && !wrong)
        release(call, NULL);
    if (!wrong) /* else a server that refuses would be asked for ever */
        schedule_ended(connection);
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user_data)
{
    Call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)user_data;
    if (!call)
        return 0;
    call_ended(call, error_code);
    call->next_free = free_calls;
    free_calls = call;
    return 0;
}

void calls_prepare(Client *client)
{
    nghttp2_nv *to = request_headers;
    *to++ = common_headers[0];
    to++; /* :path */
    for (size_t i = 1; i < N_COMMON; i++)
        *to++ = common_headers[i];
    for (size_t i = 0; i < client->options->n_headers; i++)
        *to++ = client->options->headers[i];
    n_request_headers = (size_t)(to - request_headers);
    if (nghttp2_session_callbacks_new(&client->callbacks) != 0)
        abort();
    link_prepare_callbacks(client->callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(client->callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(client->callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(client->callbacks, on_stream_close);
}
