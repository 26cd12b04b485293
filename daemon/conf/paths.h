#pragma once

/* Paths: what the environment says about where files lie. The environment is a value (as environ), so that
 * nothing here depends on the process's own. Pure; any thread. */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

typedef const char *const *Environment; /* "NAME=value" strings, NULL-terminated; may be NULL */

/* Borrowed; NULL when unset or empty: the SDKs take an empty variable for none. */
const char *environment_get(Environment environment, const char *name);

/* `path` with a leading `~` or `~/` replaced by $HOME, if there is one. free(). */
char *path_expand(const char *path, Environment environment);
/* The directory of our sockets: $XDG_RUNTIME_DIR/sparkbouncer, for root without it /run/sparkbouncer, else
 * /tmp/sparkbouncer-UID. free(). */
char *path_runtime_directory(Environment environment);
/* Of temporary files that may be large: $TMPDIR, else /var/tmp, which is on a disk where /tmp may not be.
 * free(). */
char *path_temporary_directory(Environment environment);
char *path_default_control_socket(Environment environment);
