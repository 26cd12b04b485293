#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

void file_content_deinit(FileContent *content)
{
    if (content->bytes)
        secret_wipe(content->bytes, content->length);
    free(content->bytes);
    *content = (FileContent)FILE_CONTENT_NULL;
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* At most `limit` + 1 bytes into `content`; the buffer has its full size from the start, so that no copy of a
 * secret is left behind by growing it. */
static int read_bytes(int fd, FileContent *content, size_t limit)
{
    content->bytes = mem_alloc(limit + 2);
    while (content->length <= limit) {
        ssize_t n = read(fd, content->bytes + content->length, limit + 1 - content->length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        content->length += (size_t)n;
    }
    content->bytes[content->length] = '\0';
    return 0;
}

int file_read(FileContent *ret_content, const char *path, size_t limit, Problems *problems)
{
    _cleanup_(file_content_deinit) FileContent content = FILE_CONTENT_NULL;
    _cleanup_(close_descriptor) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    int r = 0;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return FILE_MISSING;
    if (fd < 0 || fstat(fd, &status) < 0 || (r = read_bytes(fd, &content, limit)) < 0) {
        problems_add_error(problems, "%s: cannot be read: %s", path, strerror(r < 0 ? -r : errno));
        return -EINVAL;
    }
    if (content.length > limit) {
        problems_add_error(problems, "%s: larger than %zu KiB; this cannot be the right file", path,
                           limit / 1024);
        return -EINVAL;
    }
    content.mode = S_ISREG(status.st_mode) ? status.st_mode & 07777 : 0;
    *ret_content = content;
    content = (FileContent)FILE_CONTENT_NULL;
    return 0;
}

void file_warn_if_shared(const char *path, mode_t mode, Problems *problems)
{
    if (mode & 077)
        problems_add_warning(problems,
                             "%s: holds a secret and others may read it (mode %04o); run: chmod 600 %s", path,
                             (unsigned)mode, path);
}
