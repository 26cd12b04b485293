/*
 * delay-relay: a network that is far away: copies bytes between a client and a server, each of them later by
 * half a round trip; the first ones of a connection by a whole one more, which TCP's handshake would take.
 *
 *   delay-relay LISTEN UPSTREAM ROUND-TRIP-MS        (HOST:PORT each; prints `ready HOST:PORT`)
 *
 * A line on standard input, or its end: prints one line of JSON, how many connections and bytes there were.
 * Bandwidth, loss and slow start are not imitated.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
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

#define CHUNK_SIZE (256 * 1024)
#define MAX_QUEUED (256 * 1024 * 1024) /* in flight one way; far more than any window here */

typedef struct Chunk {
    struct Chunk *next;
    uint64_t due_ns;
    size_t length, at;
    uint8_t bytes[];
} Chunk;

typedef struct Pair Pair;
typedef struct Relay Relay;

/* One of the two sockets of a pair, and what is on its way to it. */
typedef struct End {
    Watch watch;
    Pair *pair;
    struct End *other;
    int fd;
    uint32_t events;
    Chunk *head, **tail;
    size_t n_queued;
    bool has_ended, is_shut, is_blocked;
    uint64_t end_due_ns; /* when the other side learns that this one has ended */
} End;

struct Pair {
    Pair *next;
    Relay *relay;
    End ends[2]; /* client, server */
    uint64_t open_ns;
    bool is_dead;
};

struct Relay {
    Watch watch, input;
    FastLoop loop;
    int fd;
    const char *upstream;
    uint64_t one_way_ns, n_connections, n_bytes[2]; /* bytes from the client, from the server */
    Pair *pairs;
};

static volatile sig_atomic_t interrupted;

static void update(End *end)
{
    bool may_read = !end->has_ended && end->other->n_queued < MAX_QUEUED;
    uint32_t events = (may_read ? (uint32_t)EPOLLIN : 0) | (end->is_blocked ? (uint32_t)EPOLLOUT : 0);
    if (events != end->events)
        fast_loop_change(&end->pair->relay->loop, end->fd, &end->watch, events);
    end->events = events;
}

static uint64_t due_time(const Pair *pair)
{
    uint64_t now = now_ns();
    return (now > pair->open_ns ? now : pair->open_ns) + pair->relay->one_way_ns;
}

static void receive(End *end)
{
    Pair *pair = end->pair;
    Chunk *chunk = malloc(sizeof(*chunk) + CHUNK_SIZE);
    if (!chunk)
        abort();
    ssize_t n = recv(end->fd, chunk->bytes, CHUNK_SIZE, 0);
    if (n <= 0) {
        free(chunk);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        end->has_ended = true;
        end->end_due_ns = due_time(pair);
        return;
    }
    if ((size_t)n < CHUNK_SIZE / 2)
        chunk = realloc(chunk, sizeof(*chunk) + (size_t)n);
    if (!chunk)
        abort();
    pair->relay->n_bytes[end == &pair->ends[1]] += (uint64_t)n;
    chunk->next = NULL;
    chunk->length = (size_t)n;
    chunk->at = 0;
    chunk->due_ns = due_time(pair);
    End *to = end->other;
    *to->tail = chunk;
    to->tail = &chunk->next;
    to->n_queued += (size_t)n;
}

/* Sends what is due. */
static void deliver(End *to, uint64_t now)
{
    while (to->head && to->head->due_ns <= now) {
        Chunk *chunk = to->head;
        ssize_t n = send(to->fd, chunk->bytes + chunk->at, chunk->length - chunk->at, MSG_NOSIGNAL);
        if (n < 0) {
            to->is_blocked = errno == EAGAIN || errno == EINTR;
            to->pair->is_dead = !to->is_blocked;
            return;
        }
        chunk->at += (size_t)n;
        to->n_queued -= (size_t)n;
        to->is_blocked = chunk->at < chunk->length;
        if (to->is_blocked)
            return;
        to->head = chunk->next;
        if (!to->head)
            to->tail = &to->head;
        free(chunk);
    }
    if (!to->head && to->other->has_ended && !to->is_shut && to->other->end_due_ns <= now) {
        to->is_shut = true;
        (void)shutdown(to->fd, SHUT_WR);
        to->pair->is_dead = to->other->is_shut;
    }
}

static void on_ready(Watch *watch, uint32_t events)
{
    End *end = container_of(watch, End, watch);
    if (events & EPOLLOUT)
        end->is_blocked = false;
    if (end->events & EPOLLIN && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        receive(end);
    else if (events & (EPOLLERR | EPOLLHUP))
        end->pair->is_dead = true;
}

static void pair_free(Relay *relay, Pair **link)
{
    Pair *pair = *link;
    *link = pair->next;
    for (int i = 0; i < 2; i++) {
        close(pair->ends[i].fd);
        for (Chunk *chunk = pair->ends[i].head, *next; chunk; chunk = next) {
            next = chunk->next;
            free(chunk);
        }
    }
    free(pair);
    (void)relay;
}

/* Delivers everywhere; returns when the next chunk is due. */
static uint64_t deliver_all(Relay *relay)
{
    uint64_t now = now_ns(), next = UINT64_MAX;
    for (Pair **link = &relay->pairs; *link;) {
        Pair *pair = *link;
        for (int i = 0; i < 2 && !pair->is_dead; i++) {
            End *end = &pair->ends[i];
            if (!end->is_blocked)
                deliver(end, now);
            if (end->head && !end->is_blocked && end->head->due_ns < next)
                next = end->head->due_ns;
            if (!end->head && end->other->has_ended && !end->is_shut && end->other->end_due_ns < next)
                next = end->other->end_due_ns;
        }
        if (pair->is_dead) {
            pair_free(relay, link);
            continue;
        }
        update(&pair->ends[0]);
        update(&pair->ends[1]);
        link = &pair->next;
    }
    return next;
}

static void on_accept(Watch *watch, uint32_t events)
{
    Relay *relay = container_of(watch, Relay, watch);
    int fd, yes = 1;
    (void)events;
    while ((fd = accept4(relay->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        Pair *pair = calloc(1, sizeof(*pair));
        if (!pair)
            abort();
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        pair->relay = relay;
        pair->open_ns = now_ns() + 2 * relay->one_way_ns;
        pair->next = relay->pairs;
        relay->pairs = pair;
        relay->n_connections++;
        for (int i = 0; i < 2; i++) {
            End *end = &pair->ends[i];
            end->watch.ready = on_ready;
            end->pair = pair;
            end->other = &pair->ends[1 - i];
            end->fd = i == 0 ? fd : connect_to(relay->upstream);
            end->events = EPOLLIN;
            end->tail = &end->head;
            fast_loop_add(&relay->loop, end->fd, &end->watch, EPOLLIN);
        }
    }
}

static void on_input(Watch *watch, uint32_t events)
{
    Relay *relay = container_of(watch, Relay, input);
    char buffer[64];
    (void)events;
    if (read(STDIN_FILENO, buffer, sizeof(buffer)) <= 0)
        interrupted = 1;
    printf("{\"connections\": %" PRIu64 ", \"bytes_up\": %" PRIu64 ", \"bytes_down\": %" PRIu64 "}\n",
           relay->n_connections, relay->n_bytes[0], relay->n_bytes[1]);
    fflush(stdout);
    relay->n_connections = relay->n_bytes[0] = relay->n_bytes[1] = 0;
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
    if (argc != 4)
        fail("usage: delay-relay LISTEN UPSTREAM ROUND-TRIP-MS");
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    raise_file_limit();
    Relay relay = {.watch.ready = on_accept, .input.ready = on_input, .upstream = argv[2]};
    relay.one_way_ns = (uint64_t)(strtod(argv[3], NULL) * 1e6 / 2);
    fast_loop_init(&relay.loop);
    relay.fd = listen_at(argv[1]);
    fast_loop_add(&relay.loop, relay.fd, &relay.watch, EPOLLIN);
    fast_loop_add(&relay.loop, STDIN_FILENO, &relay.input, EPOLLIN);
    if (getsockname(relay.fd, (struct sockaddr *)&at, &length) != 0)
        fail("getsockname failed");
    printf("ready 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    while (!interrupted)
        fast_loop_turn(&relay.loop, deliver_all(&relay));
    return 0;
}
