#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_call.h"
#include "pattern.h"

static const char echo_initial[] = "x-echo-initial-", echo_trailing[] = "x-echo-trailing-";

static bool starts_with(grpc_slice key, const char *prefix)
{
    return GRPC_SLICE_LENGTH(key) >= strlen(prefix) &&
           memcmp(GRPC_SLICE_START_PTR(key), prefix, strlen(prefix)) == 0;
}

/* Metadata is returned as it came, in order; its slices belong to the call's request metadata. */
static size_t collect(grpc_metadata *out, size_t room, const grpc_metadata_array *from, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < from->count && n < room; i++)
        if (starts_with(from->metadata[i].key, prefix))
            out[n++] = (grpc_metadata){.key = from->metadata[i].key, .value = from->metadata[i].value};
    return n;
}

static grpc_op headers_op(FakeCall *call)
{
    call->headers_sent = true;
    size_t room = sizeof(call->headers) / sizeof(call->headers[0]);
    if (!call->script.trailers_only)
        call->n_headers = collect(call->headers, room - 1, &call->metadata, echo_initial);
    if (call->script.gzip)
        call->headers[call->n_headers++] =
            (grpc_metadata){.key = grpc_slice_from_static_string(GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY),
                            .value = grpc_slice_from_static_string("gzip")};
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    op.data.send_initial_metadata.count = call->n_headers;
    op.data.send_initial_metadata.metadata = call->headers;
    return op;
}

static void start_write(FakeCall *call, const grpc_op *ops, size_t n_ops)
{
    call->writing_now = true;
    call->n_pending++;
    loop_start_batch(call->call, ops, n_ops, &call->writing);
}

void fake_call_send_headers(FakeCall *call)
{
    grpc_op op = headers_op(call);
    start_write(call, &op, 1);
}

static void on_stall(Timer *timer)
{
    fake_call_report_stall(container_of(timer, FakeCall, stall));
}

void fake_call_send(FakeCall *call, grpc_byte_buffer *buffer)
{
    grpc_op ops[2];
    size_t n = 0;
    if (!call->headers_sent)
        ops[n++] = headers_op(call);
    call->sending = buffer;
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
    ops[n++].data.send_message.send_message = buffer;
    call->n_sent_bytes += grpc_byte_buffer_length(buffer);
    if (call->script.stall_ms > 0)
        timer_start(&call->server->loop, &call->stall, call->script.stall_ms, on_stall);
    start_write(call, ops, n);
}

void fake_call_finish(FakeCall *call)
{
    if (call->status_sent || call->closed)
        return;
    call->status_sent = true;
    grpc_op ops[2];
    size_t n = 0, room = sizeof(call->trailers) / sizeof(call->trailers[0]);
    if (!call->headers_sent)
        ops[n++] = headers_op(call);
    call->n_trailers = collect(call->trailers, room - 1, &call->metadata, echo_trailing);
    if (call->script.details.length > 0)
        call->trailers[call->n_trailers++] = (grpc_metadata){
            .key = grpc_slice_from_static_string("grpc-status-details-bin"),
            .value = grpc_slice_from_static_buffer(call->script.details.data, call->script.details.length)};
    grpc_slice message =
        grpc_slice_from_copied_buffer((const char *)call->status_message.data, call->status_message.length);
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    ops[n].data.send_status_from_server.trailing_metadata = call->trailers;
    ops[n].data.send_status_from_server.trailing_metadata_count = call->n_trailers;
    ops[n].data.send_status_from_server.status = (grpc_status_code)call->status;
    ops[n++].data.send_status_from_server.status_details = &message;
    call->n_pending++;
    loop_start_batch(call->call, ops, n, &call->ending);
    grpc_slice_unref(message);
}

void fake_call_interrupt(FakeCall *call, int status, const char *message)
{
    if (call->status_sent || call->closed)
        return;
    timer_stop(&call->server->loop, &call->timer);
    call->status = status;
    call->status_message.length = 0;
    bytes_append(&call->status_message, message, strlen(message));
    call->interrupted = true;
    if (!call->writing_now)
        fake_call_finish(call);
}

void fake_call_refuse(FakeCall *call, int status, const char *message)
{
    call->status = status;
    bytes_append(&call->status_message, message, strlen(message));
    call->answering = true;
    fake_call_finish(call);
}

static void describe_request(const FakeCall *call, char *text, size_t size)
{
    snprintf(text, size, "count=%" PRIu64 ",bytes=%" PRIu64 ",crc=%" PRIu32, call->n_received,
             call->n_received_bytes, call->checksum);
}

static void make_message(FakeCall *call, Bytes *out, uint64_t index)
{
    const char *session = call->server->server_session;
    char note[96];
    describe_request(call, note, sizeof(note));
    bool completes = !call->script.no_complete && call->status == 0 && index + 1 == call->n_messages;
    if (call->describes) {
        bytes_append(&call->first, "", 1);
        operations_describe(call->server->operations, (const char *)call->first.data, clock_us(), out);
    } else if (call->script.summary)
        bytes_append(out, note, strlen(note));
    else if (call->script.gzip) /* something that gzip makes smaller */
        memset(bytes_extend(out, (size_t)call->script.size), 'a' + (int)(index % 26),
               (size_t)call->script.size);
    else if (!call->method)
        pattern_fill(bytes_extend(out, (size_t)call->script.size), (size_t)call->script.size, index);
    else if (!call->method->answers_stream)
        spark_answer(out, call->method, &call->request, session, note);
    else if (completes)
        spark_complete(out, &call->request, session, index);
    else
        spark_result(out, &call->request, session, index, call->script.size);
}

static void send_next(FakeCall *call)
{
    if (call->interrupted || call->next_message >= call->n_messages || fake_call_segment_over(call)) {
        fake_call_finish(call);
        return;
    }
    Bytes message = BYTES_NULL;
    make_message(call, &message, call->next_message);
    fake_call_note_sent(call, call->next_message++, &message);
    grpc_slice slice = grpc_empty_slice();
    if (message.length > 0)
        slice = grpc_slice_new(message.data, message.length, free);
    else
        bytes_deinit(&message);
    fake_call_send(call, grpc_raw_byte_buffer_create(&slice, 1));
    grpc_slice_unref(slice);
}

static void on_timer(Timer *timer)
{
    send_next(container_of(timer, FakeCall, timer));
}

void fake_call_continue(FakeCall *call)
{
    if (!call->answering) /* response headers went out ahead */
        return;
    if (!call->interrupted && call->script.delay_ms > 0 && call->next_message > 0)
        timer_start(&call->server->loop, &call->timer, call->script.delay_ms, on_timer);
    else
        send_next(call);
}

/* Where an ExecutePlan or ReattachExecute begins and ends. False: there is no such operation. */
static bool plan_results(FakeCall *call)
{
    uint64_t index;
    FakeServer *server = call->server;
    if (call->method->operation == 6) {
        if (call->request.operation[0] == '\0')
            snprintf(call->request.operation, SPARK_ID_SIZE, "00000000-0000-4000-9000-000000000000");
        if (!call->script.has_messages)
            call->script.messages = server->messages;
        if (!call->script.has_size)
            call->script.size = server->size;
        spark_operation_add(&server->plans, call->request.operation, call->script.messages,
                            call->script.size);
    } else {
        const SparkOperation *operation = spark_operation_find(server->plans, call->request.operation);
        if (!operation)
            return false;
        call->script.messages = operation->messages;
        call->script.size = operation->size;
        if (spark_response_index(call->request.last_response, &index))
            call->next_message = index + 1;
    }
    bool completes = !call->script.no_complete && call->status == 0;
    call->n_messages = call->script.messages + (completes ? 1 : 0);
    return true;
}

static bool is_closed(const FakeCall *call)
{
    const char *closed = call->server->closed_sessions;
    return closed && call->request.session[0] && strstr(closed, call->request.session);
}

/* The client has seen another server than this one, which has none of its sessions. */
static bool is_changed(const FakeCall *call)
{
    const char *observed = call->request.observed_server_session;
    return call->server->checks_sessions && observed[0] &&
           strcmp(observed, call->server->server_session) != 0;
}

static bool contains(const FakeCall *call, const char *text)
{
    return text && call->first.length > 0 && memmem(call->first.data, call->first.length, text, strlen(text));
}

void fake_call_answer(FakeCall *call)
{
    if (call->answering || call->script.hang)
        return;
    call->answering = true;
    call->status = call->script.status;
    bytes_append(&call->status_message, call->script.message.data, call->script.message.length);
    call->n_messages = call->status != 0 && !call->script.has_messages ? 0 : call->script.messages;
    if (call->method && !call->script.trailers_only) {
        if (!spark_request_parse(call->method, call->first.data, call->first.length, &call->request)) {
            fake_call_refuse(call, GRPC_STATUS_INTERNAL, "malformed protobuf");
            return;
        }
        if (is_closed(call)) {
            fake_call_refuse(call, GRPC_STATUS_INTERNAL, "[INVALID_HANDLE.SESSION_CLOSED] it was closed");
            return;
        }
        if (contains(call, call->server->ignored))
            return;
        if (contains(call, call->server->refused)) {
            fake_call_refuse(call, GRPC_STATUS_INTERNAL, "[REFUSED] not this one");
            return;
        }
        if (is_changed(call)) {
            fake_call_refuse(call, GRPC_STATUS_INTERNAL, "[INVALID_HANDLE.SESSION_CHANGED] it is another");
            return;
        }
        if (call->server->operations && strcmp(call->method->name, "ReleaseExecute") == 0)
            operations_release(call->server->operations, &call->request);
        if (call->method->answers_stream && call->server->operations) {
            if (!fake_call_attach(call))
                return;
        } else if (call->method->answers_stream && !plan_results(call)) {
            fake_call_refuse(call, GRPC_STATUS_INTERNAL, "[INVALID_HANDLE.OPERATION_NOT_FOUND] no such one");
            return;
        }
    }
    if (call->script.trailers_only)
        call->n_messages = 0;
    if (call->script.first_delay_ms > 0)
        timer_start(&call->server->loop, &call->timer, call->script.first_delay_ms, on_timer);
    else if (!call->writing_now)
        send_next(call);
}
