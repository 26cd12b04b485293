#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/control_client.h"

#define RETRY_MS 100

/* A descriptor that becomes readable when the process has ended; -1 where there is no such thing. */
static int open_process(pid_t pid)
{
#ifdef SYS_pidfd_open
    if (pid > 0)
        return (int)syscall(SYS_pidfd_open, pid, 0);
#endif
    (void)pid;
    errno = ENOSYS;
    return -1;
}

/* Waits for at most `ms`. */
static bool has_process_ended(int process, int ms)
{
    struct pollfd watched = {.fd = process, .events = POLLIN};
    return poll(&watched, 1, ms) > 0;
}

/* The same where processes cannot be watched: the socket goes away shortly before the process does. */
static bool has_socket_gone(const char *path, int ms)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    int error = control_client_request(path, "GET", "/ready", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    if (error == -ENOENT || error == -ECONNREFUSED)
        return true;
    struct timespec pause = {.tv_nsec = (ms < RETRY_MS ? ms : RETRY_MS) * (long)NS_PER_MS};
    (void)nanosleep(&pause, NULL);
    return false;
}

static int milliseconds_until(uint64_t at_ns)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t ms = now_ns < at_ns ? (at_ns - now_ns) / NS_PER_MS + 1 : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static bool wait_for_end(const char *path, pid_t pid, uint64_t deadline_ns)
{
    int process = open_process(pid);
    bool has_ended = process < 0 && errno == ESRCH;
    while (!has_ended && clock_now_ns() < deadline_ns) {
        int ms = milliseconds_until(deadline_ns);
        has_ended = process >= 0 ? has_process_ended(process, ms) : has_socket_gone(path, ms);
    }
    if (process >= 0)
        (void)close(process);
    return has_ended;
}

int command_stop(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    const Options *options = cli->options;
    uint64_t deadline_ns =
        options->timeout_is_set ? clock_now_ns() + options->timeout_ms * NS_PER_MS : UINT64_MAX;
    int error = control_client_request(path, "POST", "/stop", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    if (error != 0 || reply.status != 202) {
        control_client_explain(&sentence, path, error, &reply);
        report_error("%s", text_string(&sentence));
        return CLI_FAILED;
    }
    if (options->no_wait || wait_for_end(path, reply.pid, deadline_ns)) {
        (void)puts(options->no_wait ? "stopping" : "stopped");
        return CLI_OK;
    }
    report_error("the daemon still lets running calls end; stop again to end them at once");
    return CLI_FAILED;
}
