#include "relay/refusal_text.h"

#include <string.h>

#include "base/clock.h"
#include "conf/values.h"

#define MAX_WORDS         400   /* bytes of the server's words */
#define RETRY_STARTING_MS 30000 /* Databricks' own hint while a cluster starts */
#define RETRY_RUNNING_MS  2000

/* What it is in the end, from the kind and the facts. */
typedef enum Finding {
    FINDING_TOKEN,
    FINDING_MISSING,
    FINDING_FORBIDDEN, /* may not see it, or may not use it */
    FINDING_OFF,
    FINDING_STARTING,
    FINDING_START_DENIED,
    FINDING_START_FAILED,
    FINDING_START_TOO_SLOW,
    FINDING_RUNS, /* but the server said otherwise */
    FINDING_UNASKED,
} Finding;

/* All that the sentences are made of. */
typedef struct Case {
    Text *text;
    const ClusterFacts *facts; /* NULL only for FINDING_TOKEN and FINDING_UNASKED, or by the kind alone */
    const ProfileSettings *profile;
    const char *words;
    uint64_t now_ns;
} Case;

/* ---- what it is */

static Finding find_by_state(ClusterState state)
{
    switch (state) {
    case CLUSTER_RUNNING:
    case CLUSTER_RESIZING: return FINDING_RUNS;
    case CLUSTER_PENDING:
    case CLUSTER_RESTARTING: return FINDING_STARTING;
    case CLUSTER_TERMINATING:
    case CLUSTER_TERMINATED:
    case CLUSTER_ERROR: return FINDING_OFF;
    case CLUSTER_MISSING: return FINDING_MISSING;
    case CLUSTER_FORBIDDEN: return FINDING_FORBIDDEN;
    case CLUSTER_UNKNOWN:
    case CLUSTER_UNASKABLE: break;
    }
    return FINDING_UNASKED;
}

static Finding find_by_facts(const ClusterFacts *facts)
{
    switch (facts->start) {
    case CLUSTER_START_DENIED: return FINDING_START_DENIED;
    case CLUSTER_START_FAILED:
        if (facts->state == CLUSTER_TERMINATED || facts->state == CLUSTER_ERROR)
            return FINDING_START_FAILED;
        break; /* the state says it better */
    case CLUSTER_START_TIMED_OUT: return FINDING_START_TOO_SLOW;
    case CLUSTER_START_WANTED:
    case CLUSTER_START_UNDER_WAY: return FINDING_STARTING;
    case CLUSTER_START_NONE:
    case CLUSTER_START_DONE: break;
    }
    return find_by_state(facts->state);
}

static Finding find(RefusalKind kind, const ClusterFacts *facts)
{
    Finding finding = facts ? find_by_facts(facts) : FINDING_UNASKED;
    switch (kind) {
    case REFUSAL_NONE:
    case REFUSAL_TOKEN: return FINDING_TOKEN;
    case REFUSAL_CLUSTER_MISSING: return finding == FINDING_FORBIDDEN ? finding : FINDING_MISSING;
    case REFUSAL_CLUSTER_ACCESS: return FINDING_FORBIDDEN;
    case REFUSAL_CLUSTER_NOT_RUNNING: break;
    }
    return finding;
}

/* ---- parts of sentences */

static void append_cluster(const Case *it)
{
    const char *id = it->profile->cluster_id ? it->profile->cluster_id : "?";
    if (it->facts && it->facts->name[0])
        text_printf(it->text, "cluster %s (%s) of profile %s", it->facts->name, id, it->profile->name);
    else
        text_printf(it->text, "cluster %s of profile %s", id, it->profile->name);
}

/* " (…)": the workspace's words, else the server's; nothing when there are none. */
static void append_words(const Case *it)
{
    const char *words = it->facts && it->facts->message[0] ? it->facts->message : it->words;
    if (words && *words)
        text_printf(it->text, " (%.*s)", MAX_WORDS, words);
}

static void append_server_words(const Case *it)
{
    if (it->words && *it->words)
        text_printf(it->text, "; the server says: %.*s", MAX_WORDS, it->words);
}

static void append_how_to_start(const Case *it)
{
    const char *name = it->profile->name;
    if (it->profile->autostart == AUTOSTART_NEVER)
        text_printf(it->text,
                    "start it in the workspace, or put autostart = ask into [profile %s] and run: "
                    "sparkbouncer start %s",
                    name, name);
    else
        text_printf(it->text, "start it: sparkbouncer start %s", name);
}

static void append_duration(Text *text, uint64_t ms)
{
    value_append_duration(text, ms < 1000 ? 1000 : ms - ms % 1000);
}

/* ---- the sentences */

static void explain_starting(const Case *it)
{
    append_cluster(it);
    text_printf(it->text, " is starting (%s", cluster_state_name(it->facts->state));
    if (it->facts->since_ns != 0 && it->now_ns > it->facts->since_ns) {
        text_append(it->text, " for ");
        append_duration(it->text, (it->now_ns - it->facts->since_ns) / NS_PER_MS);
    }
    if (it->facts->expected_ms > 0) {
        text_append(it->text, ", about ");
        append_duration(it->text, it->facts->expected_ms);
        text_append(it->text, " more");
    }
    if (it->profile->autostart == AUTOSTART_NEVER)
        text_append(it->text, "); try again in a while");
    else
        text_printf(it->text, "); wait for it: sparkbouncer start %s", it->profile->name);
}

static void explain_unasked(const Case *it)
{
    append_cluster(it);
    text_append(it->text, " does not take the call");
    append_server_words(it);
    if (it->facts && it->facts->message[0])
        text_printf(it->text, "; %s could not be asked about it: %s", it->profile->host, it->facts->message);
    text_append(it->text, "; see: sparkbouncer profiles");
}

static void explain_forbidden(const Case *it)
{
    text_printf(it->text, "the login of profile %s may not use ", it->profile->name);
    append_cluster(it);
    append_server_words(it);
    text_printf(
        it->text,
        "; it needs the permission Can Attach To, and a cluster whose access mode is Standard (Shared) "
        "or Dedicated (Single user); to use another one, change cluster_id and run: sparkbouncer check");
}

static void explain_start_too_slow(const Case *it)
{
    append_cluster(it);
    text_printf(it->text, " is still %s after ", cluster_state_name(it->facts->state));
    append_duration(it->text, it->profile->cluster_start_timeout_ms);
    append_words(it);
    text_printf(it->text,
                "; see its event log in the workspace, raise cluster_start_timeout if it always takes that "
                "long, or wait again: sparkbouncer start %s",
                it->profile->name);
}

static void explain_runs(const Case *it)
{
    append_cluster(it);
    text_append(it->text, " runs by now, but did not take the call");
    append_server_words(it);
    text_append(it->text, "; try again");
}

static void explain(const Case *it, Finding finding)
{
    const ProfileSettings *profile = it->profile;
    switch (finding) {
    case FINDING_TOKEN:
        text_printf(it->text, "%s does not accept the login of profile %s", profile->host, profile->name);
        append_server_words(it);
        text_append(it->text, "; see: sparkbouncer profiles");
        break;
    case FINDING_MISSING:
        append_cluster(it);
        text_printf(it->text,
                    " does not exist on %s; correct cluster_id (where it comes from: sparkbouncer check)",
                    profile->host);
        break;
    case FINDING_FORBIDDEN: explain_forbidden(it); break;
    case FINDING_OFF:
        append_cluster(it);
        text_printf(it->text, " is %s", cluster_state_name(it->facts->state));
        append_words(it);
        text_append(it->text, "; ");
        append_how_to_start(it);
        break;
    case FINDING_STARTING: explain_starting(it); break;
    case FINDING_START_DENIED:
        text_printf(it->text, "the login of profile %s may not start ", profile->name);
        append_cluster(it);
        append_words(it);
        text_printf(it->text,
                    "; ask for the permission Can Restart, or have somebody start it, then run: "
                    "sparkbouncer start %s",
                    profile->name);
        break;
    case FINDING_START_FAILED:
        append_cluster(it);
        text_printf(it->text, " did not start: it is %s again", cluster_state_name(it->facts->state));
        append_words(it);
        text_printf(it->text, "; see its event log in the workspace, then: sparkbouncer start %s",
                    profile->name);
        break;
    case FINDING_START_TOO_SLOW: explain_start_too_slow(it); break;
    case FINDING_RUNS: explain_runs(it); break;
    case FINDING_UNASKED: explain_unasked(it); break;
    }
}

RefusalEnd refusal_explain(Text *text, RefusalKind kind, const ClusterFacts *facts,
                           const ProfileSettings *profile, const char *words, uint64_t now_ns)
{
    /* Stock clients retry UNAVAILABLE for minutes: right while it starts, wrong for what a person must do. */
    static const RefusalEnd ENDS[] = {
        [FINDING_TOKEN] = {STATUS_UNAUTHENTICATED, "TOKEN_REFUSED", 0},
        [FINDING_MISSING] = {STATUS_NOT_FOUND, "CLUSTER_MISSING", 0},
        [FINDING_FORBIDDEN] = {STATUS_PERMISSION_DENIED, "CLUSTER_FORBIDDEN", 0},
        [FINDING_OFF] = {STATUS_FAILED_PRECONDITION, "CLUSTER_NOT_RUNNING", 0},
        [FINDING_STARTING] = {STATUS_UNAVAILABLE, "CLUSTER_STARTING", RETRY_STARTING_MS},
        [FINDING_START_DENIED] = {STATUS_PERMISSION_DENIED, "CLUSTER_START_DENIED", 0},
        [FINDING_START_FAILED] = {STATUS_FAILED_PRECONDITION, "CLUSTER_START_FAILED", 0},
        [FINDING_START_TOO_SLOW] = {STATUS_FAILED_PRECONDITION, "CLUSTER_START_TIMEOUT", 0},
        [FINDING_RUNS] = {STATUS_UNAVAILABLE, "CLUSTER_BUSY", RETRY_RUNNING_MS},
        [FINDING_UNASKED] = {STATUS_UNAVAILABLE, "CLUSTER_UNKNOWN", 0},
    };
    Case it = {text, facts, profile, words, now_ns};
    Finding finding = find(kind, facts);
    text_append(text, "sparkbouncer: ");
    explain(&it, finding);
    return ENDS[finding];
}
