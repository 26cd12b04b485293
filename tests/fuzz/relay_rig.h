#pragma once

/*
 * A whole relay with one profile, made anew for each input: one client and one server, which are sockets of
 * the fuzz target. Everything happens between two turns of the loop that find nothing to do; nothing waits
 * for time. What is left at the end must go without a trace.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "frame_bytes.h"
#include "relay/call.h"
#include "relay/client.h"
#include "relay/relay.h"

#define RIG_MAX_TURNS 2000 /* of the loop, for one input's last bytes: more is a loop without end */

typedef struct Rig {
    uv_loop_t loop;
    Relay relay;
    uv_pipe_t listener;
    int client; /* -1: closed */
    int server; /* -1: not connected */
    uint64_t n_accepted;
} Rig;

static int rig_client_listener = -1, rig_server_listener = -1; /* made once */
static uint16_t rig_port;
static Log rig_log = {.level = LOG_LEVEL_DEBUG, .format = LOG_FORMAT_JSON};

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

static inline void rig_open_sockets(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    rig_log.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    rig_client_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bind(rig_client_listener, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0); /* any name */
    require(listen(rig_client_listener, 8) == 0);
    rig_server_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    require(bind(rig_server_listener, (struct sockaddr *)&address, sizeof address) == 0);
    require(listen(rig_server_listener, 64) == 0);
    require(getsockname(rig_server_listener, (struct sockaddr *)&address, &length) == 0);
    rig_port = ntohs(address.sin_port);
}

static char rig_token_file[] = "/tmp/relay_rig.XXXXXX";

static inline void rig_remove_token(void)
{
    (void)unlink(rig_token_file);
}

/* The file that credentials come from once the first has been refused: another one each time, or nonsense. */
static inline void rig_write_token(bool is_good)
{
    static unsigned n_written;
    char token[32];
    if (n_written == 0)
        require(close(mkstemp(rig_token_file)) == 0 && atexit(rig_remove_token) == 0);
    int length = snprintf(token, sizeof token, is_good ? "token-%u" : "no token %u", n_written++);
    int fd = open(rig_token_file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    require(fd >= 0 && write(fd, token, (size_t)length) == length && close(fd) == 0);
}

static inline ProfileSettings rig_profile(uint64_t connect_timeout_ms)
{
    static char name[] = "p", host[] = "127.0.0.1";
    static Secret *token;
    if (!token)
        token = secret_new("token", 5);
    ProfileSettings profile = {.name = name,
                               .host = host,
                               .port = rig_port,
                               .connections = 1,
                               .max_connections = 2,
                               .connect_timeout_ms = connect_timeout_ms,
                               .credential_timeout_ms = 10000,
                               .resume_timeout_ms = 60000};
    profile.auth.chain[0] = AUTH_PAT;
    profile.auth.n_chain = 1;
    profile.auth.token = token;
    profile.auth.token_file = rig_token_file;
    return profile;
}

/* The second differs from the first as little as makes new connections. `is_without`: it has no profile. */
static inline Settings *rig_settings(bool is_second, bool is_without)
{
    static ProfileSettings profiles[2];
    static Settings both[3];
    ProfileSettings *profile = &profiles[is_second];
    Settings *settings = &both[is_without ? 2 : is_second];
    if (settings->n_references > 0)
        return settings;
    *profile = rig_profile(is_second ? 20000 : 10000);
    *settings = (Settings){.n_references = 1,
                           .profiles = profile,
                           .n_profiles = is_without ? 0 : 1,
                           .default_profile = profile->name,
                           .log_calls_is_on = true,
                           .log_calls = LOG_LEVEL_INFO,
                           .stream_window = 65536,
                           .buffer_limit = 128 * 1024,
                           .header_limit = 4096,
                           .max_client_connections = 4,
                           .max_calls_per_connection = 20,
                           .max_sessions = 3,
                           .session_idle_timeout_ms = 3600 * 1000,
                           .coalesce_releases = true};
    return settings;
}

static inline void rig_on_connection(uv_stream_t *listener, int status)
{
    Rig *rig = container_of(listener, Rig, listener);
    require(status == 0);
    require(client_accept(&rig->relay, listener, true, NULL) != NULL);
    rig->n_accepted++;
}

/* ---- the server's side */

static inline void rig_hang_up(int *fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0}; /* no port is left in TIME_WAIT */
    if (*fd < 0)
        return;
    (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)close(*fd);
    *fd = -1;
}

static inline void rig_accept_server(Rig *rig)
{
    int fd = accept4(rig_server_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    int yes = 1; /* what is sent comes at once, not when the kernel finds it worth a packet */
    require(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
    rig_hang_up(&rig->server); /* only the latest is played */
    rig->server = fd;
}

static inline void rig_drain(int fd)
{
    static uint8_t ignored[65536];
    while (fd >= 0 && recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) > 0)
        continue;
}

/* ---- turns */

static inline uint64_t rig_progress(const Rig *rig)
{
    uint64_t bytes = rig->n_accepted + rig->relay.counts.n_calls + rig->relay.calls.n_entries +
                     rig->relay.http2.connections.n_entries;
    list_for_each(link, &rig->relay.http2.connections)
    {
        const Connection *connection = container_of(link, Connection, link);
        bytes += connection->bytes_received + connection->bytes_sent + (uint64_t)connection->state;
    }
    return bytes;
}

/* Until nothing moves any more. */
static inline void rig_settle(Rig *rig)
{
    uint64_t before = UINT64_MAX;
    for (unsigned turn = 0, n_quiet = 0; n_quiet < 3; turn++) {
        require(turn < RIG_MAX_TURNS);
        (void)uv_run(&rig->loop, UV_RUN_NOWAIT);
        rig_accept_server(rig);
        uint64_t now = rig_progress(rig);
        n_quiet = now == before ? n_quiet + 1 : 0;
        before = now;
    }
}

/* ---- what happens to the daemon without either end's doing */

/* The next timer's time passes, if it is near. */
static inline void rig_wait(Rig *rig)
{
    struct timespec pause = {.tv_nsec = 60 * 1000 * 1000};
    (void)nanosleep(&pause, NULL);
    rig_settle(rig);
}

static inline bool rig_is_minting(const Upstream *upstream)
{
    RefresherFacts facts;
    refresher_facts(upstream->refresher, &facts);
    return facts.state == REFRESHER_MINTING;
}

/* As if the server would not have it; the next comes out of the file, if there is one in it. */
static inline void rig_refuse_credential(Rig *rig)
{
    const char *problem;
    bool is_unknown;
    Upstream *upstream = relay_upstream(&rig->relay, "p", &problem, &is_unknown);
    Credential *credential = upstream ? refresher_current(upstream->refresher) : NULL;
    if (!credential)
        return;
    (void)refresher_refused(upstream->refresher, credential);
    while (rig_is_minting(upstream))
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
}

static inline void rig_reload(Rig *rig, bool is_without)
{
    SettingsChange change = SETTINGS_CHANGE_NULL;
    Settings *next = rig_settings(rig->relay.settings == rig_settings(false, false), is_without);
    settings_change_compute(&change, rig->relay.settings, next);
    relay_change_settings(&rig->relay, next, &change);
    settings_change_deinit(&change);
}

/* ---- begin and end */

static inline void rig_connect_client(Rig *rig)
{
    struct sockaddr_un name;
    socklen_t length = sizeof name;
    require(getsockname(rig_client_listener, (struct sockaddr *)&name, &length) == 0);
    rig->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    require(connect(rig->client, (struct sockaddr *)&name, length) == 0);
    uint64_t n = rig->n_accepted;
    while (rig->n_accepted == n)
        (void)uv_run(&rig->loop, UV_RUN_NOWAIT);
}

static inline void rig_init(Rig *rig)
{
    if (rig_client_listener < 0)
        rig_open_sockets();
    *rig = (Rig){.client = -1, .server = -1};
    rig_write_token(true);
    require(uv_loop_init(&rig->loop) == 0);
    require(relay_init(&rig->relay, &rig->loop, rig_settings(false, false), &rig_log) == 0);
    require(uv_pipe_init(&rig->loop, &rig->listener, 0) == 0);
    require(uv_pipe_open(&rig->listener, dup(rig_client_listener)) == 0);
    require(uv_listen((uv_stream_t *)&rig->listener, 8, rig_on_connection) == 0);
    rig_connect_client(rig);
}

static inline void rig_deinit(Rig *rig)
{
    rig_hang_up(&rig->client);
    rig_hang_up(&rig->server);
    (void)uv_run(&rig->loop, UV_RUN_NOWAIT);
    relay_close(&rig->relay);
    uv_close((uv_handle_t *)&rig->listener, NULL);
    require(uv_run(&rig->loop, UV_RUN_DEFAULT) == 0);
    require(list_is_empty(&rig->relay.calls));
    require(rig->relay.http2.n_queued_bytes == 0);
    relay_deinit(&rig->relay);
    require(uv_run(&rig->loop, UV_RUN_DEFAULT) == 0);
    require(uv_loop_close(&rig->loop) == 0);
    for (int fd; (fd = accept4(rig_server_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
        rig_hang_up(&fd);
}

/* Writes to a socket of ours, as far as it takes it. */
static inline void rig_send(Rig *rig, int fd, const void *bytes, size_t length)
{
    const char *p = bytes;
    while (fd >= 0 && length > 0) {
        ssize_t n = send(fd, p, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        length -= (size_t)n;
        if (length > 0)
            (void)uv_run(&rig->loop, UV_RUN_NOWAIT);
    }
}

static inline void rig_send_text(Rig *rig, int fd, const Text *text)
{
    rig_send(rig, fd, text_string(text), text->length);
}

/* ---- reading the input */

typedef struct Input {
    const uint8_t *bytes;
    size_t length;
} Input;

/* 0 when there is no more. */
static inline uint8_t input_byte(Input *input)
{
    if (input->length == 0)
        return 0;
    input->length--;
    return *input->bytes++;
}

/* Up to `length` bytes; as many as there are. */
static inline Input input_part(Input *input, size_t length)
{
    if (length > input->length)
        length = input->length;
    Input part = {input->bytes, length};
    input->bytes += length;
    input->length -= length;
    return part;
}
