#include "fast_loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define EVENTS_PER_TURN 256

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void fast_loop_init(FastLoop *loop)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        fail("epoll_create1: %s", strerror(errno));
    (void)prctl(PR_SET_TIMERSLACK, 1); /* nanoseconds: a schedule is kept, not rounded */
}

static void control(FastLoop *loop, int operation, int fd, Watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll, operation, fd, &event) != 0)
        fail("epoll_ctl: %s", strerror(errno));
}

void fast_loop_add(FastLoop *loop, int fd, Watch *watch, uint32_t events)
{
    control(loop, EPOLL_CTL_ADD, fd, watch, events);
}

void fast_loop_change(FastLoop *loop, int fd, Watch *watch, uint32_t events)
{
    control(loop, EPOLL_CTL_MOD, fd, watch, events);
}

void fast_loop_turn(FastLoop *loop, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_PER_TURN];
    struct timespec timeout = {0};
    if (until_ns != UINT64_MAX) {
        uint64_t now = now_ns();
        uint64_t left = until_ns > now ? until_ns - now : 0;
        timeout.tv_sec = (time_t)(left / NS_PER_S);
        timeout.tv_nsec = (long)(left % NS_PER_S);
    }
    int n =
        epoll_pwait2(loop->epoll, events, EVENTS_PER_TURN, until_ns == UINT64_MAX ? NULL : &timeout, NULL);
    if (n < 0 && errno != EINTR)
        fail("epoll_pwait2: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        Watch *watch = events[i].data.ptr;
        watch->ready(watch, events[i].events);
    }
}

static struct sockaddr_in parse_address(const char *address)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    struct sockaddr_in parsed = {.sin_family = AF_INET};
    if (!colon || (size_t)(colon - address) >= sizeof(host))
        fail("%s is not HOST:PORT", address);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    parsed.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &parsed.sin_addr) != 1)
        fail("%s is not a numeric address", host);
    return parsed;
}

int listen_at(const char *address)
{
    struct sockaddr_in at = parse_address(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0)
        fail("listen at %s: %s", address, strerror(errno));
    return fd;
}

int connect_to(const char *address)
{
    struct sockaddr_in to = parse_address(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("connect to %s: %s", address, strerror(errno));
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        fail("socket: %s", strerror(errno));
    return fd;
}

void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
