/*
 * sleep-clock: loaded before libc into a program under test, makes it believe that the machine has slept: the
 * clocks that count sleep, and the time of day, are ahead by the nanoseconds that stand in the file named by
 * SLEEP_CLOCK_FILE. The monotonic clock and all timers go on as they do after a sleep. A time namespace would
 * not do: a process that runs cannot be moved into another one from outside.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define REPLACES __attribute__((visibility("default")))

typedef int ClockGettime(clockid_t clock, struct timespec *time);

static const volatile int64_t *slept_ns;
static ClockGettime *real_clock_gettime;

__attribute__((constructor)) static void begin(void)
{
    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("SLEEP_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(*slept_ns), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        slept_ns = page;
}

static int read_clock(clockid_t clock, struct timespec *time)
{
    if (!real_clock_gettime)
        *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, time);
    bool counts_sleep = clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM || clock == CLOCK_REALTIME ||
                        clock == CLOCK_REALTIME_COARSE;
    if (result != 0 || !slept_ns || !counts_sleep)
        return result;
    int64_t ns = time->tv_nsec + *slept_ns;
    time->tv_sec += ns / NS_PER_S;
    time->tv_nsec = ns % NS_PER_S;
    return 0;
}

REPLACES int clock_gettime(clockid_t clock, struct timespec *time)
{
    return read_clock(clock, time);
}

REPLACES time_t time(time_t *ret_seconds)
{
    struct timespec now;
    read_clock(CLOCK_REALTIME, &now);
    if (ret_seconds)
        *ret_seconds = now.tv_sec;
    return now.tv_sec;
}

REPLACES int gettimeofday(struct timeval *restrict ret_now, void *restrict zone)
{
    (void)zone;
    struct timespec now;
    read_clock(CLOCK_REALTIME, &now);
    *ret_now = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}
