#pragma once

/* Making unix and Linux abstract listening sockets with the checks that a shared machine needs. Blocking, at
 * start. */

#include <sys/types.h>

#include "base/text.h"

/*
 * Binds a unix socket at `path` with permission bits `mode`. Its folder must belong to us or to root and must
 * not be writable by others (a missing one is made, mode 0700); a socket file that nobody listens on is
 * removed. The descriptor, or a negative errno with a sentence in `reason`.
 */
int unix_socket_bind(const char *path, mode_t mode, Text *reason) _must_check_;
/* Likewise for the abstract name `name` (without its NUL). */
int unix_socket_bind_abstract(const char *name, Text *reason) _must_check_;
