#include "admin/control.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/http_server.h"
#include "base/unix_socket.h"
#include "relay/client.h"

#define BACKLOG         16
#define ACCEPT_PAUSE_MS 1000 /* after accepting failed for want of descriptors or memory */

struct Control {
    const Log *log;
    ControlHost host;
    int fd; /* listening */
    char *path;
    struct stat file; /* what was made at `path`, so that nobody else's is removed */
    uv_poll_t poll;
    uv_timer_t pause;
    unsigned n_open_handles;
    HttpServer *server; /* NULL: nobody has asked anything lately */
};

/* ---- connections */

/* For those who get no HTTP server. Whether it arrives is up to them. */
static void refuse(int fd, const char *status, const char *error)
{
    char answer[512];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n"
                          "Content-Length: %zu\r\n\r\n{\"error\":\"%s\"}",
                          status, strlen(error) + strlen("{\"error\":\"\"}"), error);
    (void)!send(fd, answer, (size_t)length, MSG_NOSIGNAL);
    (void)close(fd);
}

static void on_server_unused(void *context)
{
    Control *control = context;
    http_server_close(control->server);
    control->server = NULL;
}

static bool start_server(Control *control)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    if (!control->server)
        control->server =
            http_server_new(control->poll.loop, &control->host, on_server_unused, control, &reason);
    if (!control->server)
        log_write(control->log, LOG_LEVEL_ERROR, "control socket: %s", text_string(&reason));
    return control->server != NULL;
}

/* The control may be closed when this returns. */
static void serve(Control *control, int fd)
{
    Peer peer;
    peer_of_socket(fd, &peer);
    if (!peer.has_identity || (peer.uid != geteuid() && peer.uid != 0)) {
        log_write(control->log, LOG_LEVEL_INFO, "control socket: refused %s, who is not the daemon's user",
                  peer.address);
        refuse(fd, "403 Forbidden", "only the daemon's own user and root may ask");
    } else if (!start_server(control)) {
        refuse(fd, "503 Service Unavailable", "libmicrohttpd cannot be used; see the daemon's log");
    } else {
        http_server_add(control->server, fd);
    }
}

static void on_connectable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    Control *control = container_of(timer, Control, pause);
    (void)uv_poll_start(&control->poll, UV_READABLE, on_connectable);
}

static void on_connectable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    Control *control = container_of(poll, Control, poll);
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        serve(control, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_write(control->log, LOG_LEVEL_WARNING, "control socket: cannot accept (%s), trying again in 1 s",
                  strerror(errno));
        (void)uv_poll_stop(&control->poll);
        (void)uv_timer_start(&control->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
    }
}

/* ---- beginning and end */

/* Stricter than for the sockets of clients: whoever may write in the folder could put another daemon's socket
 * in place of ours. A folder that is missing will be made. */
static bool folder_is_private(const Log *log, const char *path)
{
    _cleanup_(mem_freep) char *copy = mem_copy_string(path);
    const char *folder = dirname(copy);
    struct stat facts;
    if (stat(folder, &facts) != 0)
        return true;
    if (facts.st_uid == geteuid() && !(facts.st_mode & (S_IWGRP | S_IWOTH)))
        return true;
    log_write(log, LOG_LEVEL_ERROR,
              "the folder %s of the control socket must be yours and writable by nobody else; set "
              "control_socket to a path in such a folder, or to one that is yet to be made",
              folder);
    return false;
}

static int open_socket(const Log *log, const char *path)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    int fd = folder_is_private(log, path) ? unix_socket_bind(path, 0600, &reason) : -EPERM;
    if (fd >= 0 && listen(fd, BACKLOG) != 0) {
        text_printf(&reason, "cannot listen on %s: %s", path, strerror(errno));
        (void)close(fd);
        (void)unlink(path);
        fd = -EIO;
    }
    if (fd == -EADDRINUSE)
        log_write(log, LOG_LEVEL_ERROR,
                  "another sparkbouncer is running on %s; stop it with 'sparkbouncer stop', or set "
                  "control_socket to another path",
                  path);
    else if (fd < 0 && reason.length > 0)
        log_write(log, LOG_LEVEL_ERROR, "control socket: %s", text_string(&reason));
    return fd;
}

Control *control_new(uv_loop_t *loop, const Log *log, const char *path, const ControlHost *host)
{
    int fd = open_socket(log, path);
    if (fd < 0)
        return NULL;
    Control *control = mem_new(Control);
    *control = (Control){.log = log, .host = *host, .fd = fd, .path = mem_copy_string(path)};
    (void)stat(path, &control->file);
    int error = uv_poll_init(loop, &control->poll, fd);
    if (error == 0) {
        (void)uv_timer_init(loop, &control->pause);
        control->n_open_handles = 2;
        error = uv_poll_start(&control->poll, UV_READABLE, on_connectable);
    }
    if (error == 0)
        return control;
    log_write(log, LOG_LEVEL_ERROR, "control socket: %s", uv_strerror(error));
    control_close(control);
    return NULL;
}

static void control_free(Control *control)
{
    free(control->path);
    free(control);
}

static void on_poll_closed(uv_handle_t *handle)
{
    Control *control = container_of(handle, Control, poll);
    if (--control->n_open_handles == 0)
        control_free(control);
}

static void on_pause_closed(uv_handle_t *handle)
{
    Control *control = container_of(handle, Control, pause);
    if (--control->n_open_handles == 0)
        control_free(control);
}

static void remove_file(const Control *control)
{
    struct stat found;
    if (lstat(control->path, &found) == 0 && found.st_dev == control->file.st_dev &&
        found.st_ino == control->file.st_ino)
        (void)unlink(control->path);
}

void control_close(Control *control)
{
    bool has_handles = control->n_open_handles > 0;
    if (control->server)
        http_server_close(control->server);
    control->server = NULL;
    if (has_handles) {
        uv_close((uv_handle_t *)&control->poll, on_poll_closed);
        uv_close((uv_handle_t *)&control->pause, on_pause_closed);
    }
    remove_file(control);
    (void)close(control->fd);
    if (!has_handles)
        control_free(control);
}
