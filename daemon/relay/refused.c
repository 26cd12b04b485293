/* What is done about a call that the upstream refuses: another credential, or what the workspace says of the
 * cluster, which may be started. */

#include <inttypes.h>
#include <string.h>

#include "auth/cluster.h"
#include "base/clock.h"
#include "relay/call.h"
#include "relay/refusal_text.h"

#define NO_CREDENTIAL_RETRY_MS 5000

/* ---- ends */

/* "sparkbouncer: " is for clients. */
static const char *without_prefix(const char *sentence)
{
    static const char PREFIX[] = "sparkbouncer: ";
    return strncmp(sentence, PREFIX, sizeof PREFIX - 1) == 0 ? sentence + sizeof PREFIX - 1 : sentence;
}

static void fail_refused(Call *call, const ClusterFacts *facts)
{
    const ProfileSettings *profile = call->upstream->profile;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    RefusalEnd end =
        refusal_explain(&sentence, call->refusal, facts, profile, call->refusal_words, clock_now_ns());
    if (fallback_take(call, without_prefix(text_string(&sentence))))
        return;
    const char *metadata[] = {"profile", profile->name, "host", profile->host, NULL};
    StatusDetails details = {
        .reason = end.reason, .metadata = metadata, .retry_after_ms = end.retry_after_ms};
    if (end.code == STATUS_UNAVAILABLE && call->retry_after_ms > details.retry_after_ms)
        details.retry_after_ms = call->retry_after_ms;
    call_fail(call, end.code, &details, "%s", text_string(&sentence));
}

/* ---- the credential */

void call_fail_without_credential(Call *call)
{
    const Upstream *upstream = call->upstream;
    const char *metadata[] = {"profile", upstream->profile->name, "host", upstream->profile->host, NULL};
    StatusDetails details = {.reason = "NO_CREDENTIAL", .metadata = metadata};
    RefresherFacts facts;
    refresher_facts(upstream->refresher, &facts);
    if (fallback_take(call, facts.problem ? facts.problem : "no token came within credential_timeout"))
        return;
    if (!facts.needs_person)
        details.retry_after_ms = NO_CREDENTIAL_RETRY_MS;
    if (facts.state == REFRESHER_MINTING && !facts.problem) {
        call_fail(call, STATUS_UNAVAILABLE, &details,
                  "sparkbouncer: profile %s: %s has not given a token within %" PRIu64
                  " s (credential_timeout); see: sparkbouncer doctor -p %s",
                  upstream->profile->name, auth_type_name(facts.type),
                  upstream->profile->credential_timeout_ms / 1000, upstream->profile->name);
        return;
    }
    call_fail(call, facts.needs_person ? STATUS_UNAUTHENTICATED : STATUS_UNAVAILABLE, &details,
              "sparkbouncer: %s", refresher_problem(upstream->refresher));
}

/* Once with another credential, until the client gets something: a token that is refused at once will be
 * again. */
static bool tries_another_credential(Call *call)
{
    if (call->token_was_refused || !call->credential ||
        !refresher_refused(call->upstream->refresher, call->credential))
        return false;
    call->token_was_refused = true;
    return call_recover(call, ATTEMPT_TOKEN_REFUSED, "the token was refused");
}

/* ---- the cluster */

static bool may_start(const Call *call, const ClusterFacts *facts)
{
    bool is_off = facts->state == CLUSTER_TERMINATED || facts->state == CLUSTER_TERMINATING;
    bool is_on_its_way = facts->state == CLUSTER_PENDING || facts->state == CLUSTER_RESTARTING;
    return facts->start != CLUSTER_START_DENIED && facts->start != CLUSTER_START_FAILED &&
           facts->start != CLUSTER_START_TIMED_OUT && call->upstream->profile->autostart == AUTOSTART_YES &&
           (is_off || is_on_its_way);
}

static void wait_for_cluster(Call *call)
{
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_CLUSTER;
    call_set_deadline(call, 0); /* it has limits of its own */
}

void call_on_cluster_known(ClusterWaiter *waiter)
{
    Call *call = container_of(waiter, Call, cluster_waiter);
    const Upstream *upstream = call->upstream;
    ClusterFacts facts;
    cluster_facts(upstream->cluster, &facts);
    if (cluster_state_serves(facts.state) && call->refusal == REFUSAL_CLUSTER_NOT_RUNNING &&
        call_recover(call, ATTEMPT_UNPROCESSED, "the cluster was not running"))
        return;
    if (!may_start(call, &facts)) {
        fail_refused(call, &facts);
        return;
    }
    wait_for_cluster(call);
    cluster_start(upstream->cluster, waiter);
}

/* ---- what the answer said */

static void keep_words(Call *call, const char *message, size_t length)
{
    free(call->refusal_words);
    call->refusal_words = message ? status_decode_message(message, length) : NULL;
}

/* A page with 401 or 403 in the middle of results comes from something in between, as the token was good a
 * moment ago; when there is no other one, only trying again can help. */
static bool is_page_to_sit_out(const Call *call, unsigned http_status)
{
    const AuthSettings *auth = &call->upstream->profile->auth;
    bool is_static = auth->n_chain == 0 || (auth->n_chain == 1 && auth->chain[0] == AUTH_PAT);
    return http_status != 200 && is_static && call->resume.has_delivered;
}

bool call_refused(Call *call, unsigned http_status, const char *message, size_t length)
{
    Upstream *upstream = call->upstream;
    StatusCode code = http_status == 200 ? (StatusCode)call->status : status_from_http(http_status);
    call->refusal = refusal_classify(code, message, length, http_status);
    if (call->refusal == REFUSAL_NONE || (call->refusal != REFUSAL_TOKEN && !upstream->cluster))
        return false;
    if (call->refusal != REFUSAL_TOKEN && !call->client)
        return false; /* a call of our own: no reason to ask for a cluster, let alone to start one */
    if (call->refusal == REFUSAL_TOKEN ? is_page_to_sit_out(call, http_status) : call->resume.has_delivered)
        return false; /* results were coming: they are asked for again */
    if (call->refusal == REFUSAL_TOKEN && tries_another_credential(call))
        return true;
    keep_words(call, message, length);
    if (call->refusal == REFUSAL_TOKEN) {
        fail_refused(call, NULL);
        return true;
    }
    call_end_attempt(call, STREAM_CANCEL);
    wait_for_cluster(call);
    cluster_ask(upstream->cluster, &call->cluster_waiter);
    return true;
}
