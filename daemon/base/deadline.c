#include "base/deadline.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"

static void place(Deadlines *deadlines, Deadline *deadline, size_t position)
{
    deadlines->heap[position] = deadline;
    deadline->position = position;
}

static void sift_up(Deadlines *deadlines, Deadline *deadline, size_t position)
{
    while (position > 1 && deadlines->heap[position / 2]->at_ns > deadline->at_ns) {
        place(deadlines, deadlines->heap[position / 2], position);
        position /= 2;
    }
    place(deadlines, deadline, position);
}

static void sift_down(Deadlines *deadlines, Deadline *deadline, size_t position)
{
    for (;;) {
        size_t child = position * 2;
        if (child > deadlines->n_entries)
            break;
        if (child < deadlines->n_entries && deadlines->heap[child + 1]->at_ns < deadlines->heap[child]->at_ns)
            child++;
        if (deadlines->heap[child]->at_ns >= deadline->at_ns)
            break;
        place(deadlines, deadlines->heap[child], position);
        position = child;
    }
    place(deadlines, deadline, position);
}

static void on_timer(uv_timer_t *timer);

/* The timer is moved only when the earliest deadline gets earlier; a late cancellation costs one idle
 * wake-up. */
static void arm(Deadlines *deadlines)
{
    uint64_t earliest = deadlines->n_entries ? deadlines->heap[1]->at_ns : UINT64_MAX;
    if (earliest >= deadlines->timer_at_ns)
        return;
    uint64_t now = clock_now_ns();
    uint64_t wait_ms = earliest > now ? (earliest - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    uv_update_time(deadlines->timer.loop);
    deadlines->timer_at_ns = earliest;
    (void)uv_timer_start(&deadlines->timer, on_timer, wait_ms, 0); /* fails only for a NULL callback */
}

static void on_timer(uv_timer_t *timer)
{
    Deadlines *deadlines = container_of(timer, Deadlines, timer);
    uint64_t now = clock_now_ns();
    deadlines->timer_at_ns = UINT64_MAX;
    while (deadlines->n_entries && deadlines->heap[1]->at_ns <= now) {
        Deadline *deadline = deadlines->heap[1];
        deadline_clear(deadlines, deadline);
        deadline->function(deadline); /* may set and clear others, and free the object the deadline is in */
    }
    arm(deadlines);
}

int deadlines_init(Deadlines *deadlines, uv_loop_t *loop)
{
    *deadlines = (Deadlines){.timer_at_ns = UINT64_MAX};
    int error = uv_timer_init(loop, &deadlines->timer);
    if (error == 0)
        uv_unref((uv_handle_t *)&deadlines->timer); /* a deadline alone is no reason for the loop to go on */
    return error;
}

void deadlines_deinit(Deadlines *deadlines)
{
    assert(deadlines->n_entries == 0);
    free(deadlines->heap);
    deadlines->heap = NULL;
    uv_close((uv_handle_t *)&deadlines->timer, NULL);
}

void deadline_clear(Deadlines *deadlines, Deadline *deadline)
{
    size_t position = deadline->position;
    if (position == 0)
        return;
    deadline->position = 0;
    Deadline *last = deadlines->heap[deadlines->n_entries--];
    if (last == deadline)
        return;
    if (position > 1 && deadlines->heap[position / 2]->at_ns > last->at_ns)
        sift_up(deadlines, last, position);
    else
        sift_down(deadlines, last, position);
}

void deadline_set(Deadlines *deadlines, Deadline *deadline, uint64_t at_ns)
{
    deadline_clear(deadlines, deadline);
    if (deadlines->n_entries + 1 >= deadlines->capacity) {
        deadlines->capacity = deadlines->capacity ? deadlines->capacity * 2 : 64;
        deadlines->heap = mem_resize(deadlines->heap, deadlines->capacity * sizeof(Deadline *));
    }
    deadline->at_ns = at_ns;
    deadlines->n_entries++;
    sift_up(deadlines, deadline, deadlines->n_entries);
    arm(deadlines);
}
