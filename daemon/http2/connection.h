#pragma once

/*
 * Connection: one HTTP/2 connection, accepted (server role) or made (client role, with or without TLS). It
 * turns socket bytes into stream events and queued output into as few writes as possible. Connections free
 * themselves after on_closed. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "http2/frame_buffer.h"
#include "http2/http2.h"
#include "http2/output.h"
#include "http2/preface.h"
#include "http2/stream.h"

struct nghttp2_session;
typedef struct TlsContext TlsContext;
typedef struct Tls Tls;

typedef enum ConnectionState {
    CONNECTION_CONNECTING, /* client role: TCP */
    CONNECTION_HANDSHAKE,  /* client role: TLS */
    CONNECTION_GREETING,   /* waiting for the peer's SETTINGS */
    CONNECTION_OPEN,
    CONNECTION_CLOSING, /* to be torn down at the next flush */
    CONNECTION_CLOSED,
} ConnectionState;

/* Why a connection ended, as far as those who own it treat it differently. */
typedef enum ConnectionEndKind {
    CONNECTION_END_LOCAL,    /* we closed it */
    CONNECTION_END_PEER,     /* the peer closed it, or the network did */
    CONNECTION_END_CONNECT,  /* it never came up: TCP */
    CONNECTION_END_TLS,      /* it never came up: TLS */
    CONNECTION_END_PROTOCOL, /* the peer broke HTTP/2, or does not speak it */
} ConnectionEndKind;

typedef struct ConnectionEnd {
    ConnectionEndKind kind;
    char reason[256]; /* part of a sentence: "connection refused", "certificate has expired" */
} ConnectionEnd;

typedef struct ConnectionEvents {
    /* Client role: streams may be opened now. May be NULL. */
    void (*on_open)(Connection *connection);
    /* Server role: the peer begins a stream. Returns one to use, initialised, or NULL to refuse it. */
    Stream *(*on_stream)(Connection *connection);
    /* The peer allows another number of streams. May be NULL. */
    void (*on_settings)(Connection *connection);
    /* The peer wants no more streams here; those above its last id end by on_closed with REFUSED_STREAM. May
     * be NULL. */
    void (*on_goaway)(Connection *connection);
    /* The last event, after on_closed of every stream. */
    void (*on_closed)(Connection *connection, const ConnectionEnd *end);
} ConnectionEvents;

/* Keeps an object alive whose strings nghttp2 may still refer to. */
typedef struct Pin Pin;
struct Pin {
    ListLink link;
    void (*release)(Pin *pin);
};

struct Connection {
    Http2 *http2;
    const ConnectionEvents *events;
    void *owner;
    bool is_server;
    ConnectionState state;
    ConnectionEnd *end; /* why it ends; NULL before that */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_connect_t *connect_request; /* client role, while connecting */
    uv_write_t *write_request;     /* under way: what follows waits for it; NULL: none */
    unsigned keepalive_s;          /* client role: see keepalive_set() */
    bool peer_goes_away;
    bool windows_are_small;
    bool cannot_write; /* a write failed; what the peer said before that is still to be read */
    bool says_goodbye; /* we have sent GOAWAY by our own will */
    struct nghttp2_session *session;
    FrameBuffer *frame_buffer; /* nghttp2's */
    Tls *tls;                  /* NULL: in the clear */
    Output *output;            /* NULL: nothing to write */
    List streams;
    List pins;
    Stream *receiving; /* whose headers are coming in */
    ListLink dirty_link;
    ListLink link; /* in http2->connections */
    uint8_t
        first_bytes[PREFACE_BYTES_KEPT]; /* what the peer said first, for the message when it is not HTTP/2 */
    uint8_t n_first_bytes;
    uint64_t bytes_received, bytes_sent; /* on the wire */
    uint64_t bytes_sent_before;          /* when the janitor last came by */
    uint64_t greeted_ns;                 /* client role: when our first SETTINGS went out; 0: not yet */
    uint64_t round_trip_ns;              /* client role: of those; 0: not known */
};

/* Accepts from a listening handle. `is_pipe`: unix or abstract, else TCP. NULL when accepting fails. */
Connection *connection_new_accepted(Http2 *http2, uv_stream_t *listener, bool is_pipe,
                                    const ConnectionEvents *events, void *owner);
/* Starts connecting; the result comes by on_open or on_closed, never before this returns. `tls`: NULL for
 * clear text; `server_name` is what the certificate must be for (copied). Never NULL. */
Connection *connection_new_connecting(Http2 *http2, const struct sockaddr *address, TlsContext *tls,
                                      const char *server_name, const ConnectionEvents *events, void *owner);
/* Client role, at once after it was made: for how long the peer may be silent; 0: forever. */
void connection_set_keepalive(Connection *connection, unsigned seconds);
/* Client role: a ping of HTTP/2, whose answer counts as bytes received. Servers do not like many. */
void connection_ping(Connection *connection);
/* Ends it at the next flush: streams first, then on_closed. `reason` is a printf format. */
void connection_close(Connection *connection, ConnectionEndKind kind, const char *reason, ...) _printf_(3, 4);
/* Tells the peer to open no more streams (GOAWAY); those that run go on. */
void connection_announce_shutdown(Connection *connection);
/* Puts it on the list for this turn's flush. */
void connection_mark_dirty(Connection *connection);
/* True when nghttp2 may still refer to strings of frames that have not been written: then `pin` is released
 * when it no longer does. False: nothing is pinned. */
bool connection_pin(Connection *connection, Pin *pin);
/* Client role: how many more streams may be opened now. */
uint32_t connection_streams_left(const Connection *connection);
/* Client role: bytes that one header list may have (SETTINGS_MAX_HEADER_LIST_SIZE); more may cost the
 * connection. */
size_t connection_header_limit(const Connection *connection);
/* The socket's descriptor, for peer credentials and addresses. */
int connection_fd(const Connection *connection);

/* For http2.c alone: writes what there is, or tears down. */
void connection_flush(Connection *connection);
/* For http2.c alone: gives back the memory of frames when none was sent since the last time. */
void connection_give_back(Connection *connection);
/* For http2.c alone: makes the initial windows of streams small or normal. */
void connection_set_small_windows(Connection *connection, bool are_small);
