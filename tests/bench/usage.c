#include "usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* /proc/PID/stat counts in hundredths of a second, which is coarse for a case of one second. */
static uint64_t thread_ns(long pid, const char *thread)
{
    char path[64];
    uint64_t ns = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/schedstat", pid, thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%" SCNu64, &ns) != 1)
        ns = 0;
    fclose(file);
    return ns;
}

static uint64_t process_ns(long pid)
{
    char path[64];
    uint64_t ns = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task", pid);
    DIR *threads = opendir(path);
    if (!threads)
        return 0;
    for (struct dirent *entry; (entry = readdir(threads));)
        if (entry->d_name[0] != '.')
            ns += thread_ns(pid, entry->d_name);
    closedir(threads);
    return ns;
}

uint64_t usage_cpu_ns(const char *pids)
{
    uint64_t ns = 0;
    while (pids && *pids) {
        char *end;
        long pid = strtol(pids, &end, 10);
        if (end == pids)
            break;
        ns += process_ns(pid);
        pids = *end == ',' ? end + 1 : end;
    }
    return ns;
}

uint64_t usage_own_ns(void)
{
    return process_ns(getpid());
}
