#include "admin/sessions.h"

#include <jansson.h>
#include <string.h>

#include "admin/status_values.h"
#include "base/clock.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define MAX_ENTRIES 1000 /* what a person can still look through */

/* ---- the list */

static const char *const KINDS[] = {
    [SESSION_NEW] = "own", [SESSION_OWN] = "own", [SESSION_NAMED] = "named", [SESSION_CLONE] = "clone"};

/* What is kept to make it again, and what came of that. */
static void add_journal(json_t *entry, const Journal *journal)
{
    if (!journal)
        return;
    json_t *revive = json_object(), *losses = json_array();
    status_add_count(revive, "requests_kept", journal->entries.n_entries);
    status_add_count(revive, "bytes_kept", journal->n_bytes);
    status_add_text(revive, "impossible_since", journal->gap[0] ? journal->gap : NULL);
    status_add_count(revive, "times", journal->n_revivals);
    status_add_count(revive, "restored", journal->n_restored);
    list_for_each(link, &journal->losses)
    {
        json_t *loss = json_string(container_of(link, const JournalEntry, link)->change.what);
        (void)json_array_append_new(losses, loss ? loss : json_string("?")); /* no UTF-8 */
    }
    (void)json_object_set_new(revive, "not_restored", losses);
    (void)json_object_set_new(entry, "revive", revive);
}

/* The later they were used, the earlier they come: the first one of a shared session has used it last. */
static json_t *entry_of(const Session *session, const char *id, uint64_t now_ns)
{
    json_t *entry = json_object();
    status_add_text(entry, "name", session->name[0] ? session->name : NULL);
    status_add_text(entry, "kind", KINDS[session->kind]);
    status_add_text(entry, "session_id", id);
    status_add_text(entry, "user_id", session->user_id);
    status_add_text(entry, "profile", status_profile_label(session->target));
    status_add_count(entry, "clients", 0);
    status_add_count(entry, "operations", 0);
    status_add_count(entry, "idle_s", (now_ns - session->used_ns) / NS_PER_S);
    add_journal(entry, session->journal);
    return entry;
}

static void add_to(json_t *entry, const char *key, size_t count)
{
    status_add_count(entry, key, (uint64_t)json_integer_value(json_object_get(entry, key)) + count);
}

json_t *sessions_document(const Relay *relay)
{
    uint64_t now_ns = clock_now_ns();
    json_t *entries = json_array(), *shared = json_object();
    const ListLink *head = &relay->registry.sessions.head;
    for (const ListLink *link = head->previous; link != head; link = link->previous) {
        const Session *session = container_of(link, Session, link);
        const char *id = session->upstream_id[0] ? session->upstream_id : session->session_id;
        json_t *entry = session->kind == SESSION_NAMED ? json_object_get(shared, id) : NULL;
        if (!entry && json_array_size(entries) == MAX_ENTRIES)
            continue;
        if (!entry) {
            entry = entry_of(session, id, now_ns);
            (void)json_array_append_new(entries, entry);
            if (session->kind == SESSION_NAMED)
                (void)json_object_set(shared, id, entry);
        }
        add_to(entry, "clients", 1);
        add_to(entry, "operations", session->operations.n_entries);
    }
    json_decref(shared);
    return json_pack("{s:I, s:o}", "clients_total", (json_int_t)relay->registry.sessions.n_entries,
                     "sessions", entries);
}

/* ---- the release */

typedef struct PendingRelease {
    OwnCall call;
    ControlQuestion *question;
    char *name, *profile;
} PendingRelease;

static PendingRelease *pending_free(PendingRelease *pending)
{
    free(pending->name);
    free(pending->profile);
    free(pending);
    return NULL;
}

static void append_failure(Text *text, const PendingRelease *pending)
{
    text_printf(text, "session %s of profile %s is not released: %s", pending->name, pending->profile,
                pending->call.problem);
}

static void on_ended(OwnCall *call, uint32_t status)
{
    PendingRelease *pending = container_of(call, PendingRelease, call);
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    json_t *document = json_object();
    if (status == STATUS_OK) {
        status_add_text(document, "session_id", call->session_id);
    } else {
        append_failure(&sentence, pending);
        status_add_text(document, "error", text_string(&sentence));
    }
    control_question_answer(pending->question, status == STATUS_OK ? 200 : 502, document);
    pending_free(pending);
}

/* The user whose clients use it, when that is one. NULL with a sentence. Borrowed. */
static const char *find_user(const Relay *relay, const char *profile, const char *name, Text *problem)
{
    const char *user = NULL;
    list_for_each(link, &relay->registry.sessions)
    {
        const Session *session = container_of(link, Session, link);
        const Destination *target = session->target;
        if (session->kind != SESSION_NAMED || strcmp(session->name, name) != 0 || !target ||
            strcmp(target->name, profile) != 0)
            continue;
        if (user && strcmp(user, session->user_id) != 0) {
            text_printf(problem, "several users have a session %s with profile %s; say whose: --user NAME",
                        name, profile);
            return NULL;
        }
        user = session->user_id;
    }
    if (!user)
        text_printf(problem,
                    "no client has used session %s with profile %s since the daemon started; to release it "
                    "all the same say whose it is: --user NAME",
                    name, profile);
    return user;
}

static Upstream *find_upstream(Relay *relay, const char *profile, unsigned *ret_status, Text *problem)
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

static bool ask_server(Relay *relay, Upstream *upstream, const NamedSessionKey *key,
                       ControlQuestion *question, Text *problem)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    PendingRelease *pending = mem_new(PendingRelease);
    pending->call.on_ended = on_ended;
    pending->question = question;
    pending->name = mem_copy_string(key->name);
    pending->profile = mem_copy_string(key->profile);
    named_sessions_id(&relay->named_sessions, key, pending->call.session_id);
    codec_write_release_session(&request, key->user_id, pending->call.session_id);
    if (own_call_begin(&pending->call, relay, upstream, NULL, METHOD_RELEASE_SESSION,
                       (const uint8_t *)request.bytes, request.length))
        return true;
    append_failure(problem, pending);
    pending_free(pending);
    return false;
}

bool session_release_begin(Relay *relay, const SessionRelease *release, ControlQuestion *question,
                           unsigned *ret_status, Text *problem)
{
    const char *profile = release->profile ? release->profile : relay->settings->default_profile;
    *ret_status = 409;
    if (!profile) {
        text_append(problem, "there is no default profile; say which: --profile NAME");
        return false;
    }
    Upstream *upstream = find_upstream(relay, profile, ret_status, problem);
    if (!upstream)
        return false;
    const char *user = release->user ? release->user : find_user(relay, profile, release->name, problem);
    if (!user)
        return false;
    *ret_status = 502;
    NamedSessionKey key = {user, upstream->profile->name, release->name};
    return ask_server(relay, upstream, &key, question, problem);
}
