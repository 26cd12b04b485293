#pragma once

/* The Spark server of the model: it keeps the responses of its operations until they are released, and does
 * wrong only what it is told to. */

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "endpoint.h"
#include "model.h"
#include "relay/message_watch.h"
#include "spark/method.h"

typedef enum ServerCallState {
    SERVER_CALL_RECEIVING, /* its request */
    SERVER_CALL_HELD,      /* whole, not looked at yet */
    SERVER_CALL_STREAMING, /* results, as far as they are allowed */
    SERVER_CALL_ENDING,    /* all that is to be said has been */
    SERVER_CALL_CLOSED,
} ServerCallState;

typedef struct ServerConnection {
    ListLink link;
    Endpoint endpoint;
    unsigned number;
    bool holds;                          /* requests are not looked at for now */
    size_t max_data;                     /* bytes in a DATA frame */
    int32_t last_processed, goaway_last; /* stream ids; goaway_last -1: none was sent */
} ServerConnection;

typedef struct ServerCall {
    ListLink link;
    ServerConnection *connection;
    int32_t stream;
    ServerCallState state;
    const Method *method;
    MessageWatch watch;
    ModelOperation *operation;
    bool headers_sent, waits; /* for more to be allowed */
    bool ends_plainly;        /* without a status */
    Text answer;              /* of a unary call */
    const Text *source;
    size_t next, allowed;
    char status[4], message[80]; /* in the trailers */
} ServerCall;

void server_open(void);
/* Its port on the loopback address. */
uint16_t server_port(void);
void server_reset(void);
/* `reads`: the daemon may have said something. True: something has moved. */
bool server_pump(bool reads);

/* ---- what a script makes it do; `pick` chooses one of those there are */

/* Goes on with the results of a call: `n` responses and `part` of 256 of the next one. */
void server_send(unsigned pick, unsigned n, unsigned part);
typedef enum ServerEnd {
    SERVER_END_FOR_NOW, /* OK, as after two minutes */
    SERVER_END_UNAVAILABLE,
    SERVER_END_FAILED,    /* the operation has */
    SERVER_END_NO_STATUS, /* the stream ends, and that is all */
    SERVER_END_PAGE,      /* something in between answers HTTP 502 */
} ServerEnd;
void server_end(unsigned pick, ServerEnd end);
void server_reset_call(unsigned pick, uint32_t http2_error);
void server_go_away(unsigned pick, unsigned last);
/* `share` of what is to be said still goes out; `shuts`: an end that can be read, else a reset. `processes`:
 * what has arrived is looked at although nobody will learn of it. */
void server_cut(unsigned pick, unsigned share, bool shuts, bool processes);
void server_hold(unsigned pick, bool holds);
/* New connections are closed at once. */
void server_refuse(bool refuses);
/* An operation is forgotten, as by a restart. */
void server_lose(unsigned pick);
void server_fail_next_unary(void);
/* All is well from now on: every call goes on and ends. True: there was something to do. */
bool server_finish(void);
/* Streams of results that are open for an operation. */
unsigned server_count_streams(const ModelOperation *operation);
unsigned server_count_all_streams(void);
