#include "base/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

/* For output that is still held open by something the program left behind. */
#define DRAIN_MS   300
#define CHUNK_SIZE 4096

extern char **environ;

typedef enum ChildState {
    CHILD_RUNNING,
    CHILD_KILLED,   /* for its time or its output; its end is awaited */
    CHILD_DRAINING, /* it has ended; its output may not have */
    CHILD_OVER,     /* told, or cancelled: handles are closing */
} ChildState;

/* One of the two pipes, and what came through it. */
typedef struct Output {
    uv_pipe_t pipe;
    Child *child;
    bool is_open;
    char chunk[CHUNK_SIZE];
    char *bytes;
    size_t length, capacity;
} Output;

struct Child {
    uv_process_t process;
    uv_timer_t timer;
    Output output, errors;
    ChildState state;
    size_t output_limit;
    ChildDone done; /* NULL: cancelled */
    void *context;
    ChildResult result;
    unsigned n_open_handles;
};

/* --- memory --- */

static void bytes_append(Output *output, const char *bytes, size_t length)
{
    size_t needed = output->length + length + 1;
    if (needed > output->capacity) {
        size_t capacity = needed * 2;
        char *grown = mem_alloc(capacity);
        if (output->bytes) {
            memcpy(grown, output->bytes, output->length);
            secret_wipe(output->bytes, output->capacity);
            free(output->bytes);
        }
        output->bytes = grown;
        output->capacity = capacity;
    }
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
    output->bytes[output->length] = '\0';
}

static void bytes_free(Output *output)
{
    if (output->bytes)
        secret_wipe(output->bytes, output->capacity);
    free(output->bytes);
}

static void on_closed(uv_handle_t *handle)
{
    Child *child = handle->data;
    if (--child->n_open_handles > 0)
        return;
    bytes_free(&child->output);
    bytes_free(&child->errors);
    secret_wipe(child, sizeof *child);
    free(child);
}

static void close_all(Child *child)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&child->process, (uv_handle_t *)&child->timer,
                              (uv_handle_t *)&child->output.pipe, (uv_handle_t *)&child->errors.pipe};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        uv_close(handles[i], on_closed);
}

/* --- its life --- */

static void child_end(Child *child)
{
    if (child->state == CHILD_OVER)
        return;
    child->state = CHILD_OVER;
    ChildResult *result = &child->result;
    result->output = child->output.bytes ? child->output.bytes : "";
    result->output_length = child->output.length;
    result->errors = child->errors.bytes ? child->errors.bytes : "";
    result->errors_length = child->errors.length;
    if (child->done)
        child->done(child->context, result);
    close_all(child);
}

static void on_timer(uv_timer_t *timer);

static void kill_group(Child *child)
{
    if (child->state != CHILD_RUNNING)
        return;
    child->state = CHILD_KILLED;
    if (kill(-child->process.pid, SIGKILL) != 0)
        (void)kill(child->process.pid, SIGKILL);
}

static void on_timer(uv_timer_t *timer)
{
    Child *child = timer->data;
    if (child->result.error || child->state == CHILD_DRAINING) {
        child_end(child);
        return;
    }
    child->result.timed_out = true;
    kill_group(child);
}

static void end_when_complete(Child *child)
{
    if (child->state == CHILD_DRAINING && !child->output.is_open && !child->errors.is_open)
        child_end(child);
}

static void on_exit_status(uv_process_t *process, int64_t exit_status, int signal)
{
    Child *child = process->data;
    child->result.exit_status = exit_status;
    child->result.signal = signal;
    child->state = CHILD_DRAINING;
    if (!child->done) {
        child_end(child);
        return;
    }
    (void)uv_timer_start(&child->timer, on_timer, DRAIN_MS, 0);
    end_when_complete(child);
}

static void on_allocate(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
    (void)size;
    Output *output = container_of((uv_pipe_t *)handle, Output, pipe);
    *ret_buffer = uv_buf_init(output->chunk, sizeof output->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    Output *output = container_of((uv_pipe_t *)stream, Output, pipe);
    Child *child = output->child;
    if (length == 0 || child->state == CHILD_OVER)
        return;
    if (length < 0) {
        output->is_open = false;
        (void)uv_read_stop(stream);
        end_when_complete(child);
        return;
    }
    size_t room = child->output_limit - output->length;
    size_t taken = (size_t)length < room ? (size_t)length : room;
    bytes_append(output, buffer->base, taken);
    if (taken < (size_t)length) {
        child->result.is_too_long = true;
        kill_group(child);
    }
}

/* --- its beginning --- */

static bool is_named(const char *variable, const char *const *names)
{
    size_t length = strcspn(variable, "=");
    for (; names && *names; names++) {
        size_t name_length = strlen(*names);
        if ((*names)[name_length - 1] == '*' ? strncmp(variable, *names, name_length - 1) == 0
                                             : name_length == length && memcmp(variable, *names, length) == 0)
            return true;
    }
    return false;
}

char **child_environment(const char *const *dropped, const char *const *kept, const char *const *added)
{
    size_t n_variables = 0, n_passed = 0, n_added = 0;
    while (environ && environ[n_variables])
        n_variables++;
    while (added && added[n_added])
        n_added++;
    char **passed = mem_alloc_zeroed(n_variables + n_added + 1, sizeof *passed);
    for (size_t i = 0; i < n_variables; i++)
        if (!is_named(environ[i], dropped) || is_named(environ[i], kept))
            passed[n_passed++] = environ[i];
    for (size_t i = 0; i < n_added; i++)
        passed[n_passed++] = (char *)(uintptr_t)added[i];
    return passed;
}

static void output_init(Output *output, Child *child, uv_loop_t *loop)
{
    output->child = child;
    (void)uv_pipe_init(loop, &output->pipe, 0);
    output->pipe.data = child;
}

static void output_begin(Output *output)
{
    output->is_open = uv_read_start((uv_stream_t *)&output->pipe, on_allocate, on_read) == 0;
}

static int spawn(Child *child, uv_loop_t *loop, const ChildOptions *options)
{
    _cleanup_(mem_freep) char **environment = child_environment(options->dropped, options->kept, NULL);
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    stdio[1].flags = stdio[2].flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
    stdio[1].data.stream = (uv_stream_t *)&child->output.pipe;
    stdio[2].data.stream = (uv_stream_t *)&child->errors.pipe;
    uv_process_options_t process = {
        .file = options->argv[0],
        .args = (char **)(uintptr_t)options->argv,
        .env = environment,
        .exit_cb = on_exit_status,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = 3,
    };
    return uv_spawn(loop, &child->process, &process);
}

Child *child_start(uv_loop_t *loop, const ChildOptions *options, ChildDone done, void *context)
{
    Child *child = mem_new(Child);
    child->done = done;
    child->context = context;
    child->output_limit = options->output_limit;
    child->n_open_handles = 4;
    output_init(&child->output, child, loop);
    output_init(&child->errors, child, loop);
    (void)uv_timer_init(loop, &child->timer);
    child->timer.data = child;
    child->process.data = child;
    child->result.error = spawn(child, loop, options);
    child->process.data = child;
    if (child->result.error) {
        (void)uv_timer_start(&child->timer, on_timer, 0, 0);
        return child;
    }
    output_begin(&child->output);
    output_begin(&child->errors);
    (void)uv_timer_start(&child->timer, on_timer, options->timeout_ms, 0);
    return child;
}

void child_cancel(Child *child)
{
    child->done = NULL;
    if (child->result.error || child->state == CHILD_DRAINING) {
        child_end(child);
        return;
    }
    (void)uv_timer_stop(&child->timer);
    kill_group(child);
}
