#include "auth/cluster.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define FRESH_MS         5000  /* that an answer is taken for true */
#define FAILED_MS        10000 /* that a start which failed is not tried again */
#define REQUEST_LIMIT_MS 20000
#define MAX_FAILURES     3 /* times in a row that the workspace cannot be asked, before a start gives up */

/* What is going on between us and the workspace. */
typedef enum ClusterPhase {
    CLUSTER_IDLE,
    CLUSTER_LACKS_CREDENTIAL, /* waits for the refresher */
    CLUSTER_ASKS,             /* a request is under way */
    CLUSTER_PAUSES,           /* until the next look */
} ClusterPhase;

typedef enum ClusterRequest { CLUSTER_GET, CLUSTER_POST_START } ClusterRequest;

struct Cluster {
    ClusterContext context;
    ClusterPhase phase;
    List waiters, due; /* due: they are told at the next opportunity */
    uint64_t round;    /* of telling: whoever gets due while others are told waits for the next one */
    ClusterWaiter unattended;
    ClusterWaiter curious; /* of cluster_ask_unattended() */

    ClusterRequest request; /* of this phase, or the one before */
    bool is_second_try;     /* of the request, with another credential */
    HttpsExchange *exchange;
    RefresherWaiter credential_waiter;
    Credential *credential; /* that the exchange carries */
    Deadline next;          /* end of a pause */
    Deadline limit;         /* of a start */
    Deadline soon;          /* tells those who are due */

    ClusterState state;
    char *name, *message; /* NULL: none */
    uint64_t since_ns, answered_ns;

    ClusterStart start;
    uint64_t started_ns; /* when it was sent; 0: not by us */
    uint64_t ended_ns;   /* when it was known how it ended */
    uint64_t took_ms;    /* the last one that went well; 0: none yet */
    unsigned n_polls, n_failures;
};

static void send_request(Cluster *cluster);

static uint64_t now_ns(const Cluster *cluster)
{
    return cluster->context.now_ns ? cluster->context.now_ns() : clock_now_ns();
}

/* ---- who waits */

static void make_due(Cluster *cluster, ClusterWaiter *waiter)
{
    list_remove(&cluster->waiters, &waiter->link);
    waiter->due = cluster->round;
    list_append(&cluster->due, &waiter->link);
}

static void make_due_all(Cluster *cluster, bool with_starts)
{
    list_for_each_safe(link, following, &cluster->waiters)
    {
        ClusterWaiter *waiter = container_of(link, ClusterWaiter, link);
        if (with_starts || !waiter->wants_running)
            make_due(cluster, waiter);
    }
}

static ClusterWaiter *first_due(const Cluster *cluster, uint64_t round)
{
    ListLink *link = list_first(&cluster->due);
    ClusterWaiter *waiter = link ? container_of(link, ClusterWaiter, link) : NULL;
    return waiter && waiter->due <= round ? waiter : NULL;
}

/* Ends in callbacks, which may ask, start and stop waiting. */
static void tell_due(Cluster *cluster)
{
    uint64_t round = cluster->round++;
    for (ClusterWaiter *waiter; (waiter = first_due(cluster, round)) != NULL;) {
        list_remove(&cluster->due, &waiter->link);
        waiter->due = 0;
        waiter->on_known(waiter);
    }
}

static void tell_soon(Cluster *cluster, ClusterWaiter *waiter)
{
    waiter->due = cluster->round;
    list_append(&cluster->due, &waiter->link);
    deadline_set(cluster->context.deadlines, &cluster->soon, now_ns(cluster));
}

static void on_soon(Deadline *deadline)
{
    tell_due(container_of(deadline, Cluster, soon));
}

/* ---- what is known */

static const char *name_of(const Cluster *cluster)
{
    return cluster->name ? cluster->name : cluster->context.profile->cluster_id;
}

static void set_message(Cluster *cluster, char *message)
{
    free(cluster->message);
    cluster->message = message;
}

/* What came of a start is history once the state is another one. */
static void set_state(Cluster *cluster, ClusterState state)
{
    cluster->answered_ns = now_ns(cluster);
    if (state == cluster->state && cluster->since_ns != 0)
        return;
    cluster->state = state;
    cluster->since_ns = cluster->answered_ns;
    if (cluster->start > CLUSTER_START_UNDER_WAY)
        cluster->start = CLUSTER_START_NONE;
    log_write(cluster->context.log, LOG_LEVEL_DEBUG, "cluster %s of profile %s is %s", name_of(cluster),
              cluster->context.profile->name, cluster_state_name(state));
}

static bool is_recent(const Cluster *cluster, uint64_t at_ns, uint64_t ms)
{
    return at_ns != 0 && now_ns(cluster) - at_ns < ms * NS_PER_MS;
}

static void learn_unaskable(Cluster *cluster, const char *why)
{
    set_state(cluster, CLUSTER_UNASKABLE);
    set_message(cluster, mem_copy_string(why));
}

/* ---- the start */

static bool is_starting(const Cluster *cluster)
{
    return cluster->start == CLUSTER_START_WANTED || cluster->start == CLUSTER_START_UNDER_WAY;
}

/* Whatever goes on between us and the workspace ends. */
static void go_idle(Cluster *cluster)
{
    Deadlines *deadlines = cluster->context.deadlines;
    if (cluster->exchange)
        https_cancel(cluster->exchange);
    cluster->exchange = NULL;
    refresher_stop_waiting(cluster->context.refresher, &cluster->credential_waiter);
    cluster->credential = credential_unref(cluster->credential);
    deadline_clear(deadlines, &cluster->next);
    cluster->phase = CLUSTER_IDLE;
}

static void log_end_of_start(const Cluster *cluster)
{
    const char *profile = cluster->context.profile->name, *name = name_of(cluster);
    const char *why = cluster->message ? cluster->message : "no reason given";
    const Log *log = cluster->context.log;
    switch (cluster->start) {
    case CLUSTER_START_DONE:
        log_write(log, LOG_LEVEL_INFO, "cluster %s of profile %s runs; %zu wait for it", name, profile,
                  cluster->waiters.n_entries);
        break;
    case CLUSTER_START_DENIED:
        log_write(log, LOG_LEVEL_WARNING, "cluster %s may not be started by the login of profile %s: %s",
                  name, profile, why);
        break;
    case CLUSTER_START_FAILED:
        log_write(log, LOG_LEVEL_WARNING, "cluster %s of profile %s did not start (%s): %s", name, profile,
                  cluster_state_name(cluster->state), why);
        break;
    case CLUSTER_START_TIMED_OUT:
        log_write(log, LOG_LEVEL_WARNING,
                  "cluster %s of profile %s is still %s after cluster_start_timeout (%" PRIu64 " s)", name,
                  profile, cluster_state_name(cluster->state),
                  cluster->context.profile->cluster_start_timeout_ms / 1000);
        break;
    case CLUSTER_START_NONE:
    case CLUSTER_START_WANTED:
    case CLUSTER_START_UNDER_WAY: break;
    }
}

/* Everybody is due then; the caller tells them. */
static void end_start(Cluster *cluster, ClusterStart how)
{
    cluster->start = how;
    cluster->ended_ns = now_ns(cluster);
    if (how == CLUSTER_START_DONE && cluster->started_ns != 0)
        cluster->took_ms = (cluster->ended_ns - cluster->started_ns) / NS_PER_MS;
    log_end_of_start(cluster);
    go_idle(cluster);
    deadline_clear(cluster->context.deadlines, &cluster->limit);
    make_due_all(cluster, true);
}

static void on_limit(Deadline *deadline)
{
    Cluster *cluster = container_of(deadline, Cluster, limit);
    end_start(cluster, CLUSTER_START_TIMED_OUT);
    tell_due(cluster);
}

static void pause_start(Cluster *cluster)
{
    uint64_t now = now_ns(cluster);
    uint64_t delay_ms = cluster_poll_delay_ms(cluster->n_polls++, (uint32_t)(now / 1000));
    cluster->phase = CLUSTER_PAUSES;
    deadline_set(cluster->context.deadlines, &cluster->next, now + delay_ms * NS_PER_MS);
}

static void on_next(Deadline *deadline)
{
    Cluster *cluster = container_of(deadline, Cluster, next);
    cluster->request = CLUSTER_GET;
    cluster->is_second_try = false;
    send_request(cluster);
}

static void announce_start(const Cluster *cluster)
{
    _cleanup_(text_deinit) Text before = TEXT_NULL;
    if (cluster->took_ms > 0)
        text_printf(&before, "; it took %" PRIu64 " s the last time", cluster->took_ms / 1000);
    log_write(cluster->context.log, LOG_LEVEL_INFO,
              "cluster %s of profile %s is off: starting it, %zu wait%s", name_of(cluster),
              cluster->context.profile->name, cluster->waiters.n_entries, text_string(&before));
}

/* The next step of a start after the state is known, or could not be. */
static void step_start(Cluster *cluster)
{
    bool is_under_way = cluster->start == CLUSTER_START_UNDER_WAY;
    cluster->n_failures = cluster->state == CLUSTER_UNASKABLE ? cluster->n_failures + 1 : 0;
    switch (cluster_next_step(cluster->state, is_under_way)) {
    case CLUSTER_STEP_READY: end_start(cluster, CLUSTER_START_DONE); break;
    case CLUSTER_STEP_FAIL: end_start(cluster, CLUSTER_START_FAILED); break;
    case CLUSTER_STEP_START:
        announce_start(cluster);
        cluster->request = CLUSTER_POST_START;
        cluster->is_second_try = false;
        send_request(cluster);
        break;
    case CLUSTER_STEP_WAIT:
        if (cluster->n_failures >= MAX_FAILURES) {
            end_start(cluster, CLUSTER_START_FAILED);
            break;
        }
        if (cluster->state == CLUSTER_PENDING || cluster->state == CLUSTER_RESTARTING)
            cluster->start = CLUSTER_START_UNDER_WAY;
        pause_start(cluster);
        break;
    }
}

/* ---- answers */

/* The answer to whatever was asked: those who only wanted to know are told, a start goes on. */
static void settle(Cluster *cluster)
{
    make_due_all(cluster, false);
    if (is_starting(cluster))
        step_start(cluster);
    tell_due(cluster);
}

static void take_start_reply(Cluster *cluster, ClusterReply *reply)
{
    if (reply->kind != CLUSTER_REPLY_FASTER)
        set_message(cluster, steal(reply->message));
    if (reply->kind == CLUSTER_REPLY_STARTED) {
        set_state(cluster, CLUSTER_PENDING);
        cluster->started_ns = now_ns(cluster);
    }
    make_due_all(cluster, false);
    if (!is_starting(cluster)) {
        /* those who wanted it have gone meanwhile */
    } else if (reply->kind == CLUSTER_REPLY_DENIED) {
        end_start(cluster, CLUSTER_START_DENIED);
    } else { /* the next look tells what it does */
        if (reply->kind == CLUSTER_REPLY_STARTED)
            cluster->start = CLUSTER_START_UNDER_WAY;
        pause_start(cluster);
    }
    tell_due(cluster);
}

static void take_reply(Cluster *cluster, ClusterReply *reply)
{
    switch (reply->kind) {
    case CLUSTER_REPLY_STATE:
        set_state(cluster, reply->state);
        set_message(cluster, steal(reply->message));
        if (reply->name) {
            free(cluster->name);
            cluster->name = steal(reply->name);
        }
        break;
    case CLUSTER_REPLY_STARTED:
    case CLUSTER_REPLY_FASTER:
    case CLUSTER_REPLY_DENIED: take_start_reply(cluster, reply); return;
    case CLUSTER_REPLY_TOKEN_REFUSED: learn_unaskable(cluster, "it refuses the credential"); break;
    }
    settle(cluster);
}

/* True when the request goes out again, with another credential. */
static bool try_again(Cluster *cluster, Credential *refused)
{
    bool may_help = refresher_refused(cluster->context.refresher, refused);
    if (!may_help || cluster->is_second_try)
        return false;
    cluster->is_second_try = true;
    send_request(cluster);
    return true;
}

static void on_answer(void *context, const HttpsResponse *response)
{
    Cluster *cluster = context;
    _cleanup_(cluster_reply_deinit) ClusterReply reply = CLUSTER_REPLY_NULL;
    Credential *credential = steal(cluster->credential);
    cluster->exchange = NULL;
    cluster->phase = CLUSTER_IDLE;
    if (response->failure) {
        reply.state = CLUSTER_UNASKABLE;
        reply.message = mem_copy_string(response->failure);
    } else if (cluster->request == CLUSTER_GET) {
        cluster_reply_read_get(&reply, response->status, response->body, response->length);
    } else {
        cluster_reply_read_start(&reply, response->status, response->body, response->length);
    }
    bool goes_again = reply.kind == CLUSTER_REPLY_TOKEN_REFUSED && try_again(cluster, credential);
    credential_unref(credential);
    if (!goes_again)
        take_reply(cluster, &reply);
}

/* ---- requests */

/* For the value of a query; cluster ids need none of it as a rule. */
static void append_escaped(Text *text, const char *value)
{
    for (; *value; value++) {
        bool is_plain = (*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') ||
                        (*value >= '0' && *value <= '9') || strchr("-._~", *value);
        text_printf(text, is_plain ? "%c" : "%%%02X", (uint8_t)*value);
    }
}

static void append_url(Text *url, const Cluster *cluster)
{
    const ProfileSettings *profile = cluster->context.profile;
    bool is_ipv6 = strchr(profile->host, ':') != NULL;
    text_printf(url, is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", profile->use_tls ? "https" : "http",
                profile->host, profile->port);
    if (cluster->request == CLUSTER_POST_START) {
        text_append(url, "/api/2.1/clusters/start");
    } else {
        text_append(url, "/api/2.1/clusters/get?cluster_id=");
        append_escaped(url, profile->cluster_id);
    }
}

/* NULL for a GET. */
static Secret *body_new(const Cluster *cluster)
{
    if (cluster->request == CLUSTER_GET)
        return NULL;
    json_t *document = json_pack("{s:s}", "cluster_id", cluster->context.profile->cluster_id);
    _cleanup_(mem_freep) char *bytes = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return bytes ? secret_new(bytes, strlen(bytes)) : NULL;
}

static void send_with(Cluster *cluster, Credential *credential)
{
    const ProfileSettings *profile = cluster->context.profile;
    _cleanup_(text_deinit) Text url = TEXT_NULL;
    _cleanup_(secret_freep) Secret *body = body_new(cluster);
    append_url(&url, cluster);
    HttpsRequest request = {.method = body ? "POST" : "GET",
                            .url = text_string(&url),
                            .authorization = credential->authorization,
                            .body = body,
                            .content_type = body ? "application/json" : NULL,
                            .ca_file = profile->ca_file,
                            .proxy = profile->proxy,
                            .timeout_ms = REQUEST_LIMIT_MS};
    cluster->phase = CLUSTER_ASKS;
    cluster->credential = credential_ref(credential);
    cluster->exchange = https_send(cluster->context.https, &request, on_answer, cluster);
}

static void send_request(Cluster *cluster)
{
    Credential *credential = refresher_current(cluster->context.refresher);
    if (credential) {
        send_with(cluster, credential);
        return;
    }
    cluster->phase = CLUSTER_LACKS_CREDENTIAL;
    refresher_wait(cluster->context.refresher, &cluster->credential_waiter);
}

static void on_credential(RefresherWaiter *waiter)
{
    send_request(container_of(waiter, Cluster, credential_waiter));
}

static void on_no_credential(RefresherWaiter *waiter)
{
    Cluster *cluster = container_of(waiter, Cluster, credential_waiter);
    cluster->phase = CLUSTER_IDLE;
    learn_unaskable(cluster, refresher_problem(cluster->context.refresher));
    settle(cluster);
}

static void ask_now(Cluster *cluster)
{
    if (cluster->phase != CLUSTER_IDLE)
        return; /* what is asked already will do */
    cluster->request = CLUSTER_GET;
    cluster->is_second_try = false;
    send_request(cluster);
}

/* ---- what others call */

void cluster_ask(Cluster *cluster, ClusterWaiter *waiter)
{
    waiter->wants_running = false;
    waiter->due = 0;
    if (cluster->phase == CLUSTER_PAUSES || is_recent(cluster, cluster->answered_ns, FRESH_MS)) {
        tell_soon(cluster, waiter);
        return;
    }
    list_append(&cluster->waiters, &waiter->link);
    ask_now(cluster);
}

static bool has_just_failed(const Cluster *cluster)
{
    return cluster->start > CLUSTER_START_DONE && is_recent(cluster, cluster->ended_ns, FAILED_MS);
}

void cluster_start(Cluster *cluster, ClusterWaiter *waiter)
{
    waiter->wants_running = true;
    waiter->due = 0;
    bool runs = cluster_state_serves(cluster->state) && is_recent(cluster, cluster->answered_ns, FRESH_MS);
    if (!is_starting(cluster) && (runs || has_just_failed(cluster))) {
        tell_soon(cluster, waiter);
        return;
    }
    list_append(&cluster->waiters, &waiter->link);
    if (is_starting(cluster))
        return;
    cluster->start = CLUSTER_START_WANTED;
    cluster->started_ns = 0;
    cluster->n_polls = cluster->n_failures = 0;
    deadline_set(cluster->context.deadlines, &cluster->limit,
                 now_ns(cluster) + cluster->context.profile->cluster_start_timeout_ms * NS_PER_MS);
    ask_now(cluster);
}

static bool is_start_wanted(const Cluster *cluster)
{
    list_for_each(link, &cluster->waiters)
    {
        if (container_of(link, ClusterWaiter, link)->wants_running)
            return true;
    }
    return false;
}

void cluster_stop_waiting(Cluster *cluster, ClusterWaiter *waiter)
{
    list_remove(waiter->due ? &cluster->due : &cluster->waiters, &waiter->link);
    waiter->due = 0;
    if (list_is_empty(&cluster->due))
        deadline_clear(cluster->context.deadlines, &cluster->soon);
    if (is_starting(cluster) && !is_start_wanted(cluster)) {
        cluster->start = CLUSTER_START_NONE;
        deadline_clear(cluster->context.deadlines, &cluster->limit);
    }
    if (list_is_empty(&cluster->waiters))
        go_idle(cluster);
}

static void on_unattended_known(ClusterWaiter *waiter)
{
    (void)waiter; /* whoever wants to know looks at the facts */
}

void cluster_start_unattended(Cluster *cluster)
{
    if (!list_link_is_linked(&cluster->unattended.link))
        cluster_start(cluster, &cluster->unattended);
}

void cluster_ask_unattended(Cluster *cluster)
{
    if (!list_link_is_linked(&cluster->curious.link))
        cluster_ask(cluster, &cluster->curious);
}

/* ---- facts */

static uint64_t expected_ms(const Cluster *cluster)
{
    if (cluster->start != CLUSTER_START_UNDER_WAY)
        return 0;
    uint64_t from_ns = cluster->started_ns ? cluster->started_ns : cluster->since_ns;
    uint64_t passed_ms = (now_ns(cluster) - from_ns) / NS_PER_MS;
    return passed_ms < cluster->took_ms ? cluster->took_ms - passed_ms : 0;
}

void cluster_facts(const Cluster *cluster, ClusterFacts *ret_facts)
{
    *ret_facts = (ClusterFacts){.state = cluster->state,
                                .start = cluster->start,
                                .name = cluster->name ? cluster->name : "",
                                .message = cluster->message ? cluster->message : "",
                                .since_ns = cluster->since_ns,
                                .expected_ms = expected_ms(cluster),
                                .n_waiting = (unsigned)(cluster->waiters.n_entries + cluster->due.n_entries)};
}

const char *cluster_start_name(ClusterStart start)
{
    static const char *const NAMES[] = {
        [CLUSTER_START_NONE] = "none",           [CLUSTER_START_WANTED] = "wanted",
        [CLUSTER_START_UNDER_WAY] = "under way", [CLUSTER_START_DONE] = "done",
        [CLUSTER_START_DENIED] = "denied",       [CLUSTER_START_FAILED] = "failed",
        [CLUSTER_START_TIMED_OUT] = "timed out",
    };
    return NAMES[start];
}

/* ---- beginning and end */

Cluster *cluster_new(const ClusterContext *context)
{
    Cluster *cluster = mem_new(Cluster);
    cluster->context = *context;
    cluster->round = 1;
    assert(context->profile->cluster_id);
    list_init(&cluster->waiters);
    list_init(&cluster->due);
    list_link_init(&cluster->unattended.link);
    cluster->unattended.on_known = on_unattended_known;
    list_link_init(&cluster->curious.link);
    cluster->curious.on_known = on_unattended_known;
    list_link_init(&cluster->credential_waiter.link);
    cluster->credential_waiter.on_ready = on_credential;
    cluster->credential_waiter.on_failed = on_no_credential;
    cluster->next = (Deadline)DEADLINE_INIT(on_next);
    cluster->limit = (Deadline)DEADLINE_INIT(on_limit);
    cluster->soon = (Deadline)DEADLINE_INIT(on_soon);
    return cluster;
}

Cluster *cluster_free(Cluster *cluster)
{
    if (!cluster)
        return NULL;
    cluster_stop_waiting(cluster, &cluster->unattended);
    cluster_stop_waiting(cluster, &cluster->curious);
    assert(list_is_empty(&cluster->waiters) && list_is_empty(&cluster->due));
    free(cluster->name);
    free(cluster->message);
    free(cluster);
    return NULL;
}
