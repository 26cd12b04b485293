#include "http2/window.h"

#include "base/clock.h"

/* Above what one TCP stream gets over a distance that counts. A near peer measured on a busy machine stays at
 * stream_window with it, where more would only fall out of the processor's cache. */
#define BYTES_PER_SECOND (320ULL * 1000 * 1000)

size_t window_for_round_trip(const Http2Limits *limits, uint64_t round_trip_ns)
{
    size_t most = limits->stream_window * WINDOW_FAR_FACTOR;
    if (most > limits->buffer_limit)
        most = limits->buffer_limit;
    if (most <= limits->stream_window)
        return limits->stream_window;
    if (round_trip_ns >= NS_PER_S)
        return most;
    size_t under_way = (size_t)(round_trip_ns * BYTES_PER_SECOND / NS_PER_S);
    if (under_way > most)
        return most;
    return under_way > limits->stream_window ? under_way : limits->stream_window;
}
