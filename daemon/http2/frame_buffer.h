#pragma once

/*
 * FrameBuffer: the 16 KiB in which nghttp2 puts a frame together before it is sent, one for each session and
 * most of what an idle connection would hold. It gets pages of its own, which are given back while nothing is
 * sent: nghttp2 fills it anew for every frame. Loop thread only.
 */

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct FrameBuffer {
    void *pages; /* NULL: it lies on the heap after all, and stays there */
    size_t size;
    bool is_expected; /* the session is being made: its large allocation is the buffer */
    bool is_warm;     /* its pages may be in memory */
} FrameBuffer;

/* The allocator for the session that `buffer` belongs to; used while it lives. is_expected must be true while
 * the session is made, and then no more. */
void frame_buffer_allocator(FrameBuffer *buffer, nghttp2_mem *ret_allocator);
/* Gives its pages back. Only while the session has nothing to send: what is in the buffer is lost. */
void frame_buffer_cool(FrameBuffer *buffer);
