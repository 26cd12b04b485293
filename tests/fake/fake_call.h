#pragma once

/*
 * FakeCall: one call at the fake server, from the request's headers to its record line. It reads one message
 * at a time and writes one at a time, and frees itself when the last of its ops is done.
 */

#include <grpc/grpc.h>

#include "loop.h"
#include "record.h"
#include "script.h"
#include "spark.h"

typedef struct FakeServer {
    Loop loop;
    grpc_server *server;
    Record record;
    const char *token, *cluster; /* required of every call when not NULL */
    const char *server_session;
    const char *closed_sessions; /* ids that answer SESSION_CLOSED, as a list; NULL: none */
    uint64_t messages, size;     /* what ExecutePlan answers unless told otherwise */
    uint64_t n_calls, n_first_messages;
    SparkOperation *operations;
} FakeServer;

typedef struct FakeCall {
    FakeServer *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    Op arrival, closing, reading, writing, ending;
    Timer timer, stall, resume;
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

/* fake_report.c: record lines. */
void fake_call_report_begin(FakeCall *call);
void fake_call_report_stall(FakeCall *call);
void fake_call_report_end(FakeCall *call);
