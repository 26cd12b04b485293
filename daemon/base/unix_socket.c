#include "base/unix_socket.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(Text *reason, int error, const char *what, const char *path)
{
    text_printf(reason, "%s %s: %s", what, path, strerror(error));
    return -error;
}

static int check_folder(const char *path, Text *reason)
{
    _cleanup_(mem_freep) char *copy = mem_copy_string(path);
    const char *folder = dirname(copy);
    struct stat facts;
    if (mkdir(folder, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return fail(reason, errno, "cannot make the folder", folder);
    if (stat(folder, &facts) != 0)
        return fail(reason, errno, "cannot look at the folder", folder);
    bool others_may_write = (facts.st_mode & S_IWOTH) && !(facts.st_mode & S_ISVTX);
    if ((facts.st_uid != geteuid() && facts.st_uid != 0) || others_may_write) {
        text_printf(reason,
                    "the folder %s belongs to somebody else or may be written by others; use one of your own",
                    folder);
        return -EPERM;
    }
    return 0;
}

static bool somebody_listens(const struct sockaddr_un *address, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; /* not known: do not remove what may be in use */
    int result = connect(fd, (const struct sockaddr *)address, length);
    bool refused = result != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return !refused;
}

static int remove_stale(const struct sockaddr_un *address, socklen_t length, Text *reason)
{
    struct stat facts;
    if (lstat(address->sun_path, &facts) != 0)
        return 0;
    if (!S_ISSOCK(facts.st_mode)) {
        text_printf(reason, "%s exists and is no socket; remove it or choose another path",
                    address->sun_path);
        return -EEXIST;
    }
    if (somebody_listens(address, length)) {
        text_printf(reason, "another process listens on %s; stop it or choose another path",
                    address->sun_path);
        return -EADDRINUSE;
    }
    return unlink(address->sun_path) == 0
               ? 0
               : fail(reason, errno, "cannot remove the stale socket", address->sun_path);
}

static int bind_new(const struct sockaddr_un *address, socklen_t length, const char *name, Text *reason)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(reason, errno, "cannot make a socket for", name);
    if (bind(fd, (const struct sockaddr *)address, length) != 0) {
        int error = errno;
        (void)close(fd);
        return fail(reason, error, "cannot listen on", name);
    }
    return fd;
}

int unix_socket_bind(const char *path, mode_t mode, Text *reason)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        text_printf(reason, "the path %s is too long for a socket (%zu characters at the most)", path,
                    sizeof address.sun_path - 1);
        return -ENAMETOOLONG;
    }
    strcpy(address.sun_path, path);
    int error = check_folder(path, reason);
    if (error == 0)
        error = remove_stale(&address, sizeof address, reason);
    if (error != 0)
        return error;
    mode_t umask_before = umask(0777 & ~mode); /* so that it never exists with wider permissions */
    int fd = bind_new(&address, sizeof address, path, reason);
    (void)umask(umask_before);
    return fd;
}

int unix_socket_bind_abstract(const char *name, Text *reason)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if (length >= sizeof address.sun_path) {
        text_printf(reason, "the abstract name %s is too long (%zu characters at the most)", name,
                    sizeof address.sun_path - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path + 1, name, length);
    return bind_new(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length), name, reason);
}
