#pragma once

/* Who listens on a TCP port of this machine, as far as /proc tells. Blocking, for error messages only. Any
 * thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes "name (pid 4711)". False when it cannot be seen: another user's process, or no Linux. */
bool port_owner_describe(uint16_t port, char *text, size_t size);
