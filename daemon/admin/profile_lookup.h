#pragma once

/* ProfileLookup: the upstream of a profile that somebody names on the control socket. Loop thread only. */

#include "base/text.h"
#include "relay/relay.h"

/* NULL, with the status of HTTP and a sentence, when there is no such profile or it cannot be used. */
Upstream *profile_lookup(Relay *relay, const char *profile, unsigned *ret_status, Text *problem);
