#pragma once

/*
 * How much a stream may hold: as much as is under way between two reads of it, which far away is more. Pure;
 * any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "http2/http2.h"

#define WINDOW_FAR_FACTOR 4 /* at the most so much of stream_window */

/* Bytes that a stream's window may grow to when its peer answers after `round_trip_ns`; between stream_window
 * and WINDOW_FAR_FACTOR times that, and not above buffer_limit. */
size_t window_for_round_trip(const Http2Limits *limits, uint64_t round_trip_ns);
