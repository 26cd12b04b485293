#include "relay/fallback_rule.h"

/* A run that came to nothing has left nothing behind. */
static bool is_undecided(const FallbackFacts *facts)
{
    return facts->session_run == 0 || (facts->session_run != facts->current_run && !facts->is_answered);
}

FallbackPlace fallback_place(const FallbackFacts *facts)
{
    if (!is_undecided(facts))
        return facts->session_run == facts->current_run ? FALLBACK_PLACE_LOCAL : FALLBACK_PLACE_LOST;
    return facts->is_always ? FALLBACK_PLACE_LOCAL : FALLBACK_PLACE_UPSTREAM;
}

bool fallback_is_allowed(const FallbackFacts *facts)
{
    return facts->is_wished && facts->has_session && facts->may_begin && is_undecided(facts) &&
           !facts->is_answered && !facts->client_knows_server && facts->request_is_whole;
}
