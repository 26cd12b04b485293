#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault_relay.h"

#define READ_SIZE (64u * 1024)
/* More than this on the way to one side, and the other is not read. */
#define HELD_LIMIT (1u << 20)

static void set_events(Link *link, Side *side)
{
    bool reads = !side->ended && !link->is_hole;
    const Side *other = side == &link->down ? &link->up : &link->down;
    if (other->out.bytes.length - other->out.at > HELD_LIMIT)
        reads = false;
    bool waits =
        side->out.at < side->out.bytes.length && (side == &link->up || link_due_us(link) <= relay_clock_us());
    uint32_t events =
        (reads ? EPOLLIN : 0u) | ((waits || (side == &link->up && link->is_connecting)) ? EPOLLOUT : 0u);
    if (side->fd < 0 || events == side->events)
        return;
    struct epoll_event event = {.events = events};
    event.data.ptr = side;
    if (events == 0) { /* else a connection that was reset would wake us for ever */
        if (side->events != UINT32_MAX)
            epoll_ctl(link->relay->epoll, EPOLL_CTL_DEL, side->fd, NULL);
        side->events = UINT32_MAX;
        return;
    }
    epoll_ctl(link->relay->epoll, side->events == UINT32_MAX ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, side->fd,
              &event);
    side->events = events;
}

static void side_init(Side *side, int fd)
{
    int on = 1;
    *side = (Side){.fd = fd, .events = UINT32_MAX};
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void side_close(Side *side)
{
    if (side->fd >= 0)
        close(side->fd);
    side->fd = -1;
    side->ended = true;
}

static int connect_upstream(const Relay *relay)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(relay->to_port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

void link_accept(Relay *relay, int fd)
{
    Link *link = calloc(1, sizeof(*link));
    if (!link || nghttp2_hd_inflate_new(&link->inflater) != 0)
        abort();
    link->relay = relay;
    link->id = ++relay->n_links;
    link->next = relay->links;
    relay->links = link;
    side_init(&link->down, fd);
    fault_check_accepted(link);
    side_init(&link->up, link->is_page || link->is_closing ? -1 : connect_upstream(relay));
    link->is_connecting = link->up.fd >= 0;
    if (link->up.fd < 0 && !link->is_page)
        link->is_closing = true;
    if (link->is_page)
        link_send_frame(link, &link->down, 4, 0, 0, NULL, 0); /* SETTINGS */
    link_serve(link, false, false);
}

static void side_deinit(Side *side)
{
    side_close(side);
    bytes_deinit(&side->in);
    bytes_deinit(&side->out.bytes);
    free(side->out.chunks);
}

void link_free(Link *link)
{
    for (Link **at = &link->relay->links; *at; at = &(*at)->next)
        if (*at == link) {
            *at = link->next;
            break;
        }
    side_deinit(&link->down);
    side_deinit(&link->up);
    while (link->streams) {
        RelayStream *stream = link->streams;
        link->streams = stream->next;
        free(stream);
    }
    bytes_deinit(&link->block);
    nghttp2_hd_inflate_del(link->inflater);
    free(link);
}

static void add_chunk(const Relay *relay, Outbound *out, size_t length)
{
    int64_t due = relay_clock_us() + (int64_t)relay->delay_ms * 1000;
    if (due < out->last_due_us)
        due = out->last_due_us;
    if (relay->rate > 0)
        due += (int64_t)(length * 1000000 / relay->rate);
    out->last_due_us = due;
    if (out->n_chunks == out->chunk_room) {
        out->chunk_room = out->chunk_room * 2 + 16;
        out->chunks = realloc(out->chunks, out->chunk_room * sizeof(out->chunks[0]));
        if (!out->chunks)
            abort();
    }
    out->chunks[out->n_chunks].due_us = due;
    out->chunks[out->n_chunks++].end = out->bytes.length;
}

void link_send(Link *link, Side *side, const void *data, size_t length)
{
    bool down = side == &link->down;
    uint64_t room = down ? fault_room(link) : UINT64_MAX;
    bool is_last = length >= room, is_part = length > room;
    if (link->is_closing || link->is_hole)
        return;
    if (is_last)
        length = (size_t)room;
    bytes_append(&side->out.bytes, data, length);
    if (down) {
        link->n_down += length;
        if (link->relay->delay_ms > 0 || link->relay->rate > 0 || side->out.n_chunks > 0)
            add_chunk(link->relay, &side->out, length);
        if (is_last)
            fault_bytes_spent(link, is_part);
    }
}

/* Where writing must stop for now. */
static size_t due_end(Outbound *out)
{
    if (out->n_chunks == 0)
        return out->bytes.length;
    size_t end = out->at;
    int64_t now = relay_clock_us();
    while (out->first_chunk < out->n_chunks && out->chunks[out->first_chunk].due_us <= now)
        end = out->chunks[out->first_chunk++].end;
    return end > out->due ? (out->due = end) : out->due;
}

int64_t link_due_us(const Link *link)
{
    const Outbound *out = &link->down.out;
    if (out->first_chunk < out->n_chunks && out->at >= out->due)
        return out->chunks[out->first_chunk].due_us;
    return out->at < out->bytes.length ? 0 : INT64_MAX;
}

static void side_write(Link *link, Side *side)
{
    Outbound *out = &side->out;
    size_t end = due_end(out);
    while (side->fd >= 0 && out->at < end) {
        ssize_t n = send(side->fd, out->bytes.data + out->at, end - out->at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            link->is_dead = true;
            return;
        }
        out->at += (size_t)n;
    }
    if (out->at == out->bytes.length) {
        out->bytes.length = out->at = out->due = 0;
        out->n_chunks = out->first_chunk = 0;
    }
}

static void side_read(Side *side)
{
    while (side->fd >= 0 && !side->ended) {
        uint8_t *room = bytes_extend(&side->in, READ_SIZE);
        ssize_t n = recv(side->fd, room, READ_SIZE, 0);
        side->in.length -= READ_SIZE - (n > 0 ? (size_t)n : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            side->ended = true;
        else if ((size_t)n < READ_SIZE)
            return;
    }
}

static void reset_down(Link *link)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(link->down.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    side_close(&link->down);
}

/* The upstream goes at once, without harm to what it was sent; the client when it has got everything. */
static void close_gently(Link *link)
{
    if (link->up.fd >= 0 && (link->is_connecting || link->up.out.at < link->up.out.bytes.length) &&
        !link->up.ended)
        return; /* what was to reach the upstream first does */
    side_close(&link->up);
    if (link->down.out.at < link->down.out.bytes.length)
        return;
    if (link->is_aborting) {
        reset_down(link);
        link->is_dead = true;
        return;
    }
    if (!link->down.shut)
        shutdown(link->down.fd, SHUT_WR);
    link->down.shut = true;
    link->down.in.length = 0;
    if (link->down.ended)
        link->is_dead = true;
}

static void finish_connecting(Link *link)
{
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(link->up.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    link->is_connecting = false;
    if (error != 0) {
        side_close(&link->up);
        link->is_closing = true;
    }
}

void link_serve(Link *link, bool down_ready, bool up_ready)
{
    if (up_ready && link->is_connecting)
        finish_connecting(link);
    if (down_ready && !link->is_hole)
        side_read(&link->down);
    if (up_ready && !link->is_connecting && !link->is_hole)
        side_read(&link->up);
    link_forward_up(link);
    link_forward_down(link);
    if (!link->is_connecting)
        side_write(link, &link->up);
    side_write(link, &link->down);
    if (link->is_half && link->down.fd >= 0 && link->down.out.at == link->down.out.bytes.length)
        reset_down(link);
    if (!link->is_closing && link->down.ended)
        link->is_dead = !link->is_half;
    else if (link->up.ended && !link->is_page && !link->is_hole)
        link->is_closing = true;
    if (link->is_closing)
        close_gently(link);
    if (link->is_dead) {
        link_free(link);
        return;
    }
    set_events(link, &link->down);
    set_events(link, &link->up);
}
