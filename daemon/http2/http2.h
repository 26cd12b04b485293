#pragma once

/*
 * Http2: what all connections of one loop share: receive blocks, output pools, nghttp2's callbacks, the
 * limits, and the list of connections with something to write, which is flushed once per loop turn, after
 * every ready event has been read. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/block.h"
#include "base/list.h"
#include "http2/output.h"

struct nghttp2_session_callbacks;
struct nghttp2_option;

typedef struct Http2Limits {
    size_t stream_window;            /* bytes a stream may hold here, each way */
    size_t buffer_limit;             /* bytes all streams may hold before windows shrink */
    size_t header_limit;             /* bytes of one header list */
    uint32_t max_concurrent_streams; /* that a client may have on one connection */
} Http2Limits;

typedef struct Http2 Http2;
struct Http2 {
    uv_loop_t *loop;
    Http2Limits limits;
    struct nghttp2_session_callbacks *callbacks;
    struct nghttp2_option *client_option, *server_option;
    BlockPool receive_blocks;
    Block *receive_block;  /* where the next bytes go, whichever connection they come from */
    uint8_t *cipher_input; /* ciphertext is received here and used up at once; NULL until TLS is used */
    BlockPool cipher_blocks;
    OutputPool outputs;
    List dirty;             /* connections to flush in this loop turn */
    List connections;       /* all of them */
    size_t n_queued_bytes;  /* waiting in streams */
    bool windows_are_small; /* more than buffer_limit was waiting */
    uint64_t now_ns;        /* time of the latest socket event; spares a clock call per call */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t janitor; /* runs while there is memory to give back */
    bool janitor_runs;
    bool is_trimmed;           /* malloc has given back what was freed */
    size_t n_warm_connections; /* whose frame buffers may be in memory */
    size_t n_busiest;          /* connections and streams at the most since memory was given back */
};

int http2_init(Http2 *http2, uv_loop_t *loop, const Http2Limits *limits);
/* All connections must be closed. The memory must live until the loop has run once more. */
void http2_deinit(Http2 *http2);
/* Writes what all dirty connections have to write and tears down those that are to be closed. */
void http2_flush(Http2 *http2);
/* A block with room for at least a few KiB, and where in it; valid until the next call. */
uint8_t *http2_receive_room(Http2 *http2, size_t *ret_size);
/* `length` bytes at the place that http2_receive_room() gave were used; they stay if something refers to
 * them. */
void http2_received(Http2 *http2, size_t length);
/* Called when memory was used that may be given back later. */
void http2_wake_janitor(Http2 *http2);
