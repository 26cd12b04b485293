#pragma once

/*
 * Histogram of times, log-linear as HdrHistogram is: each power of two is cut into 128 equal parts, so a
 * value is known to better than 1 %. Holds up to 2^40 ns (18 minutes).
 */

#include <stdint.h>

#define HISTOGRAM_BITS    7
#define HISTOGRAM_POWERS  (40 - HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((HISTOGRAM_POWERS + 1) << HISTOGRAM_BITS)

typedef struct Histogram {
    uint64_t n, sum, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} Histogram;

void histogram_add(Histogram *histogram, uint64_t ns);
/* The value that this share of all (0 to 1) is at or below; 0 when there is none. */
uint64_t histogram_at(const Histogram *histogram, double share);
/* A JSON object, in microseconds. */
void histogram_print(const Histogram *histogram);
