#include "relay/replay.h"

/* A pause that is too long to be sat out here is for the client, who is told of it. */
static bool can_wait(const ReplayFacts *facts)
{
    return facts->pause_ms == 0 || (facts->pause_ms < facts->time_left_ms &&
                                    facts->broken_for_ms + facts->pause_ms < facts->resume_timeout_ms);
}

/* The request as the client sent it. */
static bool can_be_sent(const ReplayFacts *facts)
{
    return facts->request_is_kept && !facts->is_let_go && can_wait(facts);
}

/* Only while nothing of an answer has gone out. */
static ReplayDecision again_if(const ReplayFacts *facts, bool is_allowed)
{
    bool may_be = !facts->response_started && facts->n_attempts < REPLAY_MAX_ATTEMPTS;
    return is_allowed && may_be && can_be_sent(facts) ? REPLAY_AGAIN : REPLAY_GIVE_UP;
}

static ReplayDecision reattach_if(const ReplayFacts *facts, bool is_allowed)
{
    bool is_in_time = facts->broken_for_ms < facts->resume_timeout_ms && can_wait(facts);
    return is_allowed && facts->is_resumable && is_in_time ? REPLAY_REATTACH : REPLAY_GIVE_UP;
}

ReplayDecision replay_decide(const ReplayFacts *facts)
{
    bool is_under_way = facts->has_delivered || facts->was_reattach;
    if (facts->is_complete)
        return REPLAY_FINISH;
    switch (facts->end) {
    case ATTEMPT_UNPROCESSED: /* of an operation that is under way, the ReattachExecute was */
    case ATTEMPT_TOKEN_REFUSED: return is_under_way ? reattach_if(facts, true) : again_if(facts, true);
    case ATTEMPT_BROKEN:
        return facts->is_resumable ? reattach_if(facts, true) : again_if(facts, facts->is_idempotent);
    case ATTEMPT_CUT_SHORT: return reattach_if(facts, true);
    case ATTEMPT_NOT_GRPC: return reattach_if(facts, is_under_way);
    case ATTEMPT_NOT_GRPC_NOW:
        return facts->is_resumable ? reattach_if(facts, true) : again_if(facts, facts->is_idempotent);
    case ATTEMPT_UNAVAILABLE: return reattach_if(facts, is_under_way);
    case ATTEMPT_NO_OPERATION: /* it was never executed, as nothing of it has been seen, by no other call */
        return facts->is_resumable && !facts->has_delivered && can_be_sent(facts) ? REPLAY_AGAIN
                                                                                  : REPLAY_GIVE_UP;
    }
    return REPLAY_GIVE_UP;
}
