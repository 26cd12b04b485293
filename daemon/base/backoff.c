#include "base/backoff.h"

uint64_t backoff_next_ms(Backoff *backoff, uint32_t random)
{
    uint64_t wait = backoff->first_ms;
    for (unsigned i = 0; i < backoff->n_failures && wait < backoff->limit_ms; i++)
        wait *= 2;
    if (wait > backoff->limit_ms)
        wait = backoff->limit_ms;
    backoff->n_failures++;
    uint64_t half = wait / 2;
    return half + (half ? random % (half + 1) : 0);
}
