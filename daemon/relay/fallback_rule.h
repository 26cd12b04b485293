#pragma once

/*
 * Where the calls of a session go when there is a local Spark server besides the profile's own: decided from
 * recorded facts alone. A session never moves in its middle: what it has at one server is not at the other.
 * Pure; any thread.
 */

#include <stdbool.h>

typedef struct FallbackFacts {
    bool is_always;           /* upstream = local: there is no other server */
    bool is_wished;           /* fallback = local */
    bool has_session;         /* the call belongs to one */
    bool may_begin;           /* a session may begin with such a call */
    bool client_knows_server; /* the client has had an answer in this session, as its request shows */
    bool is_answered;         /* a server has, or may have, something of the session */
    bool request_is_whole;    /* nothing of it has been answered, and all of it can be sent again */
    unsigned session_run;     /* of the local server that the session is on; 0: on none */
    unsigned current_run;     /* of the local server; 0: none runs */
} FallbackFacts;

typedef enum FallbackPlace {
    FALLBACK_PLACE_UPSTREAM,
    FALLBACK_PLACE_LOCAL,
    FALLBACK_PLACE_LOST, /* the session was on a local server that is no more */
} FallbackPlace;

/* As long as nothing fails. */
FallbackPlace fallback_place(const FallbackFacts *facts);
/* Whether a call that cannot go to its upstream may go to the local server, and its session with it. */
bool fallback_is_allowed(const FallbackFacts *facts);
