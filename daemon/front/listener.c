#include "front/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/unix_socket.h"
#include "front/port_owner.h"
#include "relay/client.h"

#define BACKLOG 1024 /* clients that may knock at the same moment */

static void on_connection(uv_stream_t *stream, int status)
{
    Listener *listener = container_of(stream, Listener, socket.stream);
    const Log *log = listener->relay->log;
    if (status < 0)
        log_write(log, LOG_LEVEL_WARNING, "%s: cannot accept a client: %s", listener->settings->text,
                  uv_strerror(status));
    else
        (void)client_accept(listener->relay, stream, listener->is_pipe, listener->settings->profile);
}

static int bind_tcp(const ListenSettings *settings, Text *reason)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *addresses;
    char port[8], owner[128];
    (void)snprintf(port, sizeof port, "%u", settings->port);
    int error = getaddrinfo(settings->host, port, &hints, &addresses);
    if (error != 0) {
        text_printf(reason, "%s is no address here: %s", settings->host, gai_strerror(error));
        return -EADDRNOTAVAIL;
    }
    int fd = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, addresses->ai_addr, addresses->ai_addrlen) != 0)
            error = errno;
    }
    freeaddrinfo(addresses);
    if (error == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    if (error == EADDRINUSE && port_owner_describe(settings->port, owner, sizeof owner))
        text_printf(reason, "the port is taken by %s; stop it or choose another port (0 takes any)", owner);
    else
        text_printf(reason, "%s", strerror(error));
    return -error;
}

static int bind_any(const ListenSettings *settings, mode_t socket_mode, Text *reason)
{
    switch (settings->kind) {
    case LISTEN_TCP: return bind_tcp(settings, reason);
    case LISTEN_UNIX: return unix_socket_bind(settings->path, socket_mode, reason);
    case LISTEN_ABSTRACT: return unix_socket_bind_abstract(settings->path, reason);
    }
    return -EINVAL;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* As a client writes it. A name is better than 127.0.0.1: PySpark treats localhost alone as trusted
 * plaintext. */
static void write_url(Listener *listener, int fd)
{
    const ListenSettings *settings = listener->settings;
    bool is_ipv6 = settings->host && strchr(settings->host, ':');
    bool is_loopback = settings->host && strcmp(settings->host, "127.0.0.1") == 0;
    switch (settings->kind) {
    case LISTEN_TCP:
        (void)snprintf(listener->url, sizeof listener->url, is_ipv6 ? "sc://[%s]:%u" : "sc://%s:%u",
                       is_loopback ? "localhost" : settings->host, bound_port(fd));
        break;
    case LISTEN_UNIX: (void)snprintf(listener->url, sizeof listener->url, "unix:%s", settings->path); break;
    case LISTEN_ABSTRACT:
        (void)snprintf(listener->url, sizeof listener->url, "sc://unix-abstract:%s", settings->path);
        break;
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    Listener *listener = container_of(handle, Listener, socket.handle);
    free(listener->path_to_remove);
    free(listener);
}

int listener_new(Listener **ret_listener, Relay *relay, const ListenSettings *settings, mode_t socket_mode,
                 Problems *problems)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    int fd = bind_any(settings, socket_mode, &reason);
    if (fd < 0) {
        problems_add_error(problems, "cannot listen on %s: %s", settings->text, text_string(&reason));
        return fd;
    }
    Listener *listener = mem_new(Listener);
    listener->relay = relay;
    listener->settings = settings;
    listener->is_pipe = settings->kind != LISTEN_TCP;
    if (settings->kind == LISTEN_UNIX)
        listener->path_to_remove = mem_copy_string(settings->path);
    int error;
    if (listener->is_pipe) {
        error = uv_pipe_init(relay->loop, &listener->socket.pipe, 0);
        if (error == 0)
            error = uv_pipe_open(&listener->socket.pipe, fd);
    } else {
        error = uv_tcp_init(relay->loop, &listener->socket.tcp);
        if (error == 0)
            error = uv_tcp_open(&listener->socket.tcp, fd);
    }
    if (error == 0)
        error = uv_listen(&listener->socket.stream, BACKLOG, on_connection);
    write_url(listener, fd);
    if (error != 0) {
        problems_add_error(problems, "cannot listen on %s: %s", settings->text, uv_strerror(error));
        listener_close(listener);
        return error;
    }
    *ret_listener = listener;
    return 0;
}

void listener_set_settings(Listener *listener, const ListenSettings *settings, mode_t socket_mode)
{
    listener->settings = settings;
    if (listener->path_to_remove)
        (void)chmod(listener->path_to_remove,
                    socket_mode); /* it is ours; if it has been removed, no matter */
}

void listener_close(Listener *listener)
{
    if (listener->path_to_remove)
        (void)unlink(listener->path_to_remove);
    uv_close(&listener->socket.handle, on_handle_closed);
}
