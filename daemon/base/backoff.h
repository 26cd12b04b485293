#pragma once

/* Exponential backoff with jitter. Pure: randomness comes in as a number. Any thread. */

#include <stdint.h>

typedef struct Backoff {
    uint64_t first_ms, limit_ms;
    unsigned n_failures;
} Backoff;

#define BACKOFF_INIT(first, limit)                                                                           \
    {                                                                                                        \
        (first), (limit), 0                                                                                  \
    }

static inline void backoff_reset(Backoff *backoff)
{
    backoff->n_failures = 0;
}

/* The wait before the next try, in milliseconds: doubling from `first_ms` up to `limit_ms`, of which between
 * half and all is taken, by `random`. Counts one more failure. */
uint64_t backoff_next_ms(Backoff *backoff, uint32_t random);
