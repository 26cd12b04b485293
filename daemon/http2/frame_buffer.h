#pragma once

/*
 * FrameBuffer: the 16 KiB in which nghttp2 puts a frame together before it is sent, one for each session and
 * most of what an idle connection would hold. It gets pages of its own, which are given back while nothing is
 * sent: nghttp2 fills it anew for every frame. Loop thread only.
 */

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct FrameBuffer FrameBuffer;

/* With the allocator for one session, which is to be made next. Never NULL. */
FrameBuffer *frame_buffer_new(nghttp2_mem *ret_allocator);
/* The session has been made: no later allocation is the buffer. */
void frame_buffer_settle(FrameBuffer *buffer);
/* The session has been deleted. Header strings that it received may outlive it; what frees them goes with the
 * last one. Takes NULL; returns NULL. */
FrameBuffer *frame_buffer_release(FrameBuffer *buffer);

/* A frame may have been put together in it. True when it was cold before. */
bool frame_buffer_warm(FrameBuffer *buffer);
bool frame_buffer_is_warm(const FrameBuffer *buffer);
/* Gives its pages back. Only while the session has nothing to send: what is in the buffer is lost. */
void frame_buffer_cool(FrameBuffer *buffer);
/* How many of its pages are in memory; for tests. */
size_t frame_buffer_resident(const FrameBuffer *buffer);
