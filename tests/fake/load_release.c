#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/time.h>

#include "load.h"

typedef struct Release {
    Load *load;
    unsigned channel;
    LoadIdentity identity;
    grpc_call *call;
    Op done;
    grpc_metadata headers[16];
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *sent, *received;
    grpc_status_code status;
    grpc_slice message;
} Release;

static bool answer_is_right(const Release *release)
{
    grpc_byte_buffer_reader reader;
    WireField field;
    if (!release->received || !grpc_byte_buffer_reader_init(&reader, release->received))
        return false;
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    const uint8_t *message = GRPC_SLICE_START_PTR(slice);
    size_t length = GRPC_SLICE_LENGTH(slice);
    bool right = wire_find(message, length, 1, &field) && field.length == strlen(release->identity.session) &&
                 memcmp(field.bytes, release->identity.session, field.length) == 0 &&
                 wire_find(message, length, 2, &field) &&
                 field.length == strlen(release->identity.operation) &&
                 memcmp(field.bytes, release->identity.operation, field.length) == 0 &&
                 wire_find(message, length, 3, &field) && field.length > 0;
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
    return right;
}

static void on_done(Op *op, bool ok)
{
    Release *release = container_of(op, Release, done);
    Load *load = release->load;
    unsigned channel = release->channel;
    (void)ok;
    load->totals.releases++;
    if (release->status != GRPC_STATUS_OK || !answer_is_right(release)) {
        load->totals.release_errors++;
        load_error(load, "ReleaseExecute: status %d or a wrong answer", (int)release->status);
    }
    grpc_slice_unref(release->message);
    grpc_metadata_array_destroy(&release->initial);
    grpc_metadata_array_destroy(&release->trailing);
    grpc_byte_buffer_destroy(release->sent);
    if (release->received)
        grpc_byte_buffer_destroy(release->received);
    grpc_call_unref(release->call);
    free(release);
    if (--load->n_in_flight == 0)
        load_next(load, channel);
}

static size_t make_headers(Release *release)
{
    const LoadOptions *options = release->load->options;
    for (size_t i = 0; i < options->n_headers; i++)
        release->headers[i] =
            (grpc_metadata){.key = grpc_slice_from_static_string(options->headers[i].key),
                            .value = grpc_slice_from_static_string(options->headers[i].value)};
    return options->n_headers;
}

static void start(Release *release)
{
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    ops[0].data.send_initial_metadata.count = make_headers(release);
    ops[0].data.send_initial_metadata.metadata = release->headers;
    ops[1].data.send_message.send_message = release->sent;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &release->initial;
    ops[4].data.recv_message.recv_message = &release->received;
    ops[5].data.recv_status_on_client.status = &release->status;
    ops[5].data.recv_status_on_client.status_details = &release->message;
    ops[5].data.recv_status_on_client.trailing_metadata = &release->trailing;
    loop_start_batch(release->call, ops, 6, &release->done);
}

void load_release(Load *load, unsigned channel, const LoadIdentity *identity, const char *response_id)
{
    Bytes request = BYTES_NULL;
    Release *release = calloc(1, sizeof(*release));
    if (!release)
        abort();
    release->load = load;
    release->channel = channel;
    release->identity = *identity;
    release->done.done = on_done;
    load_release_request(&request, identity, response_id);
    grpc_slice slice = grpc_slice_new(request.data, request.length, free);
    release->sent = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    grpc_metadata_array_init(&release->initial);
    grpc_metadata_array_init(&release->trailing);
    release->call = grpc_channel_create_call(
        load->channels[channel], NULL, GRPC_PROPAGATE_DEFAULTS, load->loop.queue,
        grpc_slice_from_static_string("/spark.connect.SparkConnectService/ReleaseExecute"), NULL,
        gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    load->n_in_flight++;
    start(release);
}
