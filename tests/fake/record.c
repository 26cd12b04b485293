#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool record_open(Record *record, const char *path)
{
    record->fd = -1;
    if (!path)
        return true;
    if (strcmp(path, "-") == 0) {
        record->fd = STDOUT_FILENO;
        return true;
    }
    record->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (record->fd < 0)
        fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
    return record->fd >= 0;
}

void record_write(Record *record, Bytes *line)
{
    if (record->fd >= 0) {
        bytes_append(line, "\n", 1);
        for (size_t at = 0; at < line->length;) {
            ssize_t n = write(record->fd, line->data + at, line->length - at);
            if (n < 0 && errno != EINTR)
                break; /* whoever listened is gone */
            at += n > 0 ? (size_t)n : 0;
        }
    }
    line->length = 0;
}
