#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "model.h"
#include "relay/call.h"
#include "relay/client.h"
#include "relay/relay.h"
#include "spark_client.h"
#include "spark_server.h"
#include "virtual_clock.h"

#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

#define MAX_TURNS 20000 /* of the loop, until nothing moves: more is a loop without end */

static struct {
    uv_loop_t loop;
    Relay relay;
    uv_pipe_t listener;
    uint64_t n_accepted;
    int listener_fd, null_fd; /* made once */
    Log log;
} rig = {.listener_fd = -1};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static Settings *settings(void)
{
    static char name[] = "p", host[] = "127.0.0.1";
    static ProfileSettings profile;
    static Settings all;
    if (all.n_references > 0)
        return &all;
    profile = (ProfileSettings){.name = name,
                                .host = host,
                                .port = server_port(),
                                .connections = 2,
                                .max_connections = 4,
                                .connect_timeout_ms = 10000,
                                .credential_timeout_ms = 10000,
                                .resume_timeout_ms = 60000};
    profile.auth.chain[0] = AUTH_PAT;
    profile.auth.n_chain = 1;
    profile.auth.token = secret_new("token", 5);
    all = (Settings){.n_references = 1,
                     .profiles = &profile,
                     .n_profiles = 1,
                     .default_profile = name,
                     .stream_window = 65536,
                     .buffer_limit = 1024 * 1024,
                     .header_limit = 4096,
                     .max_client_connections = 8,
                     .max_calls_per_connection = 100,
                     .max_sessions = 10,
                     .session_idle_timeout_ms = 3600 * 1000,
                     .coalesce_releases = true};
    return &all;
}

static void on_connection(uv_stream_t *listener, int status)
{
    require(status == 0);
    require(client_accept(&rig.relay, listener, true, NULL) != NULL);
    rig.n_accepted++;
}

void rig_open(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon has it */
    rig.null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    rig.listener_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bind(rig.listener_fd, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0); /* any name */
    require(listen(rig.listener_fd, 8) == 0);
    clients_open(rig.listener_fd);
    server_open();
}

void rig_init(void)
{
    virtual_clock_reset();
    model_reset();
    rig.n_accepted = 0;
    rig.log = (Log){.level = LOG_LEVEL_DEBUG,
                    .format = model.is_told ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON,
                    .fd = model.is_told ? STDOUT_FILENO : rig.null_fd};
    require(uv_loop_init(&rig.loop) == 0);
    require(relay_init(&rig.relay, &rig.loop, settings(), &rig.log) == 0);
    require(uv_pipe_init(&rig.loop, &rig.listener, 0) == 0);
    require(uv_pipe_open(&rig.listener, dup(rig.listener_fd)) == 0);
    require(uv_listen((uv_stream_t *)&rig.listener, 8, on_connection) == 0);
}

/* Another number whenever something has moved: no sum, in which one thing could make up for another. */
static uint64_t progress(void)
{
    uint64_t hash = rig.n_accepted;
    hash = hash * HASH_FACTOR + rig.relay.counts.n_calls;
    hash = hash * HASH_FACTOR + rig.relay.calls.n_entries;
    list_for_each(link, &rig.relay.http2.connections)
    {
        const Connection *connection = container_of(link, Connection, link);
        hash = hash * HASH_FACTOR + connection->bytes_received;
        hash = hash * HASH_FACTOR + connection->bytes_sent;
        hash = hash * HASH_FACTOR + (uint64_t)connection->state;
    }
    return hash;
}

void rig_settle(void)
{
    bool daemon_moved = true;
    for (unsigned turn = 0, n_quiet = 0; n_quiet < 2; turn++) {
        require(turn < MAX_TURNS);
        uint64_t before = progress();
        bool moved = clients_pump(daemon_moved);
        moved |= server_pump(daemon_moved);
        (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
        daemon_moved = progress() != before;
        n_quiet = moved || daemon_moved ? 0 : n_quiet + 1;
    }
}

void rig_check_is_idle(void)
{
    if (rig.relay.calls.n_entries > 0)
        model_violated("%zu calls are left in the relay", rig.relay.calls.n_entries);
    if (rig.relay.http2.n_queued_bytes > 0)
        model_violated("%zu bytes are left in the relay", (size_t)rig.relay.http2.n_queued_bytes);
    list_for_each(link, &rig.relay.upstreams)
    {
        const Upstream *upstream = container_of(link, Upstream, link);
        if (!list_is_empty(&upstream->waiters))
            model_violated("somebody waits for a connection for ever");
        list_for_each(pooled, &upstream->pool) if (container_of(pooled, PooledConnection, link)->n_calls > 0)
            model_violated("a connection counts calls that there are not");
    }
}

void rig_deinit(void)
{
    relay_close(&rig.relay);
    uv_close((uv_handle_t *)&rig.listener, NULL);
    for (unsigned i = 0; i < 20; i++) {
        (void)server_pump(true);
        (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    clients_reset();
    server_reset();
    require(uv_run(&rig.loop, UV_RUN_DEFAULT) == 0);
    require(list_is_empty(&rig.relay.calls));
    require(rig.relay.http2.n_queued_bytes == 0);
    relay_deinit(&rig.relay);
    require(uv_run(&rig.loop, UV_RUN_DEFAULT) == 0);
    require(uv_loop_close(&rig.loop) == 0);
}
