#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_SIZE       512 /* what is wanted of it is within the first 300 bytes */
#define FIELDS_TO_START 19  /* from the state, field 3, to the start, field 22; see proc(5) */

/* The state's letter and when it began. False: /proc does not say. */
static bool read_stat(pid_t pid, char *ret_state, uint64_t *ret_started)
{
    char path[32], stat[STAT_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, stat, sizeof stat - 1) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return false;
    stat[n] = '\0';
    const char *at = strrchr(stat, ')'); /* the name before it may have anything in it */
    if (!at || at[1] != ' ')
        return false;
    *ret_state = at[2];
    at += 2;
    for (int i = 0; i < FIELDS_TO_START && at; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    *ret_started = at ? strtoull(at, NULL, 10) : 0;
    return *ret_started != 0;
}

Process process_of(pid_t pid)
{
    Process process = {.pid = pid > 0 ? pid : 0};
    char state;
    if (process.pid != 0)
        (void)read_stat(pid, &state, &process.started);
    return process;
}

ProcessState process_state(const Process *process)
{
    uint64_t started;
    char state;
    if (process->pid == 0 || process->started == 0)
        return PROCESS_UNKNOWN;
    if (kill(process->pid, 0) < 0 && errno == ESRCH)
        return PROCESS_GONE;
    if (!read_stat(process->pid, &state, &started))
        return PROCESS_UNKNOWN;
    return started != process->started || state == 'Z' || state == 'X' ? PROCESS_GONE : PROCESS_ALIVE;
}
