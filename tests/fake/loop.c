#include "loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <grpc/support/time.h>

int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void loop_init(Loop *loop)
{
    *loop = (Loop){.queue = grpc_completion_queue_create_for_next(NULL)};
}

static gpr_timespec next_wake(const Loop *loop)
{
    if (!loop->timers)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    int64_t left = loop->timers->at_us - clock_us();
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_micros(left > 0 ? left : 0, GPR_TIMESPAN));
}

static void fire_due(Loop *loop)
{
    while (loop->timers && loop->timers->at_us <= clock_us()) {
        Timer *timer = loop->timers;
        timer_stop(loop, timer);
        timer->fire(timer);
    }
}

void loop_run(Loop *loop)
{
    while (!loop->stop) {
        grpc_event event = grpc_completion_queue_next(loop->queue, next_wake(loop), NULL);
        if (event.type == GRPC_OP_COMPLETE) {
            Op *op = event.tag;
            op->done(op, event.success != 0);
        } else if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return;
        }
        fire_due(loop);
    }
}

void loop_deinit(Loop *loop)
{
    grpc_completion_queue_shutdown(loop->queue);
    for (;;) {
        grpc_event event = grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        Op *op = event.tag;
        op->done(op, event.success != 0);
    }
    grpc_completion_queue_destroy(loop->queue);
}

void timer_start(Loop *loop, Timer *timer, unsigned after_ms, void (*fire)(Timer *timer))
{
    timer_stop(loop, timer);
    timer->at_us = clock_us() + (int64_t)after_ms * 1000;
    timer->fire = fire;
    timer->is_armed = true;
    Timer **link = &loop->timers;
    while (*link && (*link)->at_us <= timer->at_us)
        link = &(*link)->next;
    timer->next = *link;
    *link = timer;
}

void timer_stop(Loop *loop, Timer *timer)
{
    if (!timer->is_armed)
        return;
    for (Timer **link = &loop->timers; *link; link = &(*link)->next)
        if (*link == timer) {
            *link = timer->next;
            break;
        }
    timer->is_armed = false;
}

void loop_start_batch(grpc_call *call, const grpc_op *ops, size_t n_ops, Op *op)
{
    grpc_call_error error = grpc_call_start_batch(call, ops, n_ops, op, NULL);
    if (error != GRPC_CALL_OK) {
        fprintf(stderr, "grpc_call_start_batch: %s\n", grpc_call_error_to_string(error));
        abort();
    }
}
