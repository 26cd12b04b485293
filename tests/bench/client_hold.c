#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client.h"

#define SETTLE_NS    (NS_PER_S / 2)
#define ARRIVAL_S    20
#define STALLED_SEEN 1 /* messages, before a stalled client stops reading */

typedef struct Hold {
    Watch watch;
    Client *client;
    bool is_closing, is_over;
} Hold;

static void on_input(Watch *watch, uint32_t events)
{
    Hold *hold = container_of(watch, Hold, watch);
    char buffer[64];
    (void)events;
    if (read(STDIN_FILENO, buffer, sizeof(buffer)) <= 0)
        hold->is_over = true;
    hold->is_closing = true;
}

static void begin_calls(Client *client)
{
    uint64_t limit = now_ns() + ARRIVAL_S * NS_PER_S;
    uint64_t wanted =
        client->options->connections * (client->options->kind == LOAD_STALLED ? STALLED_SEEN : 1);
    for (unsigned i = 0; i < client->options->connections; i++) {
        call_begin(&client->connections[i], now_ns());
        link_flush(&client->connections[i].link);
        fast_loop_turn(&client->loop, 0);
    }
    while (client->counts.messages < wanted && now_ns() < limit && client->n_errors == 0)
        fast_loop_turn(&client->loop, limit);
    if (client->options->kind == LOAD_STALLED)
        for (unsigned i = 0; i < client->options->connections; i++)
            link_stop_reading(&client->connections[i].link);
}

int hold_run(Client *client)
{
    Hold hold = {.watch.ready = on_input, .client = client};
    uint64_t start = now_ns();
    client->is_holding = true;
    if (client->options->kind != LOAD_IDLE)
        begin_calls(client);
    printf("{\"connections\": %u, \"messages\": %" PRIu64 ", \"call_seconds\": %.6f, \"errors\": %" PRIu64
           ", \"first_error\": \"%s\"}\n",
           client->n_up, client->counts.messages, (double)(now_ns() - start) / 1e9, client->n_errors,
           client->first_error);
    fflush(stdout);
    fast_loop_add(&client->loop, STDIN_FILENO, &hold.watch, EPOLLIN);
    while (!hold.is_closing)
        fast_loop_turn(&client->loop, UINT64_MAX);
    unsigned n_lost = client->n_gone;
    for (unsigned i = 0; i < client->options->connections; i++)
        if (!client->connections[i].link.is_dead)
            link_deinit(&client->connections[i].link);
    printf("{\"closed\": true, \"lost_before\": %u}\n", n_lost);
    fflush(stdout);
    while (!hold.is_over)
        fast_loop_turn(&client->loop, UINT64_MAX);
    return n_lost > 0;
}
