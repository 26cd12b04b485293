#include "histogram.h"

#include <inttypes.h>
#include <stdio.h>

#define PARTS (UINT64_C(1) << HISTOGRAM_BITS)

static unsigned bucket_of(uint64_t ns)
{
    if (ns < PARTS)
        return (unsigned)ns;
    unsigned power = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
    if (power >= HISTOGRAM_POWERS)
        return HISTOGRAM_BUCKETS - 1;
    return ((power + 1) << HISTOGRAM_BITS) + (unsigned)((ns >> power) - PARTS);
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    unsigned power = bucket >> HISTOGRAM_BITS;
    uint64_t part = bucket & (PARTS - 1);
    if (power == 0)
        return part;
    return ((PARTS + part) << (power - 1)) + ((UINT64_C(1) << (power - 1)) >> 1);
}

void histogram_add(Histogram *histogram, uint64_t ns)
{
    histogram->n++;
    histogram->sum += ns;
    if (ns > histogram->max)
        histogram->max = ns;
    histogram->buckets[bucket_of(ns)]++;
}

uint64_t histogram_at(const Histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->n + 0.999999), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && seen >= wanted)
            return value_of(i) < histogram->max ? value_of(i) : histogram->max;
    }
    return histogram->max;
}

static double microseconds(uint64_t ns)
{
    return (double)ns / 1000;
}

void histogram_print(const Histogram *histogram)
{
    printf("{\"n\": %" PRIu64
           ", \"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, \"p99.9\": %.2f, "
           "\"max\": %.2f}",
           histogram->n, histogram->n ? microseconds(histogram->sum) / (double)histogram->n : 0,
           microseconds(histogram_at(histogram, 0.5)), microseconds(histogram_at(histogram, 0.9)),
           microseconds(histogram_at(histogram, 0.99)), microseconds(histogram_at(histogram, 0.999)),
           microseconds(histogram->max));
}
