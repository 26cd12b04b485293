#pragma once

/* Address: `host:port` as people write it. Pure; any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/text.h"

typedef struct Address {
    char *host; /* lower case, without brackets; NULL when the text starts with the colon */
    bool has_port;
    uint16_t port;
} Address;

#define ADDRESS_NULL                                                                                         \
    {                                                                                                        \
        NULL, false, 0                                                                                       \
    }

/* Reads `host`, `host:port`, `[v6]`, `[v6]:port` or `:port`. 0, or -EINVAL and what is wrong in `complaint`.
 */
int address_parse(Address *ret_address, const char *text, Text *complaint) _must_check_;
void address_deinit(Address *address);

/* Whether traffic to this host stays on this machine: `localhost` and the loopback addresses. Other names
 * count as remote, whatever they resolve to today. */
bool address_is_loopback(const char *host);
