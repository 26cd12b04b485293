#include "admin/profile_lookup.h"

Upstream *profile_lookup(Relay *relay, const char *profile, unsigned *ret_status, Text *problem)
{
    const char *why;
    bool is_unknown;
    Upstream *upstream = relay_upstream(relay, profile, &why, &is_unknown);
    if (upstream)
        return upstream;
    *ret_status = is_unknown ? 404 : 409;
    if (why)
        text_append(problem, why);
    else
        text_printf(problem, "there is no profile %s; see 'sparkbouncer check' for those there are", profile);
    return NULL;
}
