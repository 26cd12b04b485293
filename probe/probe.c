/*
 * sparkbouncer-probe: what a Spark Connect client would meet. Makes a Config call, asks for Spark's version
 * and releases the session again, all with gRPC's C core, the library inside PySpark's grpcio, so that it
 * meets the same proxies, trust store and name resolution. Prints one line of JSON. A program of its own,
 * because the daemon does not load gRPC.
 *
 * Headers, which may be secret, come by standard input, never by an argument.
 */

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"

#define MAX_HEADERS     16
#define MAX_INPUT       ((size_t)64 * 1024)
#define SESSION_ID_SIZE 37

#ifdef __SANITIZE_ADDRESS__
/* c-ares, which gRPC looks names up with, keeps some bytes at the end. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libcares";
}
#endif

static const char USAGE[] =
    "usage: sparkbouncer-probe --target HOST:PORT [--tls] [--ca-file FILE] [--timeout SECONDS]\n"
    "                          [--serverless] [--headers-from-stdin]\n"
    "Makes a Config call as PySpark would and prints one line of JSON: ok, status, message, ms, "
    "spark_version.\n"
    "Headers are lines `name: value`. Exit code 0 when the call went well, 1 when not, 2 for a wrong use.\n";

typedef struct Probe {
    const char *target, *ca_file;
    bool use_tls, reads_headers, is_serverless;
    unsigned timeout_s;
    char input[MAX_INPUT]; /* the headers point into it */
    grpc_metadata headers[MAX_HEADERS];
    size_t n_headers;
    char session_id[SESSION_ID_SIZE];
    grpc_channel *channel;
    grpc_completion_queue *queue;
} Probe;

/* How one call went. */
typedef struct Outcome {
    grpc_status_code status;
    Text message; /* of the status */
    Text body;    /* the answer's bytes */
    uint64_t ms;
} Outcome;

#define OUTCOME_NULL                                                                                         \
    {                                                                                                        \
        GRPC_STATUS_UNKNOWN, TEXT_NULL, TEXT_NULL, 0                                                         \
    }

static void outcome_deinit(Outcome *outcome)
{
    text_deinit(&outcome->message);
    text_deinit(&outcome->body);
}

/* ---- protobuf, as little as is needed: all parts here are shorter than 128 bytes */

static void append_field(Text *text, unsigned field, const char *bytes, size_t length)
{
    char tag = (char)(field << 3 | 2), size = (char)length;
    text_append_bytes(text, &tag, 1);
    text_append_bytes(text, &size, 1);
    text_append_bytes(text, bytes, length);
}

static void append_string(Text *text, unsigned field, const char *string)
{
    append_field(text, field, string, strlen(string));
}

/* Session, user and client, which every request has. */
static void append_envelope(Text *request, const Probe *probe, unsigned client_field)
{
    _cleanup_(text_deinit) Text user = TEXT_NULL;
    append_string(&user, 1, "sparkbouncer-probe");
    append_string(request, 1, probe->session_id);
    append_field(request, 2, text_string(&user), user.length);
    append_string(request, client_field, "sparkbouncer-probe");
}

static bool take_varint(const unsigned char **cursor, const unsigned char *end, uint64_t *ret_number)
{
    *ret_number = 0;
    for (unsigned shift = 0; *cursor < end && shift < 64; shift += 7) {
        unsigned char byte = *(*cursor)++;
        *ret_number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The bytes of a length-delimited field; NULL when there is none. */
static const unsigned char *find_field(const unsigned char *cursor, size_t length, unsigned field,
                                       size_t *ret_length)
{
    const unsigned char *end = cursor + length;
    uint64_t tag, number;
    while (take_varint(&cursor, end, &tag)) {
        uint64_t skip = 0;
        if ((tag & 7) == 0 && !take_varint(&cursor, end, &number))
            return NULL;
        if ((tag & 7) == 2 && !take_varint(&cursor, end, &skip))
            return NULL;
        if ((tag & 7) == 1 || (tag & 7) == 5)
            skip = (tag & 7) == 1 ? 8 : 4;
        if (skip > (uint64_t)(end - cursor))
            return NULL;
        *ret_length = (size_t)skip;
        if (tag == (field << 3 | 2))
            return cursor;
        cursor += skip;
    }
    return NULL;
}

/* ---- calls */

static void append_slice(Text *text, grpc_slice slice)
{
    text_append_bytes(text, (const char *)GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
}

static void read_body(Outcome *outcome, grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    if (!buffer || !grpc_byte_buffer_reader_init(&reader, buffer))
        return;
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    append_slice(&outcome->body, slice);
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
}

static void run_call(Probe *probe, grpc_call *call, const Text *request, Outcome *outcome)
{
    grpc_metadata_array initial, trailing;
    grpc_slice slice = grpc_slice_from_copied_buffer(text_string(request), request->length), message;
    grpc_byte_buffer *sent = grpc_raw_byte_buffer_create(&slice, 1), *received = NULL;
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    grpc_metadata_array_init(&initial);
    grpc_metadata_array_init(&trailing);
    ops[0].data.send_initial_metadata.count = probe->n_headers;
    ops[0].data.send_initial_metadata.metadata = probe->headers;
    ops[1].data.send_message.send_message = sent;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &initial;
    ops[4].data.recv_message.recv_message = &received;
    ops[5].data.recv_status_on_client.status = &outcome->status;
    ops[5].data.recv_status_on_client.status_details = &message;
    ops[5].data.recv_status_on_client.trailing_metadata = &trailing;
    if (grpc_call_start_batch(call, ops, 6, probe, NULL) != GRPC_CALL_OK)
        abort(); /* a mistake of ours */
    /* The call has a deadline, so that this ends. */
    (void)grpc_completion_queue_pluck(probe->queue, probe, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    append_slice(&outcome->message, message);
    read_body(outcome, received);
    grpc_slice_unref(message);
    grpc_slice_unref(slice);
    grpc_byte_buffer_destroy(sent);
    if (received)
        grpc_byte_buffer_destroy(received);
    grpc_metadata_array_destroy(&initial);
    grpc_metadata_array_destroy(&trailing);
}

static void call_method(Probe *probe, const char *method, const Text *request, Outcome *outcome)
{
    _cleanup_(text_deinit) Text path = TEXT_NULL;
    uint64_t started_ns = clock_now_ns();
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_seconds(probe->timeout_s, GPR_TIMESPAN));
    text_printf(&path, "/spark.connect.SparkConnectService/%s", method);
    grpc_slice slice = grpc_slice_from_copied_string(text_string(&path));
    grpc_call *call = grpc_channel_create_call(probe->channel, NULL, GRPC_PROPAGATE_DEFAULTS, probe->queue,
                                               slice, NULL, deadline, NULL);
    run_call(probe, call, request, outcome);
    grpc_call_unref(call);
    grpc_slice_unref(slice);
    outcome->ms = (clock_now_ns() - started_ns) / NS_PER_MS;
}

static void call_config(Probe *probe, Outcome *outcome)
{
    _cleanup_(text_deinit) Text keys = TEXT_NULL, get = TEXT_NULL, request = TEXT_NULL;
    append_envelope(&request, probe, 4);
    append_string(&keys, 1, "spark.sql.session.timeZone");
    append_field(&get, 2, text_string(&keys), keys.length);
    append_field(&request, 3, text_string(&get), get.length);
    call_method(probe, "Config", &request, outcome);
}

/* NULL when it cannot be had. free(). */
static char *ask_version(Probe *probe)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    _cleanup_(outcome_deinit) Outcome outcome = OUTCOME_NULL;
    size_t length, version_length;
    append_envelope(&request, probe, 3);
    append_field(&request, 10, "", 0);
    call_method(probe, "AnalyzePlan", &request, &outcome);
    const unsigned char *answer = (const unsigned char *)text_string(&outcome.body);
    const unsigned char *part = find_field(answer, outcome.body.length, 8, &length);
    const unsigned char *version = part ? find_field(part, length, 1, &version_length) : NULL;
    return version ? mem_copy_bytes_as_string((const char *)version, version_length) : NULL;
}

static void release(Probe *probe)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    _cleanup_(outcome_deinit) Outcome ignored = OUTCOME_NULL;
    append_envelope(&request, probe, 3);
    call_method(probe, "ReleaseSession", &request, &ignored);
}

/* ---- the channel */

static char *read_file(const char *path)
{
    char bytes[4096];
    Text text = TEXT_NULL;
    FILE *file = fopen(path, "r");
    for (size_t n; file && (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        text_append_bytes(&text, bytes, n);
    if (!file)
        return NULL;
    (void)fclose(file);
    return text_take(&text);
}

static bool open_channel(Probe *probe)
{
    _cleanup_(mem_freep) char *roots = probe->ca_file ? read_file(probe->ca_file) : NULL;
    if (probe->ca_file && !roots) {
        (void)fprintf(stderr, "sparkbouncer-probe: cannot read %s\n", probe->ca_file);
        return false;
    }
    grpc_channel_credentials *credentials = probe->use_tls
                                                ? grpc_ssl_credentials_create(roots, NULL, NULL, NULL)
                                                : grpc_insecure_credentials_create();
    probe->channel = grpc_channel_create(probe->target, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    probe->queue = grpc_completion_queue_create_for_pluck(NULL);
    return true;
}

static void close_channel(Probe *probe)
{
    grpc_channel_destroy(probe->channel);
    grpc_completion_queue_shutdown(probe->queue);
    grpc_completion_queue_destroy(probe->queue);
}

/* ---- the program */

static bool add_header(Probe *probe, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon || probe->n_headers == MAX_HEADERS)
        return false;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " ");
    grpc_metadata *header = &probe->headers[probe->n_headers];
    *header = (grpc_metadata){.key = grpc_slice_from_static_string(line),
                              .value = grpc_slice_from_static_string(value)};
    bool is_good = grpc_header_key_is_legal(header->key) && grpc_header_nonbin_value_is_legal(header->value);
    probe->n_headers += is_good;
    return is_good;
}

/* Databricks serverless: the session's id in place of a cluster's. */
static void add_session_header(Probe *probe)
{
    if (probe->n_headers < MAX_HEADERS)
        probe->headers[probe->n_headers++] =
            (grpc_metadata){.key = grpc_slice_from_static_string("x-databricks-session-id"),
                            .value = grpc_slice_from_static_string(probe->session_id)};
}

static bool read_headers(Probe *probe)
{
    size_t length = fread(probe->input, 1, sizeof probe->input - 1, stdin);
    char *rest = probe->input;
    probe->input[length] = '\0';
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && !add_header(probe, line))
            return false;
    return true;
}

static void make_session_id(char *id)
{
    unsigned char bytes[16] = {0};
    (void)!getrandom(bytes, sizeof bytes, 0);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++)
        id += sprintf(id, "%02x%s", bytes[i], i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
}

static bool parse_options(Probe *probe, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        {"target", required_argument, NULL, 't'},
        {"tls", no_argument, NULL, 's'},
        {"ca-file", required_argument, NULL, 'c'},
        {"timeout", required_argument, NULL, 'o'},
        {"headers-from-stdin", no_argument, NULL, 'h'},
        {"serverless", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    probe->timeout_s = 10;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 't': probe->target = optarg; break;
        case 's': probe->use_tls = true; break;
        case 'c': probe->ca_file = optarg; break;
        case 'o': probe->timeout_s = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'h': probe->reads_headers = true; break;
        case 'v': probe->is_serverless = true; break;
        default: return false;
        }
    }
    return optind == argc && probe->target && probe->timeout_s > 0;
}

static void print(const Outcome *outcome, const char *version)
{
    bool is_ok = outcome->status == GRPC_STATUS_OK;
    json_t *message = json_stringn(text_string(&outcome->message), outcome->message.length);
    json_t *document = json_pack("{s:b, s:i, s:o, s:I, s:s?}", "ok", is_ok, "status", (int)outcome->status,
                                 "message", message ? message : json_string("(not printable)"), "ms",
                                 (json_int_t)outcome->ms, "spark_version", version);
    (void)json_dumpf(document, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(document);
}

int main(int argc, char **argv)
{
    static Probe probe;
    _cleanup_(outcome_deinit) Outcome outcome = OUTCOME_NULL;
    if (!parse_options(&probe, argc, argv) || (probe.reads_headers && !read_headers(&probe))) {
        (void)fputs(USAGE, stderr);
        return 2;
    }
    make_session_id(probe.session_id);
    if (probe.is_serverless)
        add_session_header(&probe);
    grpc_init();
    if (!open_channel(&probe))
        return 2;
    call_config(&probe, &outcome);
    _cleanup_(mem_freep) char *version = outcome.status == GRPC_STATUS_OK ? ask_version(&probe) : NULL;
    if (outcome.status == GRPC_STATUS_OK)
        release(&probe);
    print(&outcome, version);
    close_channel(&probe);
    grpc_shutdown();
    secret_wipe(probe.input, sizeof probe.input);
    return outcome.status == GRPC_STATUS_OK ? 0 : 1;
}
