#pragma once

/*
 * Time that only goes forward: monotonic, for time-outs and durations, which does not count sleep; and since
 * boot, which does, for what ends in the world outside. Never for dates. Any thread.
 */

#include <stdint.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static inline uint64_t clock_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Counts the time that the machine sleeps; equal to clock_now_ns() where there is no such clock. */
static inline uint64_t clock_boot_ns(void)
{
#ifdef CLOCK_BOOTTIME
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
#else
    return clock_now_ns();
#endif
}
