#include "relay/route.h"

#include <stddef.h>
#include <string.h>

RouteResult route_choose(const RouteFacts *facts, const char **ret_profile)
{
    *ret_profile = facts->listener_profile;
    if (facts->listener_profile) {
        bool asks_another =
            facts->header_profile && strcmp(facts->header_profile, facts->listener_profile) != 0;
        return asks_another ? ROUTE_FORBIDDEN : ROUTE_OK;
    }
    *ret_profile = facts->header_profile    ? facts->header_profile
                   : facts->session_profile ? facts->session_profile
                                            : facts->default_profile;
    return *ret_profile ? ROUTE_OK : ROUTE_NONE;
}
