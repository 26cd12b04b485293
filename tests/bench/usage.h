#pragma once

/*
 * Usage: the CPU time of other processes, all their threads, in nanoseconds, as the scheduler counts it.
 */

#include <stdint.h>

/* `pids` separated by commas; those that are gone count nothing. */
uint64_t usage_cpu_ns(const char *pids);
/* This process's own. */
uint64_t usage_own_ns(void);
