#pragma once

/*
 * LoopLag: how long the loop's turns keep it from listening. A turn is all that runs between two waits for
 * events; while it lasts, every connection, timer and signal has to wait. One clock call a turn; the
 * beginning is libuv's own, in whole milliseconds, so that a turn may seem up to 1 ms longer than it was.
 * Loop thread only.
 */

#include <stdint.h>
#include <uv.h>

#define LOOP_LAG_SLOW_MS      10  /* nobody notices one such turn */
#define LOOP_LAG_VERY_SLOW_MS 100 /* something has blocked */

typedef struct LoopLag {
    uv_prepare_t prepare;
    uv_check_t check;
    uint64_t begun_ns; /* the turn that runs; 0: not yet any */
    uint64_t n_turns, n_slow, n_very_slow;
    uint64_t longest_ns, longest_at_ns; /* how long, and when it ended; on the loop's clock, uv_hrtime() */
} LoopLag;

/* To be called before others prepare: what they do then counts too. Keeps no loop alive. 0 or a negative
 * errno. */
int loop_lag_init(LoopLag *lag, uv_loop_t *loop);
/* The memory must live until the loop has run once more. */
void loop_lag_close(LoopLag *lag);
/* Counts one turn; what the loop calls. */
void loop_lag_note(LoopLag *lag, uint64_t begun_ns, uint64_t ended_ns);
