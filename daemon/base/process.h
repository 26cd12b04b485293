#pragma once

/*
 * Process: whether another process is still there, and is still the same one: a process id is used again, the
 * moment at which it began is not. Any thread.
 */

#include <stdint.h>
#include <sys/types.h>

typedef struct Process {
    pid_t pid;        /* 0: not known */
    uint64_t started; /* in some unit since boot; 0: not known */
} Process;

typedef enum ProcessState {
    PROCESS_UNKNOWN, /* it cannot be told: where there is no /proc, or it does not show this process */
    PROCESS_ALIVE,
    PROCESS_GONE,
} ProcessState;

/* The process that has this id now. */
Process process_of(pid_t pid);
ProcessState process_state(const Process *process);
