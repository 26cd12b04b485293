#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/time.h>

#include "load.h"
#include "pattern.h"

typedef struct LoadCall {
    Load *load;
    unsigned channel;
    LoadIdentity identity;
    grpc_call *call;
    Op opening, sending, reading, ending;
    unsigned n_pending;
    grpc_metadata headers[18];
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *sent, *received;
    grpc_status_code status;
    grpc_slice message;
    uint64_t n_sent, n_sent_bytes, n_received;
    uint32_t checksum;
    int64_t started_us;
    bool failed, answered;
} LoadCall;

static const char *const paths[] = {
    "/spark.connect.SparkConnectService/Config",
    "/spark.connect.SparkConnectService/ExecutePlan",
    "/spark.connect.SparkConnectService/AddArtifacts",
    "/sparkbouncer.test.Load/Unknown",
};

void load_error(Load *load, const char *format, ...)
{
    load->totals.errors++;
    if (load->totals.first_error[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(load->totals.first_error, sizeof(load->totals.first_error), format, arguments);
    va_end(arguments);
}

static void call_failed(LoadCall *call, const char *why)
{
    if (!call->failed)
        load_error(call->load, "%s (message %" PRIu64 ")", why, call->n_received);
    call->failed = true;
}

static void finish(LoadCall *call)
{
    Load *load = call->load;
    LoadTotals *totals = &load->totals;
    uint64_t expected = load->options->method == LOAD_EXECUTE_PLAN ? load->options->messages + 1 : 1;
    if (call->status != GRPC_STATUS_OK && !call->failed) {
        call->failed = true;
        load_error(load, "status %d: %.*s", (int)call->status, (int)GRPC_SLICE_LENGTH(call->message),
                   (const char *)GRPC_SLICE_START_PTR(call->message));
    } else if (call->n_received != expected) {
        call_failed(call, "wrong number of messages");
    }
    totals->calls++;
    if (!call->failed)
        totals->latencies_us[totals->n_latencies++] = (uint32_t)(clock_us() - call->started_us);
    if (load->options->release)
        load_release(load, call->channel, &call->identity, NULL);
}

static void op_ended(LoadCall *call)
{
    if (--call->n_pending > 0)
        return;
    Load *load = call->load;
    unsigned channel = call->channel;
    finish(call);
    grpc_slice_unref(call->message);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_call_unref(call->call);
    if (call->sent)
        grpc_byte_buffer_destroy(call->sent);
    free(call);
    load->n_in_flight--;
    load_next(load, channel);
}

static void start_read(LoadCall *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    call->n_pending++;
    loop_start_batch(call->call, &op, 1, &call->reading);
}

static void check_message(LoadCall *call)
{
    grpc_byte_buffer_reader reader;
    char artifacts[96], response_id[LOAD_ID_SIZE];
    if (!grpc_byte_buffer_reader_init(&reader, call->received)) {
        call_failed(call, "unreadable message");
        return;
    }
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    snprintf(artifacts, sizeof(artifacts), "count=%" PRIu64 ",bytes=%" PRIu64 ",crc=%" PRIu32, call->n_sent,
             call->n_sent_bytes, call->checksum);
    const char *problem =
        load_check(call->load->options, &call->identity, call->n_received, GRPC_SLICE_START_PTR(slice),
                   GRPC_SLICE_LENGTH(slice), artifacts, response_id);
    call->load->totals.bytes += GRPC_SLICE_LENGTH(slice);
    call->load->totals.messages++;
    call->n_received++;
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
    if (problem)
        call_failed(call, problem);
    else if (call->load->options->release && response_id[0] != '\0')
        load_release(call->load, call->channel, &call->identity, response_id);
}

static void on_read(Op *op, bool ok)
{
    LoadCall *call = container_of(op, LoadCall, reading);
    (void)ok;
    if (call->received) {
        check_message(call);
        grpc_byte_buffer_destroy(call->received);
        call->received = NULL;
        start_read(call);
    }
    op_ended(call);
}

static grpc_byte_buffer *make_request(LoadCall *call)
{
    Bytes bytes = BYTES_NULL;
    const LoadOptions *options = call->load->options;
    load_request(&bytes, options, &call->identity, call->n_sent++);
    call->n_sent_bytes += bytes.length;
    call->load->totals.bytes += bytes.length;
    if (options->method == LOAD_ADD_ARTIFACTS)
        call->checksum = checksum_update(call->checksum, bytes.data, bytes.length);
    grpc_slice slice = grpc_empty_slice();
    if (bytes.length > 0)
        slice = grpc_slice_new(bytes.data, bytes.length, free);
    else
        bytes_deinit(&bytes);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

static size_t add_message(LoadCall *call, grpc_op *ops)
{
    size_t n = 0;
    bool streams = call->load->options->method == LOAD_ADD_ARTIFACTS;
    if (call->n_sent < (streams ? call->load->options->messages : 1)) {
        call->sent = make_request(call);
        ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[n++].data.send_message.send_message = call->sent;
    }
    if (call->n_sent == (streams ? call->load->options->messages : 1))
        ops[n++] = (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    return n;
}

static void on_sent(Op *op, bool ok)
{
    LoadCall *call = container_of(op, LoadCall, sending);
    grpc_byte_buffer_destroy(call->sent);
    call->sent = NULL;
    if (ok && call->n_sent < call->load->options->messages &&
        call->load->options->method == LOAD_ADD_ARTIFACTS) {
        grpc_op ops[2];
        size_t n = add_message(call, ops);
        call->n_pending++;
        loop_start_batch(call->call, ops, n, &call->sending);
    }
    op_ended(call);
}

static void on_opened(Op *op, bool ok)
{
    (void)ok;
    op_ended(container_of(op, LoadCall, opening));
}

static void on_ended(Op *op, bool ok)
{
    (void)ok;
    op_ended(container_of(op, LoadCall, ending));
}

static size_t make_headers(LoadCall *call)
{
    const Load *load = call->load;
    size_t n = 0;
    for (; n < load->options->n_headers; n++)
        call->headers[n] =
            (grpc_metadata){.key = grpc_slice_from_static_string(load->options->headers[n].key),
                            .value = grpc_slice_from_static_string(load->options->headers[n].value)};
    if (load->fake_header[0] != '\0')
        call->headers[n++] = (grpc_metadata){.key = grpc_slice_from_static_string("x-fake"),
                                             .value = grpc_slice_from_static_string(load->fake_header)};
    return n;
}

static void start_call(LoadCall *call)
{
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    status.data.recv_status_on_client.status = &call->status;
    status.data.recv_status_on_client.status_details = &call->message;
    status.data.recv_status_on_client.trailing_metadata = &call->trailing;
    grpc_op opening = {.op = GRPC_OP_RECV_INITIAL_METADATA};
    opening.data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    grpc_op ops[3];
    ops[0] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    ops[0].data.send_initial_metadata.count = make_headers(call);
    ops[0].data.send_initial_metadata.metadata = call->headers;
    size_t n = 1 + add_message(call, ops + 1);
    call->n_pending = 3;
    loop_start_batch(call->call, &status, 1, &call->ending);
    loop_start_batch(call->call, ops, n, &call->sending);
    loop_start_batch(call->call, &opening, 1, &call->opening);
    start_read(call);
}

static void begin_call(Load *load, unsigned channel)
{
    LoadCall *call = calloc(1, sizeof(*call));
    if (!call)
        abort();
    call->load = load;
    call->channel = channel;
    call->opening.done = on_opened;
    call->sending.done = on_sent;
    call->reading.done = on_read;
    call->ending.done = on_ended;
    call->started_us = clock_us();
    load_identity(&call->identity, channel, load->n_started++);
    load->n_in_flight++;
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    call->call =
        grpc_channel_create_call(load->channels[channel], NULL, GRPC_PROPAGATE_DEFAULTS, load->loop.queue,
                                 grpc_slice_from_static_string(paths[load->options->method]), NULL,
                                 gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    start_call(call);
}

typedef struct Pause {
    Timer timer;
    Load *load;
    unsigned channel;
} Pause;

static void begin_or_end(Load *load, unsigned channel)
{
    if (load->n_started >= load->options->count || load->stopped || load_interrupted)
        load->loop.stop = load->n_in_flight == 0;
    else
        begin_call(load, channel);
}

static void on_pause(Timer *timer)
{
    Pause *pause = container_of(timer, Pause, timer);
    pause->load->n_in_flight--;
    begin_or_end(pause->load, pause->channel);
    free(pause);
}

void load_next(Load *load, unsigned channel)
{
    if (load->options->pause_ms == 0) {
        begin_or_end(load, channel);
        return;
    }
    Pause *pause = calloc(1, sizeof(*pause));
    if (!pause)
        abort();
    pause->load = load;
    pause->channel = channel;
    load->n_in_flight++;
    timer_start(&load->loop, &pause->timer, load->options->pause_ms, on_pause);
}
