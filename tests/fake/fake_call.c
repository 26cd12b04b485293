#include "fake_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/time.h>

#include "pattern.h"

/* As much of a first message as is kept for the envelope and the record. */
#define FIRST_MESSAGE_LIMIT (16u * 1024 * 1024)

static void fake_call_free(FakeCall *call)
{
    timer_stop(&call->server->loop, &call->timer);
    timer_stop(&call->server->loop, &call->stall);
    timer_stop(&call->server->loop, &call->resume);
    timer_stop(&call->server->loop, &call->sender);
    if (call->call)
        grpc_call_unref(call->call);
    if (call->received)
        grpc_byte_buffer_destroy(call->received);
    if (call->sending)
        grpc_byte_buffer_destroy(call->sending);
    grpc_call_details_destroy(&call->details);
    grpc_metadata_array_destroy(&call->metadata);
    script_deinit(&call->script);
    bytes_deinit(&call->first);
    bytes_deinit(&call->status_message);
    free(call);
}

/* Every op's completion ends here; the object may be gone afterwards. */
static void op_ended(FakeCall *call)
{
    if (--call->n_pending > 0)
        return;
    if (call->closed)
        fake_call_report_end(call);
    fake_call_free(call);
}

static void count_message(FakeCall *call, grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    grpc_slice slice;
    bool is_first = call->n_received++ == 0;
    if (is_first)
        call->first_at = ++call->server->n_first_messages;
    call->n_received_bytes += grpc_byte_buffer_length(buffer);
    if (!grpc_byte_buffer_reader_init(&reader, buffer))
        return;
    while (grpc_byte_buffer_reader_next(&reader, &slice)) {
        size_t length = GRPC_SLICE_LENGTH(slice);
        call->checksum = checksum_update(call->checksum, GRPC_SLICE_START_PTR(slice), length);
        if (is_first && call->first.length + length <= FIRST_MESSAGE_LIMIT)
            bytes_append(&call->first, GRPC_SLICE_START_PTR(slice), length);
        grpc_slice_unref(slice);
    }
    grpc_byte_buffer_reader_destroy(&reader);
}

static void on_resume(Timer *timer)
{
    FakeCall *call = container_of(timer, FakeCall, resume);
    call->script.has_consume = false;
    fake_call_read(call);
}

void fake_call_read(FakeCall *call)
{
    if (call->request_ended || call->reading_now || call->closed)
        return;
    if (call->script.has_consume && call->n_received >= call->script.consume) {
        if (call->script.resume_ms > 0)
            timer_start(&call->server->loop, &call->resume, call->script.resume_ms, on_resume);
        return;
    }
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    call->reading_now = true;
    call->n_pending++;
    loop_start_batch(call->call, &op, 1, &call->reading);
}

static void echo_ends(FakeCall *call)
{
    call->status = call->script.status;
    bytes_append(&call->status_message, call->script.message.data, call->script.message.length);
    fake_call_finish(call);
}

static void request_ended(FakeCall *call, bool ok)
{
    call->request_ended = ok && !call->closed;
    if (call->closed)
        return;
    if (!call->script.echo)
        fake_call_answer(call);
    else if (!call->writing_now)
        echo_ends(call);
}

static void on_read(Op *op, bool ok)
{
    FakeCall *call = container_of(op, FakeCall, reading);
    grpc_byte_buffer *buffer = call->received;
    call->received = NULL;
    call->reading_now = false;
    if (!buffer) {
        request_ended(call, ok);
    } else {
        count_message(call, buffer);
        if (call->script.echo && !call->closed && !call->status_sent) {
            fake_call_send(call, buffer); /* the next read follows the write */
        } else {
            grpc_byte_buffer_destroy(buffer);
            fake_call_read(call);
        }
    }
    op_ended(call);
}

static void on_written(Op *op, bool ok)
{
    FakeCall *call = container_of(op, FakeCall, writing);
    timer_stop(&call->server->loop, &call->stall);
    call->writing_now = false;
    if (call->sending) {
        grpc_byte_buffer_destroy(call->sending);
        call->sending = NULL;
        call->n_sent += ok ? 1 : 0;
    }
    if (ok && !call->closed && !call->status_sent) {
        if (!call->script.echo)
            fake_call_continue(call);
        else if (call->request_ended)
            echo_ends(call);
        else
            fake_call_read(call);
    }
    op_ended(call);
}

static void on_ended(Op *op, bool ok)
{
    (void)ok;
    op_ended(container_of(op, FakeCall, ending));
}

static void on_closed(Op *op, bool ok)
{
    (void)ok;
    FakeCall *call = container_of(op, FakeCall, closing);
    call->closed = true;
    fake_call_detach(call);
    timer_stop(&call->server->loop, &call->timer);
    timer_stop(&call->server->loop, &call->resume);
    op_ended(call);
}

/* The value when the key is there exactly once. */
static const grpc_slice *find_once(const FakeCall *call, const char *key, size_t *ret_count)
{
    const grpc_slice *value = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < call->metadata.count; i++)
        if (grpc_slice_str_cmp(call->metadata.metadata[i].key, key) == 0) {
            value = &call->metadata.metadata[i].value;
            ++*ret_count;
        }
    return *ret_count == 1 ? value : NULL;
}

static bool carries(FakeCall *call, const char *key, const char *prefix, const char *wanted)
{
    char expected[512], problem[160];
    size_t count;
    if (!wanted)
        return true;
    const grpc_slice *value = find_once(call, key, &count);
    snprintf(expected, sizeof(expected), "%s%s", prefix, wanted);
    if (value && grpc_slice_str_cmp(*value, expected) == 0)
        return true;
    snprintf(problem, sizeof(problem), "%s: %zu times%s", key, count, value ? ", not the right one" : "");
    fake_call_refuse(call, GRPC_STATUS_UNAUTHENTICATED, problem);
    return false;
}

static bool read_script(FakeCall *call)
{
    for (size_t i = 0; i < call->metadata.count; i++) {
        grpc_slice value = call->metadata.metadata[i].value;
        size_t bad = 0;
        if (grpc_slice_str_cmp(call->metadata.metadata[i].key, "x-fake") != 0)
            continue;
        if (!script_parse(&call->script, (const char *)GRPC_SLICE_START_PTR(value), GRPC_SLICE_LENGTH(value),
                          &bad)) {
            fake_call_refuse(call, GRPC_STATUS_INVALID_ARGUMENT, "x-fake: not understood");
            return false;
        }
    }
    return true;
}

static void accept_call(FakeCall *call)
{
    call->id = ++call->server->n_calls;
    call->deadline_ms = -1;
    if (gpr_time_cmp(call->details.deadline, gpr_inf_future(call->details.deadline.clock_type)) != 0)
        call->deadline_ms = gpr_time_to_millis(
            gpr_time_sub(call->details.deadline, gpr_now(call->details.deadline.clock_type)));
    fake_call_report_begin(call);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled;
    call->n_pending++;
    loop_start_batch(call->call, &op, 1, &call->closing);
    if (!carries(call, "authorization", "Bearer ", call->server->token) ||
        !carries(call, "x-databricks-cluster-id", "", call->server->cluster) || !read_script(call))
        return;
    call->method = call->script.raw || call->script.echo
                       ? NULL
                       : spark_method_find((const char *)GRPC_SLICE_START_PTR(call->details.method),
                                           GRPC_SLICE_LENGTH(call->details.method));
    call->describes = call->server->operations &&
                      grpc_slice_str_cmp(call->details.method, "/sparkbouncer.test.Fake/Operations") == 0;
    if (call->script.headers_first)
        fake_call_send_headers(call);
    if (call->script.early)
        fake_call_answer(call);
    else
        fake_call_read(call);
}

static void on_arrival(Op *op, bool ok)
{
    FakeCall *call = container_of(op, FakeCall, arrival);
    if (ok) {
        fake_call_await(call->server);
        accept_call(call);
    }
    op_ended(call);
}

void fake_call_await(FakeServer *server)
{
    FakeCall *call = calloc(1, sizeof(*call));
    if (!call)
        abort();
    call->server = server;
    call->arrival.done = on_arrival;
    call->closing.done = on_closed;
    call->reading.done = on_read;
    call->writing.done = on_written;
    call->ending.done = on_ended;
    script_init(&call->script);
    grpc_call_details_init(&call->details);
    grpc_metadata_array_init(&call->metadata);
    call->n_pending = 1;
    grpc_call_error error =
        grpc_server_request_call(server->server, &call->call, &call->details, &call->metadata,
                                 server->loop.queue, server->loop.queue, &call->arrival);
    if (error != GRPC_CALL_OK)
        abort();
}
