#include <stdlib.h>
#include <string.h>

#include <grpc/support/time.h>

#include "pattern.h"
#include "resume.h"

static const char client_type[] = "_SPARK_CONNECT_PYTHON spark/4.3.0 os/linux python/3.11.2";

typedef struct ResumeRelease {
    Resume *resume;
    grpc_call *call;
    Op done;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *received;
    grpc_status_code status;
    grpc_slice message;
} ResumeRelease;

static void append_head(Bytes *out, const SparkRequest *identity)
{
    static const uint8_t user[] = {0x0a, 6, 'r', 'e', 's', 'u', 'm', 'e'};
    wire_string(out, 1, identity->session);
    wire_bytes(out, 2, user, sizeof(user));
}

void resume_request_execute(Bytes *out, const ResumeOptions *options, const SparkRequest *identity)
{
    static const uint8_t reattachable[] = {0x0a, 2, 8, 1};
    append_head(out, identity);
    wire_bytes_header(out, 3, (size_t)options->plan_size);
    pattern_fill(bytes_extend(out, (size_t)options->plan_size), (size_t)options->plan_size, 0);
    wire_string(out, 4, client_type);
    if (!options->plain)
        wire_bytes(out, 5, reattachable, sizeof(reattachable));
    wire_string(out, 6, identity->operation);
}

void resume_request_reattach(Bytes *out, const ResumeOptions *options, const SparkRequest *identity,
                             const char *last_response)
{
    (void)options;
    append_head(out, identity);
    wire_string(out, 3, identity->operation);
    wire_string(out, 4, client_type);
    if (last_response[0] != '\0')
        wire_string(out, 5, last_response);
}

static void request_release(Bytes *out, const SparkRequest *identity, const char *response_id)
{
    append_head(out, identity);
    wire_string(out, 3, identity->operation);
    wire_string(out, 4, client_type);
    if (!response_id) {
        wire_bytes(out, 5, NULL, 0);
        return;
    }
    Bytes until = BYTES_NULL;
    wire_string(&until, 1, response_id);
    wire_bytes(out, 6, until.data, until.length);
    bytes_deinit(&until);
}

/* As in PySpark a failure is of no consequence. */
static void on_done(Op *op, bool ok)
{
    ResumeRelease *release = container_of(op, ResumeRelease, done);
    Resume *resume = release->resume;
    (void)ok;
    grpc_slice_unref(release->message);
    grpc_metadata_array_destroy(&release->initial);
    grpc_metadata_array_destroy(&release->trailing);
    if (release->received)
        grpc_byte_buffer_destroy(release->received);
    grpc_call_unref(release->call);
    free(release);
    resume->n_releasing--;
    if (resume->n_running == 0)
        resume_next(resume);
}

static void start(ResumeRelease *release, grpc_byte_buffer *request)
{
    const ResumeOptions *options = release->resume->options;
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    ops[0].data.send_initial_metadata.count = options->n_headers - 1 /* the script */;
    ops[0].data.send_initial_metadata.metadata = (grpc_metadata *)(uintptr_t)options->headers;
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &release->initial;
    ops[4].data.recv_message.recv_message = &release->received;
    ops[5].data.recv_status_on_client.status = &release->status;
    ops[5].data.recv_status_on_client.status_details = &release->message;
    ops[5].data.recv_status_on_client.trailing_metadata = &release->trailing;
    loop_start_batch(release->call, ops, 6, &release->done);
}

void resume_release(Resume *resume, unsigned channel, const SparkRequest *identity, const char *response_id)
{
    Bytes request = BYTES_NULL;
    ResumeRelease *release = calloc(1, sizeof(*release));
    if (!release)
        abort();
    release->resume = resume;
    release->done.done = on_done;
    request_release(&request, identity, response_id);
    grpc_metadata_array_init(&release->initial);
    grpc_metadata_array_init(&release->trailing);
    release->call = grpc_channel_create_call(
        resume->channels[channel], NULL, GRPC_PROPAGATE_DEFAULTS, resume->loop.queue,
        grpc_slice_from_static_string("/spark.connect.SparkConnectService/ReleaseExecute"), NULL,
        gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    resume->n_releasing++;
    grpc_slice slice = grpc_slice_new(request.data, request.length, free);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    start(release, buffer);
    grpc_byte_buffer_destroy(buffer);
}
