#pragma once

/* Guest: a host and a token that a project has, handed to the running daemon for this client alone: through
 * the control socket, so that the token is in no URL and no list of processes. Blocking; main thread. */

#include "cli/project.h"

/* The name of the profile that the daemon made of it (free()); NULL with a sentence in `reason`. */
char *guest_register(const char *control_socket, const Project *project, Text *reason);
