#pragma once

/*
 * FileWatch: says when one of some files may have changed, been replaced, come or gone. It watches the
 * folders, since editors and secret managers put a new file in the place of the old one. Loop thread only.
 */

#include <uv.h>

#include "base/deadline.h"
#include "base/log.h"

typedef struct FileWatch FileWatch;

/* on_change(context) comes when the files have been quiet for a moment, never from within file_watch_set().
 * Never NULL. */
FileWatch *file_watch_new(uv_loop_t *loop, Deadlines *deadlines, const Log *log,
                          void (*on_change)(void *context), void *context);
/* Watches these from now on, in place of the former ones; whatever happens meanwhile is noticed. They need
 * not exist, nor their folders. A folder that cannot be watched is logged. */
void file_watch_set(FileWatch *watch, char *const *files, size_t n_files);
/* Freed when the loop has run. Takes NULL; returns NULL. */
FileWatch *file_watch_close(FileWatch *watch);
