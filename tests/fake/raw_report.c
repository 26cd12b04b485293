#include <inttypes.h>

#include "raw.h"

void raw_report_connection(const RawConnection *connection, const char *event)
{
    Bytes line = BYTES_NULL;
    bytes_printf(&line, "{\"event\":\"%s\",\"connection\":%" PRIu64 "}", event, connection->id);
    record_write(&connection->server->record, &line);
    bytes_deinit(&line);
}

void raw_report_call(const RawStream *stream)
{
    Bytes line = BYTES_NULL;
    bytes_printf(
        &line, "{\"event\":\"call\",\"connection\":%" PRIu64 ",\"stream\":%d,\"n\":%" PRIu64 ",\"headers\":[",
        stream->connection->id, stream->id, stream->call);
    bytes_append(&line, stream->headers.data, stream->headers.length);
    bytes_printf(&line, "]}");
    record_write(&stream->connection->server->record, &line);
    bytes_deinit(&line);
}

void raw_report_end(const RawStream *stream, uint32_t error_code)
{
    Bytes line = BYTES_NULL;
    size_t n = stream->request.length < 512 ? stream->request.length : 512;
    bytes_printf(&line,
                 "{\"event\":\"end\",\"connection\":%" PRIu64 ",\"stream\":%d,\"n\":%" PRIu64
                 ",\"bytes\":%zu,\"ended\":%s,\"error\":%" PRIu32 ",\"first\":",
                 stream->connection->id, stream->id, stream->call, stream->request.length,
                 stream->request_ended ? "true" : "false", error_code);
    bytes_json_hex(&line, stream->request.data, n);
    bytes_printf(&line, "}");
    record_write(&stream->connection->server->record, &line);
    bytes_deinit(&line);
}
