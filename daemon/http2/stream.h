#pragma once

/*
 * Stream: one HTTP/2 stream, on either side of the daemon, embedded in whatever owns it. Events go to the
 * owner; what the owner queues leaves with the connection's next flush. Bytes received count against the
 * stream's window until the stream that they were passed on to has written them: that is the back-pressure.
 * Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/block.h"
#include "base/list.h"
#include "base/piece.h"
#include "http2/header.h"

/* HTTP/2 error codes that the layers above deal in (RFC 9113, 7). */
#define STREAM_NO_ERROR       0x0u
#define STREAM_INTERNAL_ERROR 0x2u
#define STREAM_REFUSED        0x7u
#define STREAM_CANCEL         0x8u

typedef struct Http2 Http2;
typedef struct Connection Connection;
typedef struct Stream Stream;

typedef struct StreamEvents {
    /* stream->received_headers are complete (for a client role: the final ones, 1xx are dropped). `end`:
     * nothing follows them; on_end comes all the same. */
    void (*on_headers)(Stream *stream, bool end);
    /* Bytes of DATA; they lie in `block`. The window is given back by stream_consume() or through `feeds`. */
    void (*on_data)(Stream *stream, const uint8_t *bytes, size_t length, Block *block);
    /* The peer will send no more; stream->received_trailers are complete (and empty when there were none). */
    void (*on_end)(Stream *stream);
    /* Fewer bytes than wake_below are left to send, told as others leave: within the connection's flush, so
     * that it must only start something. NULL: wake_below is never set. */
    void (*on_drained)(Stream *stream);
    /* The stream is gone, by whatever way; stream->connection is NULL. Not called after stream_detach(). */
    void (*on_closed)(Stream *stream, uint32_t error_code);
} StreamEvents;

struct Stream {
    const StreamEvents *events;
    Http2 *http2;           /* counts what waits in `output`, whether the stream is open or not */
    Connection *connection; /* NULL: not open */
    int32_t id;
    ListLink link; /* in connection->streams */
    HeaderList received_headers, received_trailers;

    PieceQueue output;          /* DATA to send */
    const HeaderList *trailers; /* to send after it; borrowed */
    PieceQueue *kept;           /* when set, what was sent is moved there instead of being freed */
    Stream *source;             /* when set, its window is given back as output leaves */
    size_t wake_below;          /* bytes of `output`; 0: on_drained is not told */
    size_t n_unconsumed;        /* bytes received whose window has not been given back */
    size_t window;              /* of receiving, as last set */
    size_t n_read_of_window;    /* bytes passed on since then */
    uint64_t n_sent;            /* DATA bytes handed to the socket or the TLS layer */
    uint64_t opened_at;         /* client role: connection->bytes_sent when it was opened */
    uint64_t n_sent_before;     /* n_sent when the janitor last came by: no difference means that it stalls */

    bool headers_done : 1; /* final headers received; what follows are trailers */
    bool headers_too_large : 1;
    bool ended : 1;       /* the peer has ended its side */
    bool output_ends : 1; /* END_STREAM follows the last byte of `output` */
    bool is_deferred : 1; /* nghttp2 waits for output */
    bool end_sent : 1;
};

/* The header lists keep their memory from one use to the next. */
void stream_init(Stream *stream, Http2 *http2, const StreamEvents *events);
/* Must be closed or detached. Empties everything but keeps the header arrays; the stream can be used again.
 */
void stream_clear(Stream *stream);
void stream_deinit(Stream *stream);

static inline bool stream_is_open(const Stream *stream)
{
    return stream->connection != NULL;
}

/* Client role: opens the stream. Strings in `headers` must live until the stream is closed or, when it ends
 * early, until the connection lets go of them (connection_pin). Returns 0, or a negative errno. */
int stream_send_request(Stream *stream, Connection *connection, const HeaderList *headers, bool end);
/* Server role: response headers; with `end` there is nothing more (a trailers-only answer). */
void stream_send_response(Stream *stream, const HeaderList *headers, bool end);
/* Queues DATA. */
void stream_queue(Stream *stream, const uint8_t *bytes, size_t length, Block *block);
/* Nothing more will be queued; `trailers` (may be NULL) follow, borrowed until the stream is closed. */
void stream_queue_end(Stream *stream, const HeaderList *trailers);
/* Makes a stream that has been closed ready to be opened again, with `kept` before what it has not sent. */
void stream_rewind(Stream *stream, PieceQueue *kept);
/* Hands over what has not been sent, as the only contents of `ret_output`, and makes the stream ready to be
 * opened again; it must have been closed. */
void stream_take_output(Stream *stream, PieceQueue *ret_output);
/* Gives back up to `length` bytes of this stream's receive window. */
void stream_consume(Stream *stream, size_t length);
/* Ends the stream at once with an HTTP/2 error code; on_closed follows. */
void stream_reset(Stream *stream, uint32_t error_code);
/* Forgets the stream: the peer gets RST_STREAM with `error_code` unless both sides have ended, the owner no
 * more events. */
void stream_detach(Stream *stream, uint32_t error_code);
