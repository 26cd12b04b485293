#pragma once

/*
 * Deadlines: any number of points in time behind one loop timer, so that a call costs no timer handle of its
 * own. A binary heap of embedded nodes. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef struct Deadline Deadline;
typedef void (*DeadlineFunction)(Deadline *deadline);

struct Deadline {
    uint64_t at_ns;  /* of clock_now_ns() */
    size_t position; /* in the heap, from 1; 0: not set */
    DeadlineFunction function;
};

#define DEADLINE_INIT(callback)                                                                              \
    {                                                                                                        \
        0, 0, (callback)                                                                                     \
    }

typedef struct Deadlines {
    Deadline **heap; /* from index 1 */
    size_t n_entries, capacity;
    uv_timer_t timer;
    uint64_t timer_at_ns; /* what the timer is set to; UINT64_MAX: stopped */
} Deadlines;

int deadlines_init(Deadlines *deadlines, uv_loop_t *loop);
/* Nothing may be set any more. The timer handle is closed; the memory must live until the loop has run once
 * more. */
void deadlines_deinit(Deadlines *deadlines);
/* Sets or moves; the function is called once, from the loop, when the time has come. */
void deadline_set(Deadlines *deadlines, Deadline *deadline, uint64_t at_ns);
/* Harmless when it is not set. */
void deadline_clear(Deadlines *deadlines, Deadline *deadline);

static inline bool deadline_is_set(const Deadline *deadline)
{
    return deadline->position != 0;
}
