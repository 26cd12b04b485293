#include "cli/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_OUTPUT ((size_t)1024 * 1024)

static void run_child(char *const *words, int input, int output)
{
    int nothing = open("/dev/null", O_WRONLY);
    (void)dup2(input, STDIN_FILENO);
    (void)dup2(output, STDOUT_FILENO);
    (void)dup2(nothing, STDERR_FILENO);
    (void)execvp(words[0], words);
    _exit(127);
}

/* Pipes hold 64 KiB, more than any input here: what does not fit is dropped rather than waited for. */
static void give(int fd, const char *input, size_t length)
{
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    (void)!write(fd, input, length);
    (void)signal(SIGPIPE, before);
    (void)close(fd);
}

static int read_all(int fd, uint64_t deadline_ns, Text *output)
{
    char bytes[4096];
    for (;;) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns || output->length > MAX_OUTPUT)
            return -ETIMEDOUT;
        if (poll(&watched, 1, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1) <= 0)
            continue;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            return 0;
        text_append_bytes(output, bytes, (size_t)n);
    }
}

static int reap(pid_t child, int error)
{
    int status = 0;
    if (error != 0)
        (void)kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return error != 0 ? error : WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

int capture_run(char *const *words, const char *input, size_t input_length, uint64_t timeout_ms, Text *output)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(out, O_CLOEXEC) != 0) {
        (void)close(in[0]);
        (void)close(in[1]);
        return -EMFILE;
    }
    pid_t child = fork();
    if (child == 0)
        run_child(words, in[0], out[1]);
    (void)close(in[0]);
    (void)close(out[1]);
    give(in[1], input, child > 0 ? input_length : 0);
    int result = child < 0 ? -EAGAIN : read_all(out[0], clock_now_ns() + timeout_ms * NS_PER_MS, output);
    (void)close(out[0]);
    return child < 0 ? result : reap(child, result);
}
