/* raw-server: an upstream that misbehaves; raw.h has the list. Prints `listening PORT`, then a JSON line per
 * event. */

#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"

#define MAX_CONNECTIONS 512

static const char usage[] =
    "usage: raw-server [--port N] [--fault NAME[=VALUE]] [--when before|headers|message|after] [--skip N]\n"
    "                  [--times N] [--max-streams N] [--window BYTES] [--padded] [--at-headers]\n"
    "                  [--retry-after TEXT] [--record FILE] [--until-eof]\n"
    "faults: silent html1 garbage close-accept close-after=BYTES bad-settings\n"
    "        reset=CODE die abort goaway-none goaway-open goaway-cut goaway-drain http=STATUS no-trailers\n"
    "        no-status trailers-only=STATUS informational truncated overlong empty-frames big-headers=BYTES\n"
    "        stall echo-open\n";

static const struct {
    const char *name;
    RawFault fault;
} fault_names[] = {
    {"none", RAW_NONE},
    {"silent", RAW_SILENT},
    {"html1", RAW_HTML1},
    {"garbage", RAW_GARBAGE},
    {"close-accept", RAW_CLOSE_ACCEPT},
    {"close-after", RAW_CLOSE_AFTER},
    {"bad-settings", RAW_BAD_SETTINGS},
    {"reset", RAW_RESET},
    {"die", RAW_DIE},
    {"abort", RAW_ABORT},
    {"goaway-none", RAW_GOAWAY_NONE},
    {"goaway-open", RAW_GOAWAY_OPEN},
    {"goaway-cut", RAW_GOAWAY_CUT},
    {"goaway-drain", RAW_GOAWAY_DRAIN},
    {"http", RAW_HTTP},
    {"no-trailers", RAW_NO_TRAILERS},
    {"no-status", RAW_NO_STATUS},
    {"trailers-only", RAW_TRAILERS_ONLY},
    {"informational", RAW_INFORMATIONAL},
    {"truncated", RAW_TRUNCATED},
    {"overlong", RAW_OVERLONG},
    {"empty-frames", RAW_EMPTY_FRAMES},
    {"big-headers", RAW_BIG_HEADERS},
    {"stall", RAW_STALL},
    {"echo-open", RAW_ECHO_OPEN},
};

static const char *const moment_names[] = {"before", "headers", "message", "after"};

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"fault", required_argument, NULL, 'f'},
    {"when", required_argument, NULL, 'w'},
    {"skip", required_argument, NULL, 's'},
    {"times", required_argument, NULL, 't'},
    {"max-streams", required_argument, NULL, 'm'},
    {"window", required_argument, NULL, 'i'},
    {"padded", no_argument, NULL, 'd'},
    {"at-headers", no_argument, NULL, 'h'},
    {"record", required_argument, NULL, 'r'},
    {"until-eof", no_argument, NULL, 'e'},
    {"retry-after", required_argument, NULL, 'a'},
    {NULL, 0, NULL, 0},
};

static bool parse_fault(RawServer *server, const char *text)
{
    size_t length = strcspn(text, "=");
    for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
        if (strlen(fault_names[i].name) != length || strncmp(fault_names[i].name, text, length) != 0)
            continue;
        server->fault = fault_names[i].fault;
        server->value = text[length] == '=' ? strtoull(text + length + 1, NULL, 0) : 0;
        return true;
    }
    return false;
}

static bool parse_moment(RawServer *server, const char *text)
{
    for (size_t i = 0; i < sizeof(moment_names) / sizeof(moment_names[0]); i++)
        if (strcmp(moment_names[i], text) == 0) {
            server->moment = (RawMoment)i;
            return true;
        }
    return false;
}

static bool parse_options(RawServer *server, int argc, char **argv, unsigned *ret_port, bool *ret_until_eof)
{
    const char *record = "-";
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        bool ok = true;
        switch (c) {
        case 'p': *ret_port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'f': ok = parse_fault(server, optarg); break;
        case 'w': ok = parse_moment(server, optarg); break;
        case 's': server->skip = strtoull(optarg, NULL, 10); break;
        case 't': server->times = strtoull(optarg, NULL, 10); break;
        case 'm': server->max_streams = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'i': server->window = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'd': server->padded = true; break;
        case 'h': server->at_headers = true; break;
        case 'r': record = optarg; break;
        case 'a': server->retry_after = optarg; break;
        case 'e': *ret_until_eof = true; break;
        default: ok = false;
        }
        if (!ok)
            return false;
    }
    return optind == argc && record_open(&server->record, record);
}

static int listen_on(unsigned port, unsigned *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("listen");
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void accept_all(RawServer *server)
{
    int fd, on = 1;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        RawConnection *connection = raw_connection_new(server, fd);
        raw_connection_write(connection);
        if (connection->dead)
            raw_connection_free(connection);
    }
}

static void serve_connections(RawServer *server, const struct pollfd *polls, size_t n_polls)
{
    RawConnection *connection = server->connections, *following;
    for (; connection; connection = following) {
        following = connection->next;
        for (size_t i = 2; i < n_polls; i++)
            if (polls[i].fd == connection->fd && (polls[i].revents & (POLLIN | POLLHUP | POLLERR)))
                raw_connection_read(connection);
        if (!connection->dead)
            raw_connection_write(connection);
        if (connection->dead)
            raw_connection_free(connection);
    }
}

/* False when standard input ended. */
static bool serve_once(RawServer *server, bool until_eof)
{
    static struct pollfd polls[MAX_CONNECTIONS + 2];
    size_t n = 2;
    char byte;
    polls[0] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = until_eof ? STDIN_FILENO : -1, .events = POLLIN};
    for (RawConnection *at = server->connections; at && n < MAX_CONNECTIONS + 2; at = at->next) {
        short events = (short)(at->out.length > 0 ? POLLIN | POLLOUT : POLLIN);
        polls[n++] = (struct pollfd){.fd = at->fd, .events = events};
    }
    if (poll(polls, n, -1) < 0)
        return true;
    serve_connections(server, polls, n);
    if (polls[0].revents)
        accept_all(server);
    return !polls[1].revents || read(STDIN_FILENO, &byte, 1) > 0;
}

int main(int argc, char **argv)
{
    RawServer server = {.times = UINT64_MAX, .max_streams = 1000, .window = 1 << 20};
    unsigned port = 0;
    bool until_eof = false;
    if (!parse_options(&server, argc, argv, &port, &until_eof)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    server.listener = listen_on(port, &port);
    if (server.listener < 0)
        return 1;
    printf("listening %u\n", port);
    fflush(stdout);
    while (serve_once(&server, until_eof))
        ;
    while (server.connections)
        raw_connection_free(server.connections);
    close(server.listener);
    return 0;
}
