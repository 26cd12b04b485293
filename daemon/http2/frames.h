#pragma once

/*
 * Frames: nghttp2's callbacks, which turn frames into stream events and stream output into DATA frames.
 * Private to http2/: shared by frames.c, stream.c and connection.c. Loop thread only.
 */

#include <nghttp2/nghttp2.h>

#include "http2/connection.h"
#include "http2/stream.h"

#define FRAMES_MAX_HEADERS 512 /* headers of one block that are passed on; the size limit comes first */
#define FRAMES_OWN_HEADERS 16  /* of them that the layers above may add */
#define FRAMES_MAX_SIZE    (1024 * 1024) /* bytes of one DATA frame, received or sent */

nghttp2_session_callbacks *frames_callbacks_new(void);

/* What a stream may send before anything of it has been passed on. It grows up to
 * window_for_round_trip() as the stream is read, so that one that nobody reads holds little. */
uint32_t frames_initial_window(const Http2Limits *limits);

/* nghttp2's read callback for all streams. */
ssize_t frames_read_output(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t length,
                           uint32_t *flags, nghttp2_data_source *source, void *user_data);

/* in stream.c */
void frames_shrink_grown_windows(Connection *connection);
void frames_link_stream(Connection *connection, Stream *stream, int32_t id);
void frames_unlink_stream(Stream *stream);
int frames_submit_trailers(Stream *stream);
void frames_take_output(Stream *stream, Output *output, OutputPool *pool, size_t length);
