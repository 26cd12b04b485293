#include "relay/replay.h"

ReplayDecision replay_decide(const ReplayFacts *facts)
{
    bool may_be_sent_again = facts->was_unprocessed && !facts->response_started && facts->request_is_kept;
    return may_be_sent_again && facts->n_attempts < REPLAY_MAX_ATTEMPTS ? REPLAY_AGAIN : REPLAY_GIVE_UP;
}
