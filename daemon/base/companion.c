#include "base/companion.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/mem.h"

/*
 * The shell that becomes the program leaves a guard behind, in its group: it reads from a pipe whose other
 * end the daemon has. When that is closed, by us or by our end, it ends the group and removes the folder.
 */
static const char SCRIPT[] = "exec 2>&1\n"
                             "trap '' TERM\n"
                             "folder=$(mktemp -d \"${TMPDIR:-/tmp}/sparkbouncer-XXXXXX\") || exit 1\n"
                             "(\n"
                             "  trap '' INT HUP\n"
                             "  read _ <&3\n"
                             "  kill -TERM 0\n"
                             "  rm -rf \"$folder\"\n"
                             "  kill -KILL 0\n"
                             ") >/dev/null 2>&1 &\n"
                             "trap - TERM\n"
                             "cd \"$folder\" || exit 1\n"
                             "exec \"$@\" 3<&-\n";

#define FREE_TIMEOUT_MS 3000 /* for the guard's work; somebody may have killed it */

struct Companion {
    uv_process_t process;
    uv_timer_t timer;
    uv_pipe_t output, guard;
    const CompanionEvents *events;
    void *context;
    bool has_ended, is_freed;
    unsigned n_open_handles;
    size_t line_length;
    char line[COMPANION_LINE_SIZE];
    char chunk[4096];
};

/* ---- its end */

static void on_closed(uv_handle_t *handle)
{
    Companion *companion = handle->data;
    if (--companion->n_open_handles == 0)
        free(companion);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void close_all(Companion *companion)
{
    close_handle((uv_handle_t *)&companion->guard);
    close_handle((uv_handle_t *)&companion->timer);
    close_handle((uv_handle_t *)&companion->output);
    close_handle((uv_handle_t *)&companion->process);
}

static void on_free_timer(uv_timer_t *timer)
{
    Companion *companion = timer->data;
    (void)kill(-companion->process.pid, SIGKILL);
}

Companion *companion_free(Companion *companion)
{
    if (!companion)
        return NULL;
    companion->is_freed = true;
    if (companion->has_ended) {
        close_all(companion);
        return NULL;
    }
    close_handle((uv_handle_t *)&companion->guard);
    (void)uv_timer_start(&companion->timer, on_free_timer, FREE_TIMEOUT_MS, 0);
    return NULL;
}

void companion_ask_to_end(Companion *companion)
{
    if (!companion->has_ended)
        (void)kill(-companion->process.pid, SIGTERM);
}

pid_t companion_pid(const Companion *companion)
{
    return companion->process.pid;
}

/* ---- what it prints */

static void end_line(Companion *companion)
{
    companion->line[companion->line_length] = '\0';
    bool is_empty = companion->line_length == 0;
    companion->line_length = 0;
    if (!is_empty && !companion->is_freed)
        companion->events->on_line(companion->context, companion->line);
}

static void take_output(Companion *companion, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n')
            end_line(companion);
        else if (bytes[i] != '\r' && companion->line_length + 1 < sizeof companion->line)
            companion->line[companion->line_length++] = bytes[i];
    }
}

static void on_allocate(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
    (void)size;
    Companion *companion = handle->data;
    *ret_buffer = uv_buf_init(companion->chunk, sizeof companion->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    if (length > 0)
        take_output(stream->data, buffer->base, (size_t)length);
    else if (length < 0)
        (void)uv_read_stop(stream);
}

/* Its last words, which say why, may not have been read yet. */
static void drain(Companion *companion)
{
    uv_os_fd_t fd;
    ssize_t length;
    if (uv_is_closing((uv_handle_t *)&companion->output) ||
        uv_fileno((uv_handle_t *)&companion->output, &fd) != 0)
        return;
    while ((length = read(fd, companion->chunk, sizeof companion->chunk)) > 0)
        take_output(companion, companion->chunk, (size_t)length);
    end_line(companion);
}

static void on_exit_status(uv_process_t *process, int64_t exit_status, int signal)
{
    Companion *companion = process->data;
    drain(companion);
    companion->has_ended = true;
    close_handle((uv_handle_t *)&companion->guard);
    if (companion->is_freed)
        close_all(companion);
    else
        companion->events->on_ended(companion->context, exit_status, signal);
}

/* ---- its beginning */

/* The pointers alone are the caller's to free. */
static const char **wrap(const char *const *argv)
{
    size_t n = 0;
    while (argv[n])
        n++;
    const char **wrapped = mem_alloc_zeroed(n + 5, sizeof *wrapped);
    wrapped[0] = "/bin/sh";
    wrapped[1] = "-c";
    wrapped[2] = SCRIPT;
    wrapped[3] = "sh";
    memcpy(wrapped + 4, argv, n * sizeof *wrapped);
    return wrapped;
}

static int spawn(Companion *companion, uv_loop_t *loop, const CompanionOptions *options)
{
    _cleanup_(mem_freep) const char **argv = wrap(options->argv);
    _cleanup_(mem_freep) char **environment = child_environment(options->dropped, NULL, options->added);
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE)},
        {.flags = UV_IGNORE},
        {.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_READABLE_PIPE)},
    };
    stdio[1].data.stream = (uv_stream_t *)&companion->output;
    stdio[3].data.stream = (uv_stream_t *)&companion->guard;
    uv_process_options_t process = {
        .file = argv[0],
        .args = (char **)(uintptr_t)argv,
        .env = environment,
        .exit_cb = on_exit_status,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = 4,
    };
    return uv_spawn(loop, &companion->process, &process);
}

Companion *companion_start(uv_loop_t *loop, const CompanionOptions *options, const CompanionEvents *events,
                           void *context, int *ret_error)
{
    Companion *companion = mem_new(Companion);
    companion->events = events;
    companion->context = context;
    companion->n_open_handles = 4;
    (void)uv_timer_init(loop, &companion->timer);
    (void)uv_pipe_init(loop, &companion->output, 0);
    (void)uv_pipe_init(loop, &companion->guard, 0);
    companion->output.data = companion->guard.data = companion->timer.data = companion;
    *ret_error = spawn(companion, loop, options);
    companion->process.data = companion;
    if (*ret_error != 0) {
        companion->has_ended = true;
        return companion_free(companion);
    }
    (void)uv_read_start((uv_stream_t *)&companion->output, on_allocate, on_read);
    return companion;
}
