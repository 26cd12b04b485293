#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/time.h>

#include "resume.h"

static const char execute_path[] = "/spark.connect.SparkConnectService/ExecutePlan",
                  reattach_path[] = "/spark.connect.SparkConnectService/ReattachExecute";

/* Stock clients wait between tries; so that faults end, not tests. */
#define RETRY_MS    20
#define RETRY_LIMIT 400

typedef struct ResumeCall {
    Resume *resume;
    unsigned channel;
    uint64_t number;
    SparkRequest identity;
    char last_response[SPARK_ID_SIZE];
    uint64_t n_received;
    bool is_complete, failed, cancelled;
    unsigned n_tries;

    /* the stream under way */
    grpc_call *call;
    Op opening, reading, ending;
    unsigned n_pending;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *received;
    grpc_status_code status;
    grpc_slice message;
    Timer retry;
} ResumeCall;

void resume_problem(Resume *resume, const char *format, ...)
{
    if (resume->n_problems++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(resume->first_problem, sizeof(resume->first_problem), format, arguments);
    va_end(arguments);
}

static void call_problem(ResumeCall *call, const char *what)
{
    if (!call->failed)
        resume_problem(call->resume, "operation %" PRIu64 ", response %" PRIu64 ": %s", call->number,
                       call->n_received, what);
    call->failed = true;
}

static void note_arrival(Resume *resume)
{
    if (!resume->options->arrivals)
        return;
    if (resume->n_arrivals == resume->arrival_room) {
        resume->arrival_room = resume->arrival_room * 2 + 1024;
        resume->arrivals_us = realloc(resume->arrivals_us, resume->arrival_room * sizeof(int64_t));
        if (!resume->arrivals_us)
            abort();
    }
    resume->arrivals_us[resume->n_arrivals++] = clock_us();
}

static void compare(ResumeCall *call, const uint8_t *message, size_t length)
{
    const ResumeOptions *options = call->resume->options;
    Bytes expected = BYTES_NULL;
    WireField id;
    if (call->is_complete)
        call_problem(call, "something after result_complete");
    if (call->n_received == options->messages) {
        spark_complete(&expected, &call->identity, options->server_session, call->n_received);
        call->is_complete = true;
    } else {
        spark_result(&expected, &call->identity, options->server_session, call->n_received, options->size);
    }
    if (wire_find(message, length, 13, &id) && id.length < SPARK_ID_SIZE) {
        memcpy(call->last_response, id.bytes, id.length);
        call->last_response[id.length] = '\0';
    }
    if (length != expected.length || memcmp(message, expected.data, length) != 0) {
        char text[160];
        uint64_t index = UINT64_MAX;
        (void)spark_response_index(call->last_response, &index);
        snprintf(text, sizeof(text), "is not the one expected: %zu bytes (%zu expected), index %" PRIu64,
                 length, expected.length, index);
        call_problem(call, text);
    }
    bytes_deinit(&expected);
}

static void take_message(ResumeCall *call)
{
    Resume *resume = call->resume;
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, call->received)) {
        call_problem(call, "unreadable");
        return;
    }
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    note_arrival(resume);
    compare(call, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
    call->n_received++;
    call->n_tries = 0;
    resume->n_messages++;
    resume->n_bytes += GRPC_SLICE_LENGTH(slice);
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
    if (resume->options->releases && !call->is_complete)
        resume_release(resume, call->channel, &call->identity, call->last_response);
    if (call->n_received == resume->options->cancel_after) {
        call->cancelled = true;
        grpc_call_cancel(call->call, NULL);
    }
}

static bool message_has(const ResumeCall *call, const char *text)
{
    return memmem(GRPC_SLICE_START_PTR(call->message), GRPC_SLICE_LENGTH(call->message), text, strlen(text));
}

static void start_stream(ResumeCall *call, bool reattaches);

/* What PySpark does with the end of a stream. */
static bool goes_on(ResumeCall *call, bool *ret_reattaches)
{
    bool not_found = message_has(call, "INVALID_HANDLE.OPERATION_NOT_FOUND") ||
                     message_has(call, "INVALID_HANDLE.SESSION_NOT_FOUND");
    *ret_reattaches = true;
    if (!call->resume->options->reattaches || call->is_complete || call->failed || call->cancelled ||
        call->n_tries++ > RETRY_LIMIT)
        return false;
    if (not_found && call->n_received == 0) {
        *ret_reattaches = false;
        return true;
    }
    return call->status == GRPC_STATUS_OK || call->status == GRPC_STATUS_UNAVAILABLE ||
           (call->status == GRPC_STATUS_INTERNAL && message_has(call, "INVALID_CURSOR.DISCONNECTED"));
}

static void finish(ResumeCall *call)
{
    Resume *resume = call->resume;
    int status = (int)call->status < RESUME_STATUSES ? (int)call->status : RESUME_STATUSES - 1;
    resume->statuses[status]++;
    if (resume->status_message[0] == '\0' && status != 0)
        snprintf(resume->status_message, sizeof(resume->status_message), "%.*s",
                 (int)GRPC_SLICE_LENGTH(call->message), (const char *)GRPC_SLICE_START_PTR(call->message));
    resume->n_ended++;
    resume->n_complete += call->is_complete && !call->failed;
    if (resume->options->releases)
        resume_release(resume, call->channel, &call->identity, NULL);
    resume->n_running--;
    grpc_slice_unref(call->message);
    free(call);
    resume_next(resume);
}

static void on_retry(Timer *timer)
{
    ResumeCall *call = container_of(timer, ResumeCall, retry);
    bool reattaches;
    call->n_tries--;
    (void)goes_on(call, &reattaches);
    grpc_slice_unref(call->message);
    start_stream(call, reattaches);
}

static void stream_ended(ResumeCall *call)
{
    bool reattaches;
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_call_unref(call->call);
    if (call->status == GRPC_STATUS_OK && !call->is_complete && !call->resume->options->reattaches &&
        !call->resume->options->plain)
        call_problem(call, "OK without result_complete");
    if (!goes_on(call, &reattaches))
        finish(call);
    else
        timer_start(&call->resume->loop, &call->retry, call->n_tries > 1 ? RETRY_MS : 0, on_retry);
}

static void op_ended(ResumeCall *call)
{
    if (--call->n_pending == 0)
        stream_ended(call);
}

static void start_read(ResumeCall *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    call->n_pending++;
    loop_start_batch(call->call, &op, 1, &call->reading);
}

/* A reader that takes its time. */
static void on_read_again(Timer *timer)
{
    ResumeCall *call = container_of(timer, ResumeCall, retry);
    start_read(call);
    op_ended(call);
}

static void on_read(Op *op, bool ok)
{
    ResumeCall *call = container_of(op, ResumeCall, reading);
    (void)ok;
    if (call->received) {
        if (!call->cancelled)
            take_message(call);
        grpc_byte_buffer_destroy(call->received);
        call->received = NULL;
        if (call->resume->options->read_delay_ms > 0) {
            timer_start(&call->resume->loop, &call->retry, call->resume->options->read_delay_ms,
                        on_read_again);
            return;
        }
        start_read(call);
    }
    op_ended(call);
}

static void on_opened(Op *op, bool ok)
{
    (void)ok;
    op_ended(container_of(op, ResumeCall, opening));
}

static void on_ended(Op *op, bool ok)
{
    (void)ok;
    op_ended(container_of(op, ResumeCall, ending));
}

static void start_ops(ResumeCall *call, grpc_byte_buffer *request)
{
    const ResumeOptions *options = call->resume->options;
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    status.data.recv_status_on_client.status = &call->status;
    status.data.recv_status_on_client.status_details = &call->message;
    status.data.recv_status_on_client.trailing_metadata = &call->trailing;
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    ops[0].data.send_initial_metadata.count = options->n_headers;
    ops[0].data.send_initial_metadata.metadata = (grpc_metadata *)(uintptr_t)options->headers;
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    call->n_pending = 2;
    loop_start_batch(call->call, &status, 1, &call->ending);
    loop_start_batch(call->call, ops, 4, &call->opening);
    start_read(call);
}

static void start_stream(ResumeCall *call, bool reattaches)
{
    Resume *resume = call->resume;
    Bytes request = BYTES_NULL;
    if (reattaches)
        resume_request_reattach(&request, resume->options, &call->identity, call->last_response);
    else
        resume_request_execute(&request, resume->options, &call->identity);
    if (reattaches)
        resume->n_reattaches++;
    else
        resume->n_executes++;
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    call->call = grpc_channel_create_call(
        resume->channels[call->channel], NULL, GRPC_PROPAGATE_DEFAULTS, resume->loop.queue,
        grpc_slice_from_static_string(reattaches ? reattach_path : execute_path), NULL,
        gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_slice slice = grpc_slice_new(request.data, request.length, free);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    start_ops(call, buffer);
    grpc_byte_buffer_destroy(buffer);
}

void resume_next(Resume *resume)
{
    const ResumeOptions *options = resume->options;
    if (resume->n_started >= options->operations) {
        if (resume->n_running == 0 && resume->n_releasing == 0)
            resume->loop.stop = true;
        return;
    }
    ResumeCall *call = calloc(1, sizeof(*call));
    if (!call)
        abort();
    call->resume = resume;
    call->number = options->first + resume->n_started++;
    call->channel = (unsigned)(call->number % options->channels);
    snprintf(call->identity.session, SPARK_ID_SIZE, "4e5c4e00-0000-4000-8000-%012u", call->channel);
    snprintf(call->identity.operation, SPARK_ID_SIZE, "0be7a000-0000-4000-9000-%012" PRIx64, call->number);
    call->opening.done = on_opened;
    call->reading.done = on_read;
    call->ending.done = on_ended;
    resume->n_running++;
    start_stream(call, false);
}
