#include <inttypes.h>
#include <string.h>

#include "fake_call.h"

static void append_slice(Bytes *line, grpc_slice slice)
{
    bytes_json_string(line, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
}

static bool is_binary(grpc_slice key)
{
    size_t length = GRPC_SLICE_LENGTH(key);
    return length > 4 && memcmp(GRPC_SLICE_START_PTR(key) + length - 4, "-bin", 4) == 0;
}

/* Values of binary keys are written in hexadecimal. */
static void append_metadata(Bytes *line, const grpc_metadata_array *metadata)
{
    bytes_printf(line, "[");
    for (size_t i = 0; i < metadata->count; i++) {
        grpc_slice key = metadata->metadata[i].key, value = metadata->metadata[i].value;
        bytes_printf(line, i > 0 ? ",[" : "[");
        append_slice(line, key);
        bytes_printf(line, ",");
        if (is_binary(key))
            bytes_json_hex(line, GRPC_SLICE_START_PTR(value), GRPC_SLICE_LENGTH(value));
        else
            append_slice(line, value);
        bytes_printf(line, "]");
    }
    bytes_printf(line, "]");
}

static void append_head(Bytes *line, const FakeCall *call, const char *event)
{
    bytes_printf(line, "{\"event\":\"%s\",\"id\":%" PRIu64 ",\"method\":", event, call->id);
    append_slice(line, call->details.method);
    bytes_printf(line, ",\"metadata\":");
    append_metadata(line, &call->metadata);
}

void fake_call_report_begin(FakeCall *call)
{
    Bytes line = BYTES_NULL;
    append_head(&line, call, "begin");
    bytes_printf(&line, ",\"authority\":");
    append_slice(&line, call->details.host);
    bytes_printf(&line, ",\"deadline_ms\":%" PRId64 "}", call->deadline_ms);
    record_write(&call->server->record, &line);
    bytes_deinit(&line);
}

void fake_call_report_stall(FakeCall *call)
{
    Bytes line = BYTES_NULL;
    append_head(&line, call, "stalled");
    bytes_printf(&line, ",\"sent\":%" PRIu64 ",\"sent_bytes\":%" PRIu64 "}", call->n_sent,
                 call->n_sent_bytes);
    record_write(&call->server->record, &line);
    bytes_deinit(&line);
}

void fake_call_report_end(FakeCall *call)
{
    Bytes line = BYTES_NULL;
    append_head(&line, call, "end");
    bytes_printf(&line,
                 ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"crc\":%" PRIu32 ",\"first_at\":%" PRIu64
                 ",\"first\":",
                 call->n_received, call->n_received_bytes, call->checksum, call->first_at);
    bytes_json_hex(&line, call->first.data, call->first.length < 512 ? call->first.length : 512);
    bytes_printf(&line, ",\"deadline_ms\":%" PRId64 ",\"half_closed\":%s,\"cancelled\":%s,\"status\":",
                 call->deadline_ms, call->request_ended ? "true" : "false",
                 call->cancelled ? "true" : "false");
    if (call->status_sent)
        bytes_printf(&line, "%d", call->status);
    else
        bytes_printf(&line, "null");
    bytes_printf(&line, ",\"sent\":%" PRIu64 ",\"sent_bytes\":%" PRIu64 "}", call->n_sent,
                 call->n_sent_bytes);
    record_write(&call->server->record, &line);
    bytes_deinit(&line);
}
