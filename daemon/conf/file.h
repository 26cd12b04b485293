#pragma once

/* File: a small file read whole, with a limit, into memory that is wiped afterwards since it may hold a
 * secret. Start-up and reload only; any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/mem.h"
#include "conf/problems.h"

typedef struct FileContent {
    char *bytes; /* `length` bytes and a NUL; the reader of it may write */
    size_t length;
    mode_t mode; /* permission bits; 0 for what is no regular file */
} FileContent;

#define FILE_CONTENT_NULL                                                                                    \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

/* Condition of file_read(): there is no such file; nothing is added to the problems. */
#define FILE_MISSING 1

/* 0, FILE_MISSING, or -EINVAL and one error (unreadable, a directory, more than `limit` bytes). */
int file_read(FileContent *ret_content, const char *path, size_t limit, Problems *problems) _must_check_;
/* Wipes and frees. */
void file_content_deinit(FileContent *content);

/* Warns when anyone but the owner may read this file, which holds a secret. */
void file_warn_if_shared(const char *path, mode_t mode, Problems *problems);
