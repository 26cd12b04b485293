/*
 * tcp-relay: copies bytes between a client and a server and understands nothing: the floor under every proxy.
 * epoll, one thread; up to 1 MiB is received at once and sent at once.
 *
 *   tcp-relay LISTEN UPSTREAM           (HOST:PORT each; prints `ready HOST:PORT`)
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fast_loop.h"

#define READ_SIZE (1024 * 1024)

typedef struct End {
    Watch watch;
    struct End *other;
    FastLoop *loop;
    int fd;
    uint32_t events;
    uint8_t *rest; /* for this end, which took no more */
    size_t n_rest, rest_at;
    bool has_ended; /* sends nothing more */
} End;

typedef struct Relay {
    Watch watch;
    FastLoop loop;
    int fd;
    const char *upstream;
} Relay;

static volatile sig_atomic_t interrupted;

static void watch_for(End *end, uint32_t events)
{
    if (end->events != events)
        fast_loop_change(end->loop, end->fd, &end->watch, events);
    end->events = events;
}

static void update(End *end)
{
    bool may_read = !end->has_ended && !end->other->rest;
    watch_for(end, (may_read ? (uint32_t)EPOLLIN : 0) | (end->rest ? (uint32_t)EPOLLOUT : 0));
}

/* Both ends of a pair are one allocation; an event of the other one may still be in this turn's list. */
static End *graveyard[1024];
static size_t n_graves;

static void bury(End *end)
{
    if (end->fd < 0)
        return;
    End *pair[2] = {end, end->other};
    for (int i = 0; i < 2; i++) {
        close(pair[i]->fd);
        pair[i]->fd = -1;
        free(pair[i]->rest);
        pair[i]->rest = NULL;
    }
    if (n_graves < sizeof(graveyard) / sizeof(graveyard[0]))
        graveyard[n_graves++] = end < end->other ? end : end->other;
}

/* Sends; false: the pair is gone. */
static bool send_on(End *to, const uint8_t *bytes, size_t length)
{
    ssize_t n = send(to->fd, bytes, length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        bury(to);
        return false;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent < length) {
        to->rest = malloc(length - sent);
        if (!to->rest)
            abort();
        memcpy(to->rest, bytes + sent, length - sent);
        to->n_rest = length - sent;
        to->rest_at = 0;
    }
    return true;
}

static bool send_rest(End *to)
{
    ssize_t n = send(to->fd, to->rest + to->rest_at, to->n_rest - to->rest_at, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        bury(to);
        return false;
    }
    to->rest_at += n > 0 ? (size_t)n : 0;
    if (to->rest_at == to->n_rest) {
        free(to->rest);
        to->rest = NULL;
        if (to->other->has_ended)
            (void)shutdown(to->fd, SHUT_WR);
    }
    return true;
}

static bool receive(End *end)
{
    static uint8_t buffer[READ_SIZE];
    ssize_t n = recv(end->fd, buffer, sizeof(buffer), 0);
    if (n > 0)
        return send_on(end->other, buffer, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0 || end->other->has_ended) {
        bury(end);
        return false;
    }
    end->has_ended = true;
    if (!end->other->rest)
        (void)shutdown(end->other->fd, SHUT_WR);
    return true;
}

static void on_ready(Watch *watch, uint32_t events)
{
    End *end = container_of(watch, End, watch);
    if (end->fd < 0)
        return;
    if (end->rest && events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && !send_rest(end))
        return;
    if (end->events & EPOLLIN && events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !receive(end))
        return;
    if (events & (EPOLLERR | EPOLLHUP) && !(end->events & EPOLLIN)) {
        bury(end);
        return;
    }
    update(end);
    update(end->other);
}

static void on_accept(Watch *watch, uint32_t events)
{
    Relay *relay = container_of(watch, Relay, watch);
    int fd, yes = 1;
    (void)events;
    while ((fd = accept4(relay->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        End *pair = calloc(2, sizeof(*pair));
        if (!pair)
            abort();
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        for (int i = 0; i < 2; i++) {
            pair[i] = (End){.watch.ready = on_ready,
                            .other = &pair[1 - i],
                            .loop = &relay->loop,
                            .fd = i == 0 ? fd : connect_to(relay->upstream),
                            .events = EPOLLIN};
            fast_loop_add(&relay->loop, pair[i].fd, &pair[i].watch, EPOLLIN);
        }
    }
}

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at;
    socklen_t length = sizeof(at);
    struct sigaction end = {.sa_handler = on_signal};
    if (argc != 3)
        fail("usage: tcp-relay LISTEN UPSTREAM");
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    raise_file_limit();
    Relay relay = {.watch.ready = on_accept, .upstream = argv[2]};
    fast_loop_init(&relay.loop);
    relay.fd = listen_at(argv[1]);
    fast_loop_add(&relay.loop, relay.fd, &relay.watch, EPOLLIN);
    if (getsockname(relay.fd, (struct sockaddr *)&at, &length) != 0)
        fail("getsockname failed");
    printf("ready 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    while (!interrupted) {
        fast_loop_turn(&relay.loop, UINT64_MAX);
        while (n_graves > 0)
            free(graveyard[--n_graves]);
    }
    return 0;
}
