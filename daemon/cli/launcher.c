#include "cli/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "cli/control_client.h"

#define START_TIMEOUT_MS 30000
#define RETRY_MS         50
#define LOG_LIMIT        (1024 * 1024) /* a longer one is put aside at the next start */
#define TAIL_BYTES       4096

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* ---- is it there? */

typedef enum Presence { PRESENCE_NONE, PRESENCE_NOT_READY, PRESENCE_READY, PRESENCE_STRANGE } Presence;

static Presence look(const char *control_socket, Text *reason)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    int error = control_client_request(control_socket, "GET", "/ready", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    if (error == 0 && reply.status == 200)
        return PRESENCE_READY;
    if (error == 0 && reply.status == 503)
        return PRESENCE_NOT_READY;
    if (error == -ENOENT || error == -ECONNREFUSED)
        return PRESENCE_NONE;
    text_clear(reason);
    control_client_explain(reason, control_socket, error, &reply);
    return PRESENCE_STRANGE;
}

/* ---- the log file */

static bool make_folders(const char *path)
{
    _cleanup_(mem_freep) char *folder = mem_copy_string(path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

/* NULL when there is no home either. free(). */
static char *log_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    Text path = TEXT_NULL;
    if (state && *state == '/')
        text_printf(&path, "%s/sparkbouncer/daemon.log", state);
    else if (home && *home)
        text_printf(&path, "%s/.local/state/sparkbouncer/daemon.log", home);
    else
        return NULL;
    return text_take(&path);
}

static int open_log(const char *path)
{
    struct stat facts;
    if (!make_folders(path))
        return -1;
    if (stat(path, &facts) == 0 && facts.st_size > LOG_LIMIT) {
        _cleanup_(text_deinit) Text aside = TEXT_NULL;
        text_printf(&aside, "%s.1", path);
        (void)rename(path, text_string(&aside));
    }
    return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The last line that was written behind `start`, or nothing. */
static void append_last_line(Text *text, int log, off_t start)
{
    char bytes[TAIL_BYTES + 1];
    off_t end = lseek(log, 0, SEEK_END);
    if (end - start > TAIL_BYTES)
        start = end - TAIL_BYTES;
    ssize_t n = pread(log, bytes, TAIL_BYTES, start);
    while (n > 0 && bytes[n - 1] == '\n')
        n--;
    bytes[n > 0 ? n : 0] = '\0';
    const char *line = strrchr(bytes, '\n');
    line = line ? line + 1 : bytes;
    const char *level = strstr(line, " error "); /* time and level are of no interest here */
    text_append(text, level ? level + 7 + strspn(level + 7, " ") : line);
}

/* ---- the process */

/* Every descriptor but the standard ones and `kept`: the daemon must not hold a pipe of the caller's open. */
static void close_others(int kept)
{
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < (limit > 0 && limit < 4096 ? limit : 4096); fd++)
        if (fd != kept)
            (void)close(fd);
}

/* In the child. `alive` stays open as long as the daemon runs. */
static void become_daemon(char *const *words, int log, int alive)
{
    int nothing = open("/dev/null", O_RDONLY);
    (void)setsid();
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    if (fork() != 0) /* the daemon itself is nobody's child, so that the program cannot wait for it */
        _exit(0);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    close_others(alive);
    (void)execv(words[0], words);
    (void)dprintf(STDERR_FILENO, "error: cannot run %s: %s\n", words[0], strerror(errno));
    _exit(127);
}

/* Returns what reads end of file when the daemon ends; -1 when it cannot be started. */
static int spawn(char *const *words, int log)
{
    int alive[2];
    if (pipe(alive) != 0)
        return -1;
    (void)fcntl(alive[0], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        (void)close(alive[0]);
        become_daemon(words, log, alive[1]);
    }
    (void)close(alive[1]);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    else
        close_descriptor(&alive[0]);
    return alive[0];
}

static bool has_ended(int alive, int wait_ms)
{
    struct pollfd watched = {.fd = alive, .events = POLLIN};
    return poll(&watched, 1, wait_ms) > 0;
}

static bool wait_until_ready(const char *control_socket, int alive, Text *reason)
{
    uint64_t deadline_ns = clock_now_ns() + START_TIMEOUT_MS * NS_PER_MS;
    bool is_over = false;
    while (look(control_socket, reason) != PRESENCE_READY) {
        if (is_over || clock_now_ns() > deadline_ns)
            return false;
        is_over = has_ended(alive, RETRY_MS); /* then one more look: another one may have been faster */
    }
    return true;
}

/* The words of `run` with the options that find the same configuration. Strings are borrowed or in `storage`.
 */
static char **make_words(const Options *options, char *binary, Text *storage)
{
    char **words = mem_alloc_zeroed(4 + 2 * options->n_flags + 1, sizeof *words);
    size_t n = 0;
    words[n++] = binary;
    words[n++] = mem_copy_string("run");
    if (options->config_file) {
        char resolved[PATH_MAX];
        text_printf(storage, "--config=%s",
                    realpath(options->config_file, resolved) ? resolved : options->config_file);
        words[n++] = mem_copy_string(text_string(storage));
    }
    for (size_t i = 0; i < options->n_flags; i++) {
        text_clear(storage);
        text_printf(storage, "--%s=%s", options->flags[i].key, options->flags[i].value);
        words[n++] = mem_copy_string(text_string(storage));
    }
    return words;
}

static void free_words(char **words)
{
    for (size_t i = 1; words[i]; i++) /* the first is the binary, which is the caller's */
        free(words[i]);
    free(words);
}

static int start(const Options *options, const char *control_socket, int log, const char *path, Text *reason)
{
    char binary[PATH_MAX];
    size_t size = sizeof binary;
    _cleanup_(text_deinit) Text storage = TEXT_NULL;
    off_t log_start = lseek(log, 0, SEEK_END);
    if (uv_exepath(binary, &size) != 0) {
        text_append(reason, "cannot find this program itself; start the daemon with: sparkbouncer run");
        return -1;
    }
    char **words = make_words(options, binary, &storage);
    _cleanup_(close_descriptor) int alive = spawn(words, log);
    free_words(words);
    if (alive >= 0 && wait_until_ready(control_socket, alive, reason))
        return 0;
    text_clear(reason);
    text_append(reason, "the daemon does not start: ");
    append_last_line(reason, log, log_start);
    text_printf(reason, " (%s); see what sparkbouncer run says", path);
    return -1;
}

int launcher_ensure_daemon(const Options *options, const char *control_socket, bool *ret_started,
                           Text *reason)
{
    _cleanup_(mem_freep) char *path = log_path();
    *ret_started = false;
    Presence presence = look(control_socket, reason);
    if (presence == PRESENCE_READY)
        return 0;
    if (presence == PRESENCE_STRANGE)
        return -1;
    if (presence == PRESENCE_NOT_READY) {
        text_printf(reason, "the daemon on %s is stopping; run this again when it has ended", control_socket);
        return -1;
    }
    _cleanup_(close_descriptor) int log = path ? open_log(path) : -1;
    if (log < 0) {
        text_printf(reason,
                    "no daemon runs, and its log %s cannot be opened: %s; start it with: sparkbouncer run",
                    path ? path : "in $HOME", path ? strerror(errno) : "there is no HOME");
        return -1;
    }
    /* A descriptor of its own: the daemon keeps the other one, and would keep the lock with it. */
    _cleanup_(close_descriptor) int lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock >= 0)
        (void)flock(lock, LOCK_EX);
    if (look(control_socket, reason) == PRESENCE_READY)
        return 0;
    *ret_started = true;
    return start(options, control_socket, log, path, reason);
}
