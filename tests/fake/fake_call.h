#pragma once

/*
 * FakeCall: one call at the fake server, from the request's headers to its record line. It reads one message
 * at a time and writes one at a time, and frees itself when the last of its ops is done.
 */

#include <grpc/grpc.h>

#include "loop.h"
#include "operation.h"
#include "record.h"
#include "script.h"
#include "spark.h"

typedef struct FakeServer {
    Loop loop;
    grpc_server *server;
    Record record;
    const char *token, *cluster; /* required of every call when not NULL */
    const char *server_session;
    const char *refused, *ignored; /* requests that contain this fail, are not answered; NULL: none */
    bool checks_sessions;          /* SESSION_CHANGED for a client that has seen another server_session */
    const char *closed_sessions;   /* ids that answer SESSION_CLOSED, as a list; NULL: none */
    uint64_t messages, size;       /* what ExecutePlan answers unless told otherwise */
    uint64_t n_calls, n_first_messages;
    SparkOperation *plans;
    Operations *operations; /* kept as a real server does; NULL: reattaching always works */
} FakeServer;

typedef struct FakeCall {
    FakeServer *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    Op arrival, closing, reading, writing, ending;
    Timer timer, stall, resume, sender;
    unsigned n_pending; /* ops in flight; the object goes at zero */

    uint64_t id;
    Script script;
    const SparkMethod *method; /* NULL: not Spark's, or raw pattern messages wanted */
    SparkRequest request;
    int64_t deadline_ms; /* left at arrival; -1: none */

    grpc_byte_buffer *received, *sending;
    Bytes first; /* the first request message, up to a limit */
    uint64_t n_received, n_received_bytes, first_at;
    uint32_t checksum;
    bool request_ended, reading_now, writing_now;

    grpc_metadata headers[64], trailers[64];
    size_t n_headers, n_trailers;
    bool headers_sent, answering, status_sent, closed;
    uint64_t next_message, n_messages, n_sent, n_sent_bytes;
    int status;
    Bytes status_message;
    int cancelled;
    Operation *operation; /* that this call is attached to */
    uint64_t segment_end; /* the response before which the stream ends */
    bool interrupted;
    bool describes; /* answers with what is known of operations */
} FakeCall;

/* Asks the server for its next call; the object then lives by itself. */
void fake_call_await(FakeServer *server);

/* fake_answer.c: what the call says back. */
void fake_call_refuse(FakeCall *call, int status, const char *message);
/* Response headers alone, now. */
void fake_call_send_headers(FakeCall *call);
/* The answer as scripted; the request need not have ended. */
void fake_call_answer(FakeCall *call);
/* Sends `buffer` (taken over). */
void fake_call_send(FakeCall *call, grpc_byte_buffer *buffer);
/* After a write: the next message or the status; echo: the next read. */
void fake_call_continue(FakeCall *call);
void fake_call_finish(FakeCall *call);
void fake_call_read(FakeCall *call);

/* Ends the call with that status, now or when the message that is leaving has left. */
void fake_call_interrupt(FakeCall *call, int status, const char *message);

/* fake_operation.c: calls of operations that are kept. */
/* ExecutePlan and ReattachExecute: where the answer begins. False: the call was refused. */
bool fake_call_attach(FakeCall *call);
/* True when the stream ends here, before the operation does. */
bool fake_call_segment_over(FakeCall *call);
/* Response `index` is about to leave. */
void fake_call_note_sent(FakeCall *call, uint64_t index, Bytes *message);
void fake_call_detach(FakeCall *call);

/* fake_report.c: record lines. */
void fake_call_report_begin(FakeCall *call);
void fake_call_report_stall(FakeCall *call);
void fake_call_report_end(FakeCall *call);
