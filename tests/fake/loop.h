#pragma once

/*
 * Loop: one thread that takes events from a gRPC completion queue and fires timers. A tag is an Op embedded
 * in the object that waits for it. Everything runs on the thread that calls loop_run().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

typedef struct Op {
    void (*done)(struct Op *op, bool ok);
} Op;

typedef struct Timer {
    struct Timer *next;
    int64_t at_us;
    bool is_armed;
    void (*fire)(struct Timer *timer);
} Timer;

typedef struct Loop {
    grpc_completion_queue *queue;
    Timer *timers; /* soonest first */
    bool stop;
} Loop;

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

int64_t clock_us(void);

void loop_init(Loop *loop);
/* Until `stop` is set. */
void loop_run(Loop *loop);
/* Shuts the queue down and drains it; every op must have been started on objects that still live. */
void loop_deinit(Loop *loop);
void timer_start(Loop *loop, Timer *timer, unsigned after_ms, void (*fire)(Timer *timer));
void timer_stop(Loop *loop, Timer *timer);
/* Starts ops; a refusal is a bug of ours and aborts. */
void loop_start_batch(grpc_call *call, const grpc_op *ops, size_t n_ops, Op *op);
