#include "cli/control_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_ANSWER ((size_t)16 * 1024 * 1024) /* far above what a daemon says */

/* A connection and the time until which it may be used. */
typedef struct Exchange {
    int fd;
    uint64_t deadline_ns;
} Exchange;

static int wait_for(const Exchange *exchange, short events)
{
    struct pollfd watched = {.fd = exchange->fd, .events = events};
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t left_ms =
            now_ns < exchange->deadline_ns ? (exchange->deadline_ns - now_ns) / NS_PER_MS + 1 : 0;
        int result = poll(&watched, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        if (result > 0)
            return 0;
        if (result == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int connect_to(Exchange *exchange, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    exchange->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (exchange->fd < 0)
        return -errno;
    if (connect(exchange->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    return errno == EAGAIN ? -ETIMEDOUT : -errno; /* EAGAIN: nobody accepts any more */
}

/* A server that refuses may close before it has read everything: what it has said is worth reading then. */
static int send_all(const Exchange *exchange, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(exchange->fd, bytes, length, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return 0;
        } else if (errno == EAGAIN) {
            int error = wait_for(exchange, POLLOUT);
            if (error != 0)
                return error;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int receive_all(const Exchange *exchange, Text *answer)
{
    char bytes[4096];
    while (answer->length < MAX_ANSWER) {
        ssize_t n = recv(exchange->fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return 0; /* whether the answer is whole is for the parser to say */
        if (n > 0) {
            text_append_bytes(answer, bytes, (size_t)n);
        } else if (errno == EAGAIN) {
            int error = wait_for(exchange, POLLIN);
            if (error != 0)
                return error;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return -EPROTO;
}

/* The value of Content-Length among the header lines; false when there is none. */
static bool find_length(const char *header, size_t *ret_length)
{
    static const char NAME[] = "\r\nContent-Length:";
    const char *found = strcasestr(header, NAME);
    return found && sscanf(found + strlen(NAME), " %zu", ret_length) == 1;
}

static int parse(const Text *answer, ControlReply *reply)
{
    const char *bytes = text_string(answer);
    const char *end = strstr(bytes, "\r\n\r\n");
    size_t announced;
    if (!end || sscanf(bytes, "HTTP/1.%*1[01] %3u", &reply->status) != 1)
        return -EPROTO;
    const char *body = end + 4;
    size_t length = answer->length - (size_t)(body - bytes);
    _cleanup_(mem_freep) char *header = mem_copy_bytes_as_string(bytes, (size_t)(end - bytes));
    if (find_length(header, &announced) && announced != length)
        return -EPROTO; /* cut short */
    text_append_bytes(&reply->body, body, length);
    return 0;
}

/* Who listens: its pid, 0 when not known. False when that is another user than we or root. */
static bool is_ours(int fd, pid_t *ret_pid)
{
    *ret_pid = 0;
#ifdef SO_PEERCRED
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
        return true;
    *ret_pid = credentials.pid;
    return credentials.uid == geteuid() || credentials.uid == 0;
#else
    (void)fd;
    return true;
#endif
}

static int ask(Exchange *exchange, const char *path, const char *request, const char *body,
               ControlReply *reply)
{
    _cleanup_(text_deinit) Text answer = TEXT_NULL;
    int error = connect_to(exchange, path);
    if (error != 0)
        return error;
    if (!is_ours(exchange->fd, &reply->pid) && *body)
        return -EPERM; /* there may be a token in it */
    error = send_all(exchange, request, strlen(request));
    if (error == 0)
        error = send_all(exchange, body, strlen(body));
    if (error == 0)
        error = receive_all(exchange, &answer);
    return error == 0 ? parse(&answer, reply) : error;
}

static int exchange_with(const char *path, const char *request, const char *body, uint64_t timeout_ms,
                         ControlReply *reply)
{
    Exchange exchange = {.fd = -1, .deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS};
    int error = ask(&exchange, path, request, body, reply);
    if (exchange.fd >= 0)
        (void)close(exchange.fd);
    return error;
}

int control_client_request(const char *path, const char *method, const char *target, uint64_t timeout_ms,
                           ControlReply *reply)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    text_printf(&request, "%s %s HTTP/1.0\r\n\r\n", method, target);
    return exchange_with(path, text_string(&request), "", timeout_ms, reply);
}

int control_client_post(const char *path, const char *target, const char *body, uint64_t timeout_ms,
                        ControlReply *reply)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    text_printf(&request, "POST %s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                target, strlen(body));
    return exchange_with(path, text_string(&request), body, timeout_ms, reply);
}

void control_reply_deinit(ControlReply *reply)
{
    text_deinit(&reply->body);
}

void control_client_explain(Text *text, const char *path, int error, const ControlReply *reply)
{
    if (error == -ENOENT || error == -ECONNREFUSED)
        text_printf(text, "no daemon runs on %s; start it with: sparkbouncer run", path);
    else if (error == -EACCES || (error == 0 && reply->status == 403))
        text_printf(text, "the daemon on %s answers only its own user and root", path);
    else if (error == -EPERM)
        text_printf(text, "what listens on %s belongs to another user and gets no token", path);
    else if (error == -ETIMEDOUT)
        text_printf(text, "the daemon on %s does not answer", path);
    else if (error == -EPROTO)
        text_printf(text, "what listens on %s does not answer like a sparkbouncer", path);
    else if (error != 0)
        text_printf(text, "cannot reach the daemon on %s: %s", path, strerror(-error));
    else
        text_printf(text, "the daemon on %s answers %u: %s", path, reply->status, text_string(&reply->body));
}
