#pragma once

/*
 * Keepalive: what TCP does by itself to find out that the peer is gone. It costs the server no HTTP/2 frame,
 * and so neither counts as use of it nor as a ping that came too early. Loop thread only.
 */

#include <stdbool.h>

#define KEEPALIVE_PROBE_S 6 /* by then a peer that does not answer a probe is found */

/* The peer may be silent for so long before it is asked, and leave data unacknowledged; 0: forever. */
void keepalive_set(int fd, unsigned seconds);
/* Asks now. When the peer does not answer the connection ends with ETIMEDOUT within KEEPALIVE_PROBE_S; else
 * keepalive_set() is due after that. */
void keepalive_probe(int fd);
/* The local end's address is no longer this machine's: nothing can arrive there. */
bool keepalive_address_is_gone(int fd);
