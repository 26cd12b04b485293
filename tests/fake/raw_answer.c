#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"

static const uint8_t small_message[] = {0, 0, 0, 0, 4, 'g', 'o', 'o', 'd'};

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void submit_trailers(RawStream *stream)
{
    nghttp2_nv trailers[2] = {header("x-raw-trailer", "yes"), header("grpc-status", stream->status)};
    nghttp2_submit_trailer(stream->connection->session, stream->id, trailers,
                           stream->status[0] != '\0' ? 2 : 1);
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length,
                           uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    RawStream *stream = source->ptr;
    (void)session;
    (void)stream_id;
    (void)user_data;
    size_t left = stream->answer.length - stream->n_answered;
    bool ends = stream->answer_ends || (stream->fault == RAW_ECHO_OPEN && stream->request_ended);
    if (left == 0 && !ends)
        return NGHTTP2_ERR_DEFERRED;
    size_t n = left < length ? left : length;
    if (stream->one_by_one && n > 1)
        n = 1;
    if (n > 0)
        memcpy(buffer, stream->answer.data + stream->n_answered, n);
    stream->n_answered += n;
    if (n == left && ends) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!stream->no_trailers) {
            *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(stream);
        }
    }
    return (ssize_t)n;
}

static void submit_headers(RawStream *stream, const nghttp2_nv *headers, size_t n_headers)
{
    nghttp2_submit_headers(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NULL, headers,
                           n_headers, NULL);
}

static void submit_grpc_headers(RawStream *stream)
{
    const nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc"),
                                  header("x-raw-header", "yes")};
    submit_headers(stream, headers, 3);
}

static void submit_body(RawStream *stream)
{
    nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = read_answer};
    nghttp2_submit_data(stream->connection->session, NGHTTP2_FLAG_END_STREAM, stream->id, &provider);
}

static void answer_well(RawStream *stream)
{
    submit_grpc_headers(stream);
    if (stream->fault != RAW_ECHO_OPEN) {
        if (stream->request.length > 0)
            bytes_append(&stream->answer, stream->request.data, stream->request.length);
        else
            bytes_append(&stream->answer, small_message, sizeof(small_message));
        stream->answer_ends = true;
    }
    snprintf(stream->status, sizeof(stream->status), "0");
    submit_body(stream);
}

/* As much of an answer as comes before the reset or the end of the connection. */
static void answer_until(RawStream *stream, RawMoment moment)
{
    static const uint8_t half[] = {0, 0, 0, 0, 100, 'h', 'a', 'l', 'f'};
    if (moment == RAW_BEFORE)
        return;
    submit_grpc_headers(stream);
    if (moment == RAW_IN_MESSAGE)
        bytes_append(&stream->answer, half, sizeof(half));
    if (moment == RAW_AFTER_MESSAGE)
        bytes_append(&stream->answer, small_message, sizeof(small_message));
    if (moment != RAW_AFTER_HEADERS)
        submit_body(stream);
    raw_connection_pump(stream->connection);
}

static void go_away(RawStream *stream, RawFault how)
{
    RawConnection *connection = stream->connection;
    bool counts = how == RAW_GOAWAY_CUT || how == RAW_GOAWAY_DRAIN;
    nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE, counts ? stream->id : 0, NGHTTP2_NO_ERROR,
                          NULL, 0);
    if (how == RAW_GOAWAY_DRAIN) {
        connection->drain_stream = stream->id;
        answer_well(stream);
    }
    raw_connection_pump(connection);
    if (how == RAW_GOAWAY_NONE || how == RAW_GOAWAY_CUT)
        connection->close_when_written = true;
}

static void answer_page(RawStream *stream, uint64_t http_status)
{
    static const char page[] = "<html><body>The workspace is being upgraded.</body></html>\n";
    char status[8];
    snprintf(status, sizeof(status), "%u", (unsigned)http_status % 1000);
    const char *after = stream->connection->server->retry_after;
    const nghttp2_nv headers[] = {header(":status", status), header("content-type", "text/html"),
                                  header("retry-after", after ? after : "")};
    submit_headers(stream, headers, after ? 3 : 2);
    bytes_append(&stream->answer, page, strlen(page));
    stream->answer_ends = stream->no_trailers = true;
    submit_body(stream);
}

static void answer_trailers_only(RawStream *stream, uint64_t status)
{
    char text[8];
    snprintf(text, sizeof(text), "%u", (unsigned)status % 100);
    const nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc"),
                                  header("grpc-status", text), header("grpc-message", "only%20trailers"),
                                  header("x-raw-trailer", "yes")};
    nghttp2_submit_headers(stream->connection->session, NGHTTP2_FLAG_END_STREAM, stream->id, NULL, headers, 5,
                           NULL);
}

static void answer_big_headers(RawStream *stream, uint64_t size)
{
    static char value[4001];
    nghttp2_nv headers[64] = {header(":status", "200"), header("content-type", "application/grpc")};
    size_t n = 2;
    memset(value, 'v', sizeof(value) - 1);
    for (uint64_t done = 0; done < size && n < 64; done += sizeof(value) - 1)
        headers[n++] = header("x-big", value);
    submit_headers(stream, headers, n);
    bytes_append(&stream->answer, small_message, sizeof(small_message));
    stream->answer_ends = true;
    snprintf(stream->status, sizeof(stream->status), "0");
    submit_body(stream);
}

static void answer_oddly(RawStream *stream)
{
    static const uint8_t early_end[] = {0, 0, 0, 0, 100, 't', 'o', 'o'};
    static const uint8_t late_end[] = {0, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 1, 'b'};
    snprintf(stream->status, sizeof(stream->status), stream->fault == RAW_NO_STATUS ? "" : "0");
    stream->answer_ends = true;
    stream->no_trailers = stream->fault == RAW_NO_TRAILERS;
    stream->one_by_one = stream->fault == RAW_EMPTY_FRAMES;
    if (stream->fault == RAW_TRUNCATED)
        bytes_append(&stream->answer, early_end, sizeof(early_end));
    else if (stream->fault == RAW_OVERLONG)
        bytes_append(&stream->answer, late_end, sizeof(late_end));
    else
        bytes_append(&stream->answer, small_message, sizeof(small_message));
    submit_grpc_headers(stream);
    submit_body(stream);
}

static void answer_informational(RawStream *stream)
{
    const nghttp2_nv hints[] = {header(":status", "103"), header("x-hint", "patience")};
    submit_headers(stream, hints, 2);
    answer_well(stream);
}

void raw_answer(RawStream *stream)
{
    RawConnection *connection = stream->connection;
    const RawServer *server = connection->server;
    stream->answered = true;
    switch (stream->fault) {
    case RAW_RESET:
        answer_until(stream, server->moment);
        nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                  (uint32_t)server->value);
        break;
    case RAW_DIE:
    case RAW_ABORT:
        answer_until(stream, server->moment);
        connection->close_when_written = true;
        connection->close_with_reset = stream->fault == RAW_ABORT;
        break;
    case RAW_GOAWAY_NONE:
    case RAW_GOAWAY_OPEN:
    case RAW_GOAWAY_CUT:
    case RAW_GOAWAY_DRAIN: go_away(stream, stream->fault); break;
    case RAW_HTTP: answer_page(stream, server->value); break;
    case RAW_TRAILERS_ONLY: answer_trailers_only(stream, server->value); break;
    case RAW_BIG_HEADERS: answer_big_headers(stream, server->value); break;
    case RAW_NO_TRAILERS:
    case RAW_NO_STATUS:
    case RAW_TRUNCATED:
    case RAW_OVERLONG:
    case RAW_EMPTY_FRAMES: answer_oddly(stream); break;
    case RAW_INFORMATIONAL: answer_informational(stream); break;
    case RAW_STALL: break;
    default: answer_well(stream);
    }
}
