#include "http2/http2.h"

#include <assert.h>
#include <malloc.h>
#include <nghttp2/nghttp2.h>

#include "http2/connection.h"
#include "http2/frames.h"

#define RECEIVE_BLOCK_SIZE (256 * 1024)
#define RECEIVE_ROOM_LEAST (RECEIVE_BLOCK_SIZE / 4)
#define CIPHER_BLOCK_SIZE  (256 * 1024)
#define JANITOR_PERIOD_MS  1000
#define FREE_BLOCKS_KEPT   1 /* of each pool, at rest */
#define ANSWER_TABLE_SIZE                                                                                    \
    1024 /* bytes of HPACK table for what clients are sent: a few header fields that recur */

static void on_prepare(uv_prepare_t *prepare)
{
    http2_flush(container_of(prepare, Http2, prepare));
}

static void on_check(uv_check_t *check)
{
    http2_flush(container_of(check, Http2, check));
}

static nghttp2_option *option_new(void)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        abort(); /* out of memory */
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    /* gRPC does not encode a blank at the end of grpc-message: what came is passed on as it came. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
    return option;
}

int http2_init(Http2 *http2, uv_loop_t *loop, const Http2Limits *limits)
{
    *http2 = (Http2){.loop = loop, .limits = *limits};
    list_init(&http2->dirty);
    list_init(&http2->connections);
    http2->callbacks = frames_callbacks_new();
    http2->client_option = option_new();
    http2->server_option = option_new();
    nghttp2_option_set_max_deflate_dynamic_table_size(http2->server_option, ANSWER_TABLE_SIZE);
    block_pool_init(&http2->receive_blocks, RECEIVE_BLOCK_SIZE);
    block_pool_init(&http2->cipher_blocks, CIPHER_BLOCK_SIZE);
    output_pool_init(&http2->outputs);
    int error = uv_prepare_init(loop, &http2->prepare);
    if (error == 0)
        error = uv_check_init(loop, &http2->check);
    if (error == 0)
        error = uv_timer_init(loop, &http2->janitor);
    if (error == 0)
        error = uv_prepare_start(&http2->prepare, on_prepare);
    if (error == 0)
        error = uv_check_start(&http2->check, on_check);
    if (error == 0) { /* none of them is a reason for the loop to go on */
        uv_unref((uv_handle_t *)&http2->prepare);
        uv_unref((uv_handle_t *)&http2->check);
        uv_unref((uv_handle_t *)&http2->janitor);
    }
    return error;
}

void http2_deinit(Http2 *http2)
{
    assert(list_is_empty(&http2->connections));
    block_unref(http2->receive_block);
    block_pool_deinit(&http2->receive_blocks);
    block_pool_deinit(&http2->cipher_blocks);
    output_pool_deinit(&http2->outputs);
    free(http2->cipher_input);
    nghttp2_session_callbacks_del(http2->callbacks);
    nghttp2_option_del(http2->client_option);
    nghttp2_option_del(http2->server_option);
    uv_close((uv_handle_t *)&http2->prepare, NULL);
    uv_close((uv_handle_t *)&http2->check, NULL);
    uv_close((uv_handle_t *)&http2->janitor, NULL);
}

uint8_t *http2_receive_room(Http2 *http2, size_t *ret_size)
{
    Block *block = http2->receive_block;
    if (block && RECEIVE_BLOCK_SIZE - block->used < RECEIVE_ROOM_LEAST)
        block = block_unref(block);
    if (!block)
        block = block_pool_get(&http2->receive_blocks);
    http2->receive_block = block;
    *ret_size = RECEIVE_BLOCK_SIZE - block->used;
    return block->bytes + block->used;
}

void http2_received(Http2 *http2, size_t length)
{
    Block *block = http2->receive_block;
    if (block->n_references > 1)
        block->used += (uint32_t)length;
    else
        block->used = 0; /* nothing refers to it: the next bytes may go to its start */
}

/* ---- giving memory back */

/* Streams that have not moved since last time keep only their own bytes, not the blocks they came in. */
static void compact_stalled_streams(Connection *connection)
{
    list_for_each(link, &connection->streams)
    {
        Stream *stream = container_of(link, Stream, link);
        if (stream->output.n_bytes > 0 && stream->n_sent == stream->n_sent_before)
            (void)piece_queue_compact(&stream->output);
        stream->n_sent_before = stream->n_sent;
    }
}

static bool has_memory_to_give_back(const Http2 *http2)
{
    return http2->receive_blocks.n_free > FREE_BLOCKS_KEPT ||
           http2->cipher_blocks.n_free > FREE_BLOCKS_KEPT ||
           http2->outputs.copy_blocks.n_free > FREE_BLOCKS_KEPT || http2->n_queued_bytes > 0 ||
           http2->connections.n_entries < http2->n_busiest / 2;
}

static void on_janitor(uv_timer_t *timer)
{
    Http2 *http2 = container_of(timer, Http2, janitor);
    list_for_each(link, &http2->connections)
    {
        Connection *connection = container_of(link, Connection, link);
        compact_stalled_streams(connection);
        connection_give_back(connection);
    }
    (void)block_pool_trim(&http2->receive_blocks);
    (void)block_pool_trim(&http2->cipher_blocks);
    (void)block_pool_trim(&http2->outputs.copy_blocks);
    if (http2->connections.n_entries < http2->n_busiest / 2)
        http2->n_busiest = http2->connections.n_entries;
    if (has_memory_to_give_back(http2))
        return;
    if (!http2->is_trimmed)
        (void)malloc_trim(0);
    http2->is_trimmed = true;
    if (http2->n_warm_connections > 0)
        return;
    (void)uv_timer_stop(timer);
    http2->janitor_runs = false;
}

void http2_wake_janitor(Http2 *http2)
{
    if (http2->connections.n_entries > http2->n_busiest)
        http2->n_busiest = http2->connections.n_entries;
    bool has_more = has_memory_to_give_back(http2);
    if (has_more)
        http2->is_trimmed = false;
    if (http2->janitor_runs || !(has_more || http2->n_warm_connections > 0))
        return;
    http2->janitor_runs = true;
    (void)uv_timer_start(&http2->janitor, on_janitor, JANITOR_PERIOD_MS, JANITOR_PERIOD_MS);
}

/* Too much waits in the daemon: every peer may send less at a time, until half of it has gone. */
static void bound_queued_bytes(Http2 *http2)
{
    bool should = http2->windows_are_small ? http2->n_queued_bytes > http2->limits.buffer_limit / 2
                                           : http2->n_queued_bytes > http2->limits.buffer_limit;
    if (should == http2->windows_are_small)
        return;
    http2->windows_are_small = should;
    list_for_each(link, &http2->connections)
        connection_set_small_windows(container_of(link, Connection, link), should);
}

void http2_flush(Http2 *http2)
{
    if (list_is_empty(&http2->dirty))
        return;
    for (ListLink *link; (link = list_first(&http2->dirty));) {
        list_remove(&http2->dirty, link);
        connection_flush(container_of(link, Connection, dirty_link));
    }
    bound_queued_bytes(http2);
    http2_wake_janitor(http2);
}
