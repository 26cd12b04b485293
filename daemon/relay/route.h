#pragma once

/* Which profile a call belongs to. Pure; any thread. */

#include <stdbool.h>

/* What is known about a call; names are NULL when there is none. */
typedef struct RouteFacts {
    const char *listener_profile; /* fixed for the listener it came in by */
    const char *header_profile;   /* asked for by x-profile or profile */
    const char *session_profile;  /* what the call's session used before */
    const char *default_profile;
} RouteFacts;

typedef enum RouteResult {
    ROUTE_OK,
    ROUTE_NONE,      /* nothing names a profile */
    ROUTE_FORBIDDEN, /* the listener has its profile and the client asks for another */
} RouteResult;

/* The order: listener, the client's wish, the session's earlier choice, the default. */
RouteResult route_choose(const RouteFacts *facts, const char **ret_profile);
