/*
 * fault-relay: forwards HTTP/2 connections to an upstream and makes them fail as standard input says:
 *
 *   plan FAULT[=VALUE] [MOMENT[=COUNT]] [times=N] [step=N] [path=TEXT]   (fault_relay.h); plans queue up
 *   now FAULT[=VALUE]       to every connection
 *   every MS FAULT          to every connection with an execution under way
 *   delay MS, rate BYTES    of what goes down
 *   clear                   forgets plans and every
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fault_relay.h"

#define EVENTS 64

int64_t relay_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int listen_on(unsigned port, unsigned *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("listen");
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void accept_all(Relay *relay)
{
    int fd;
    while ((fd = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        link_accept(relay, fd);
}

/* False at the end of standard input. */
static bool read_commands(Relay *relay)
{
    char text[4096];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));
    if (n <= 0)
        return n < 0 && errno == EINTR;
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] != '\n') {
            bytes_append(&relay->command, text + i, 1);
            continue;
        }
        bytes_append(&relay->command, "", 1);
        relay_command(relay, (const char *)relay->command.data);
        relay->command.length = 0;
    }
    return true;
}

/* What a command or the clock did to links that no socket woke. */
static void serve_all(Relay *relay)
{
    for (Link *link = relay->links, *following; link; link = following) {
        following = link->next;
        link_serve(link, false, false);
    }
}

static int wait_ms(const Relay *relay)
{
    int64_t due = relay->every_ms > 0 ? relay->every_due_us : INT64_MAX;
    for (const Link *link = relay->links; link; link = link->next)
        if (link->down.out.n_chunks > 0 && link_due_us(link) < due)
            due = link_due_us(link);
    int64_t left = due == INT64_MAX ? -1 : (due - relay_clock_us() + 999) / 1000;
    return due == INT64_MAX ? -1 : left < 0 ? 0 : (int)left;
}

/* A side is found in its link by address: both may be ready at once, so that each link is served once. */
static void serve_ready(Relay *relay, const struct epoll_event *events, int n)
{
    for (Link *link = relay->links, *following; link; link = following) {
        bool down = false, up = false;
        following = link->next;
        for (int i = 0; i < n; i++) {
            down = down || events[i].data.ptr == &link->down;
            up = up || events[i].data.ptr == &link->up;
        }
        if (down || up)
            link_serve(link, down, up);
    }
}

static bool serve_once(Relay *relay)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(relay->epoll, events, EVENTS, wait_ms(relay));
    bool goes_on = true, accepts = false, timed = false;
    for (int i = 0; i < n; i++) {
        accepts = accepts || events[i].data.ptr == &relay->listener;
        if (events[i].data.ptr == &relay->command) {
            goes_on = read_commands(relay);
            timed = true;
        }
    }
    serve_ready(relay, events, n > 0 ? n : 0);
    if (relay->every_ms > 0 && relay->every_due_us <= relay_clock_us()) {
        relay_every(relay);
        timed = true;
    }
    if (timed || n == 0)
        serve_all(relay);
    if (accepts)
        accept_all(relay);
    return goes_on;
}

static void watch(Relay *relay, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN};
    event.data.ptr = what;
    epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &event);
}

static bool parse_options(Relay *relay, int argc, char **argv, unsigned *ret_port)
{
    static const struct option long_options[] = {
        {"port", required_argument, NULL, 'p'},
        {"to", required_argument, NULL, 't'},
        {"until-eof", no_argument, NULL, 'e'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 'p': *ret_port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 't': relay->to_port = (uint16_t)strtoul(optarg, NULL, 10); break;
        case 'e': break; /* always so */
        default: return false;
        }
    }
    return optind == argc && relay->to_port > 0;
}

int main(int argc, char **argv)
{
    Relay relay = {.epoll = epoll_create1(EPOLL_CLOEXEC), .record = {.fd = STDOUT_FILENO}};
    unsigned port = 0;
    if (!parse_options(&relay, argc, argv, &port)) {
        fputs("usage: fault-relay --to PORT [--port PORT]\n"
              "Prints `listening PORT`, then events as JSON; commands come from standard input, which ends "
              "it.\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    relay.listener = listen_on(port, &port);
    if (relay.listener < 0 || relay.epoll < 0)
        return 1;
    printf("listening %u\n", port);
    fflush(stdout);
    watch(&relay, relay.listener, &relay.listener);
    watch(&relay, STDIN_FILENO, &relay.command);
    while (serve_once(&relay))
        ;
    while (relay.links)
        link_free(relay.links);
    return 0;
}
