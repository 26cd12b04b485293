#pragma once

/* LocalPort: a TCP port of 127.0.0.1 for a server that we start. Any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

/* One that was free a moment ago. 0, or a negative errno. */
int local_port_find(uint16_t *ret_port) _must_check_;
/* False when a process of another user listens on it, who came first and waits for what is not theirs. True
 * where the system does not tell. */
bool local_port_is_ours(uint16_t port);
