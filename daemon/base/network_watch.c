#include "base/network_watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#endif

#include "base/clock.h"
#include "base/mem.h"

#define SETTLE_MS        250  /* one change is several messages */
#define LEAST_BETWEEN_MS 1000 /* some networks announce themselves all the time */
#define SLEEP_LEAST_MS   1000 /* less than that breaks nothing, and may be the reading of the clocks */
#define LOOK_PERIOD_MS   100  /* of a busy loop */

struct NetworkWatch {
    Deadlines *deadlines;
    NetworkWatchFunction on_change;
    void *context;
    Deadline settle;
    uint64_t told_ns; /* when on_change was called last */
    SleepWatch sleep;
    uint64_t looked_at_ms; /* in the loop's time */
    uv_check_t check;
    int fd; /* of netlink; -1: none */
    uv_poll_t poll;
    unsigned n_handles;
};

/* ---- pure parts */

bool sleep_watch_look(SleepWatch *watch, uint64_t monotonic_ns, uint64_t boot_ns, uint64_t *ret_slept_ns)
{
    uint64_t ahead_ns = boot_ns > monotonic_ns ? boot_ns - monotonic_ns : 0;
    uint64_t slept_ns = ahead_ns > watch->ahead_ns ? ahead_ns - watch->ahead_ns : 0;
    bool has_slept = watch->has_looked && slept_ns >= SLEEP_LEAST_MS * NS_PER_MS;
    if (has_slept || !watch->has_looked) /* what is too short to count is not lost either */
        watch->ahead_ns = ahead_ns;
    watch->has_looked = true;
    *ret_slept_ns = has_slept ? slept_ns : 0;
    return has_slept;
}

#ifdef __linux__

/* Those of the machine itself and of one link lead nowhere. */
static bool address_matters(const struct nlmsghdr *header)
{
    const struct ifaddrmsg *address = NLMSG_DATA(header);
    return header->nlmsg_len >= NLMSG_LENGTH(sizeof *address) && address->ifa_scope < RT_SCOPE_LINK;
}

/* A default route; the others come with addresses. */
static bool route_matters(const struct nlmsghdr *header)
{
    const struct rtmsg *route = NLMSG_DATA(header);
    return header->nlmsg_len >= NLMSG_LENGTH(sizeof *route) && route->rtm_dst_len == 0 &&
           route->rtm_type == RTN_UNICAST;
}

static bool message_matters(const struct nlmsghdr *header)
{
    switch (header->nlmsg_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR: return address_matters(header);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return route_matters(header);
    case NLMSG_OVERRUN: return true;
    default: return false;
    }
}

bool network_change_matters(const void *messages, size_t length)
{
    const char *at = messages;
    while (length >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *header = (const struct nlmsghdr *)at;
        size_t step = NLMSG_ALIGN(header->nlmsg_len);
        if (header->nlmsg_len < sizeof *header || header->nlmsg_len > length)
            return false;
        if (message_matters(header))
            return true;
        if (step >= length)
            return false;
        at += step;
        length -= step;
    }
    return false;
}

/* -1: there is none, or it is not allowed. */
static int open_netlink(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                                               RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

#else

bool network_change_matters(const void *messages, size_t length)
{
    (void)messages, (void)length;
    return false;
}

static int open_netlink(void)
{
    return -1;
}

#endif

/* ---- events */

static void tell(NetworkWatch *watch, const char *what)
{
    watch->told_ns = clock_now_ns();
    watch->on_change(watch->context, what);
}

static void on_settled(Deadline *deadline)
{
    tell(container_of(deadline, NetworkWatch, settle), "the network has changed");
}

static void changed(NetworkWatch *watch)
{
    uint64_t at_ns = clock_now_ns() + SETTLE_MS * NS_PER_MS;
    uint64_t least_ns = watch->told_ns + LEAST_BETWEEN_MS * NS_PER_MS;
    if (!deadline_is_set(&watch->settle))
        deadline_set(watch->deadlines, &watch->settle, at_ns > least_ns ? at_ns : least_ns);
}

static void on_netlink(uv_poll_t *poll, int status, int events)
{
    NetworkWatch *watch = container_of(poll, NetworkWatch, poll);
    _Alignas(8) char messages[8192];
    bool matters = status < 0;
    ssize_t n;
    (void)events;
    while ((n = recv(watch->fd, messages, sizeof messages, 0)) > 0)
        matters |= network_change_matters(messages, (size_t)n);
    bool has_lost_some = n < 0 && errno == ENOBUFS;
    if (status < 0)
        (void)uv_poll_stop(poll);
    if (matters || has_lost_some)
        changed(watch);
}

/* After each poll of the loop, which has just taken the time. */
static void on_check(uv_check_t *check)
{
    NetworkWatch *watch = container_of(check, NetworkWatch, check);
    uint64_t now_ms = uv_now(check->loop), slept_ns;
    char what[64];
    if (now_ms - watch->looked_at_ms < LOOK_PERIOD_MS)
        return;
    watch->looked_at_ms = now_ms;
    if (!sleep_watch_look(&watch->sleep, clock_now_ns(), clock_boot_ns(), &slept_ns))
        return;
    (void)snprintf(what, sizeof what, "the machine has slept for %llu s",
                   (unsigned long long)(slept_ns / NS_PER_S));
    tell(watch, what);
}

/* ---- life */

NetworkWatch *network_watch_new(uv_loop_t *loop, Deadlines *deadlines, NetworkWatchFunction on_change,
                                void *context)
{
    NetworkWatch *watch = mem_new(NetworkWatch);
    uint64_t ignored;
    watch->deadlines = deadlines;
    watch->on_change = on_change;
    watch->context = context;
    watch->settle = (Deadline)DEADLINE_INIT(on_settled);
    (void)sleep_watch_look(&watch->sleep, clock_now_ns(), clock_boot_ns(), &ignored);
    (void)uv_check_init(loop, &watch->check); /* neither fails */
    (void)uv_check_start(&watch->check, on_check);
    watch->n_handles = 1;
    watch->fd = open_netlink();
    if (watch->fd >= 0 && uv_poll_init(loop, &watch->poll, watch->fd) == 0) {
        (void)uv_poll_start(&watch->poll, UV_READABLE, on_netlink);
        watch->n_handles++;
    } else if (watch->fd >= 0) {
        (void)close(watch->fd);
        watch->fd = -1;
    }
    return watch;
}

static void on_handle_closed(uv_handle_t *handle)
{
    NetworkWatch *watch = handle->data;
    if (--watch->n_handles > 0)
        return;
    if (watch->fd >= 0)
        (void)close(watch->fd);
    free(watch);
}

NetworkWatch *network_watch_close(NetworkWatch *watch)
{
    if (!watch)
        return NULL;
    deadline_clear(watch->deadlines, &watch->settle);
    watch->check.data = watch->poll.data = watch;
    if (watch->fd >= 0)
        uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
    uv_close((uv_handle_t *)&watch->check, on_handle_closed);
    return NULL;
}
