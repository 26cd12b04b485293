#pragma once

/*
 * Script: what a client asked the fake server to do with its call, in the metadata `x-fake: key=value,key,…`.
 * Values are percent-decoded, so that commas and text in any language can be written. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

typedef struct Script {
    bool is_set; /* there was an x-fake header */

    bool echo;          /* send each request message back as it arrives, OK when the request ends */
    bool hang;          /* read the request and never answer */
    bool early;         /* answer at once, without waiting for the end of the request */
    bool trailers_only; /* no response headers of their own */
    bool headers_first; /* response headers as soon as the request's are there */
    bool summary;       /* one message "count=N,bytes=N,crc=N" about the request */
    bool raw;           /* pattern messages also on Spark's own methods */
    bool gzip;          /* compress=gzip: response messages compressed */
    bool no_complete;   /* ExecutePlan: no result_complete at the end */
    bool joins;         /* ExecutePlan of an operation that runs: reattaches, as servers since 4.0.1 do */

    bool has_messages, has_size, has_consume;
    uint64_t messages; /* messages to answer with */
    uint64_t size;     /* bytes of each */
    uint64_t consume;  /* request messages to read before reading stops */

    unsigned first_delay_ms, delay_ms; /* before the first message (or status); between messages */
    unsigned resume_ms;                /* after this long reading goes on; 0: never */
    unsigned stall_ms; /* a message that does not leave within this time is reported as stalled; 0: never */

    /* of an operation that is kept (--operations) */
    uint64_t segment;       /* responses after which a stream ends without result_complete; 0: never */
    uint64_t segment_times; /* streams that end so; 0: all */
    int segment_status;     /* the status that they end with */
    uint64_t forget;        /* the operation is gone with the stream that passed this many; 0: never */
    uint64_t corrupt;       /* the response, counted from 1, that is another when sent again; 0: none */
    unsigned sender_ms;   /* after this long a stream ends OK without result_complete, whatever its client has
                             not read; 0: never */
    unsigned detached_ms; /* an operation without a stream for longer than this is abandoned; 0: never */
    unsigned reattach_ms; /* before the first message of a ReattachExecute */

    int status;
    Bytes message; /* UTF-8 */
    Bytes details; /* grpc-status-details-bin; details=HEX */
} Script;

void script_init(Script *script);
void script_deinit(Script *script);
/* `script` becomes a copy; it must be initialized, or zero. */
void script_copy(Script *script, const Script *from);
/* Adds what `text` says. False when a key is unknown or a value malformed; *ret_bad is then where. */
bool script_parse(Script *script, const char *text, size_t length, size_t *ret_bad);
