#pragma once

/*
 * Raw: an HTTP/2 server on nghttp2 and blocking poll() that misbehaves on command, in the ways that a gRPC
 * library cannot be talked into. One thread. Connections are a list; streams belong to their connection.
 */

#include <stdbool.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "bytes.h"
#include "record.h"

typedef enum RawFault {
    RAW_NONE,
    /* of a connection, from its beginning */
    RAW_SILENT,       /* reads, never writes */
    RAW_HTML1,        /* answers an HTTP/1.1 503 page and closes */
    RAW_GARBAGE,      /* answers bytes that are no protocol */
    RAW_CLOSE_ACCEPT, /* closes at once */
    RAW_CLOSE_AFTER,  /* closes after `value` bytes were received */
    RAW_BAD_SETTINGS, /* HTTP/2 that begins with an invalid setting */
    /* of a call */
    RAW_RESET,         /* RST_STREAM with code `value` */
    RAW_DIE,           /* closes the connection */
    RAW_ABORT,         /* closes the connection with a TCP reset */
    RAW_GOAWAY_NONE,   /* GOAWAY with last stream 0, then closes */
    RAW_GOAWAY_OPEN,   /* GOAWAY with last stream 0, stays open and answers nothing */
    RAW_GOAWAY_CUT,    /* GOAWAY with this stream, then closes without an answer */
    RAW_GOAWAY_DRAIN,  /* GOAWAY with this stream, answers it, then closes */
    RAW_HTTP,          /* :status `value` with an HTML page */
    RAW_NO_TRAILERS,   /* a good message, then END_STREAM */
    RAW_NO_STATUS,     /* trailers without grpc-status */
    RAW_TRAILERS_ONLY, /* grpc-status `value` in the only header block */
    RAW_INFORMATIONAL, /* 103 before the answer, which is good */
    RAW_TRUNCATED,     /* status 0 in the middle of a message */
    RAW_OVERLONG,      /* two messages whatever was asked */
    RAW_EMPTY_FRAMES,  /* the good answer, byte by byte, with empty DATA frames between */
    RAW_BIG_HEADERS,   /* `value` bytes of response headers */
    RAW_STALL,         /* never answers */
    RAW_ECHO_OPEN,     /* echoes each DATA as it arrives */
} RawFault;

/* Where in the call a reset or a close happens. */
typedef enum RawMoment { RAW_BEFORE, RAW_AFTER_HEADERS, RAW_IN_MESSAGE, RAW_AFTER_MESSAGE } RawMoment;

typedef struct RawServer {
    int listener;
    RawFault fault;
    uint64_t value;
    RawMoment moment;
    uint64_t skip, times;    /* calls before the first faulty one; faulty ones after it */
    const char *retry_after; /* a header of RAW_HTTP; NULL: none */
    uint32_t max_streams, window;
    bool padded;
    bool at_headers; /* answers as soon as the request headers are there */
    Record record;
    uint64_t n_calls, n_connections;
    struct RawConnection *connections;
} RawServer;

typedef struct RawConnection {
    struct RawConnection *next;
    RawServer *server;
    uint64_t id;
    int fd;
    nghttp2_session *session; /* NULL: no HTTP/2 is spoken here */
    Bytes out;
    size_t n_written;
    uint64_t n_received;
    struct RawStream *streams;
    bool close_when_written, close_with_reset, dead;
    int32_t drain_stream; /* close when this one is done */
} RawConnection;

typedef struct RawStream {
    struct RawStream *next;
    RawConnection *connection;
    int32_t id;
    uint64_t call; /* counted over the whole server, from 1 */
    RawFault fault;
    Bytes headers; /* JSON pairs */
    Bytes request, answer;
    size_t n_answered;
    bool request_ended, due, answered, answer_ends, no_trailers, one_by_one;
    char status[8]; /* grpc-status of the trailers; empty: none */
} RawStream;

/* raw_connection.c */
RawConnection *raw_connection_new(RawServer *server, int fd);
void raw_connection_free(RawConnection *connection);
/* Reads what is there; sets `dead` at the end. */
void raw_connection_read(RawConnection *connection);
void raw_connection_write(RawConnection *connection);
/* Moves every frame that nghttp2 may send into the out buffer. */
void raw_connection_pump(RawConnection *connection);

/* raw_answer.c: outside nghttp2's callbacks. */
void raw_answer(RawStream *stream);

/* raw_report.c */
void raw_report_connection(const RawConnection *connection, const char *event);
void raw_report_call(const RawStream *stream);
void raw_report_end(const RawStream *stream, uint32_t error_code);
