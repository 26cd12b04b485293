#include "admin/sessions.h"

#include <jansson.h>
#include <string.h>

#include "admin/profile_lookup.h"
#include "admin/status_values.h"
#include "base/clock.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define MAX_ENTRIES 1000 /* what a person can still look through */

/* ---- the list */

static const char *const KINDS[] = {[SESSION_NEW] = "own",
                                    [SESSION_OWN] = "own",
                                    [SESSION_NAMED] = "named",
                                    [SESSION_WARM] = "warm",
                                    [SESSION_CLONE] = "clone"};

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

static json_t *entry_new(json_t *entries, const char *name, const char *kind, const char *id)
{
    json_t *entry = json_object();
    status_add_text(entry, "name", name);
    status_add_text(entry, "kind", kind);
    status_add_text(entry, "session_id", id);
    status_add_count(entry, "clients", 0);
    status_add_count(entry, "operations", 0);
    (void)json_array_append_new(entries, entry);
    return entry;
}

static void set_use(json_t *entry, uint64_t used_ns, uint64_t now_ns)
{
    const json_t *known = json_object_get(entry, "idle_s");
    uint64_t idle_s = (now_ns - used_ns) / NS_PER_S;
    if (!known || (uint64_t)json_integer_value(known) > idle_s)
        status_add_count(entry, "idle_s", idle_s);
}

static void add_to(json_t *entry, const char *key, size_t count)
{
    status_add_count(entry, key, (uint64_t)json_integer_value(json_object_get(entry, key)) + count);
}

/* Named ones stay at the server when their clients have gone. `by_id` gets them too. */
static void add_named(json_t *entries, json_t *by_id, const NamedSessions *sessions, uint64_t now_ns)
{
    const ListLink *head = &sessions->known.head;
    for (const ListLink *link = head->previous; link != head; link = link->previous) {
        const NamedSession *session = container_of(link, NamedSession, link);
        const NamedSessionKey key = {session->user_id, session->profile, session->name};
        char id[UUID_TEXT_SIZE];
        if (session->used_ns == 0)
            continue; /* released */
        named_sessions_id(sessions, &key, id);
        json_t *entry = entry_new(entries, session->name, KINDS[SESSION_NAMED], id);
        status_add_text(entry, "user_id", session->user_id);
        status_add_text(entry, "profile", session->profile);
        set_use(entry, session->used_ns, now_ns);
        (void)json_object_set(by_id, id, entry);
    }
}

static void add_client(json_t *entries, const json_t *by_id, const Session *session, uint64_t now_ns)
{
    const char *id = session_id_at_server(session);
    json_t *entry = session->kind == SESSION_NAMED ? json_object_get(by_id, id) : NULL;
    if (!entry && (json_array_size(entries) >= MAX_ENTRIES || session->parting))
        return;
    if (!entry) {
        entry = entry_new(entries, session->name[0] ? session->name : NULL, KINDS[session->kind], id);
        status_add_text(entry, "user_id", session->user_id);
        status_add_text(entry, "profile", status_profile_label(session->target));
        add_journal(entry, session->journal);
    }
    add_to(entry, "clients", 1);
    add_to(entry, "operations", session->operations.n_entries);
    set_use(entry, session->used_ns, now_ns);
}

json_t *sessions_document(const Relay *relay)
{
    uint64_t now_ns = clock_now_ns();
    json_t *entries = json_array(), *by_id = json_object();
    const ListLink *head = &relay->registry.sessions.head;
    add_named(entries, by_id, &relay->named_sessions, now_ns);
    for (const ListLink *link = head->previous; link != head; link = link->previous)
        add_client(entries, by_id, container_of(link, Session, link), now_ns);
    json_decref(by_id);
    return json_pack("{s:I, s:o}", "clients_total", (json_int_t)relay->registry.sessions.n_entries,
                     "sessions", entries);
}

/* ---- the release */

typedef struct PendingRelease {
    OwnCall call;
    Relay *relay;
    ControlQuestion *question;
    char *user_id, *profile, *name;
} PendingRelease;

static PendingRelease *pending_free(PendingRelease *pending)
{
    free(pending->user_id);
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
        const NamedSessionKey key = {pending->user_id, pending->profile, pending->name};
        named_sessions_released(&pending->relay->named_sessions, &key);
        status_add_text(document, "session_id", call->session_id);
    } else {
        append_failure(&sentence, pending);
        status_add_text(document, "error", text_string(&sentence));
    }
    control_question_answer(pending->question, status == STATUS_OK ? 200 : 502, document);
    pending_free(pending);
}

/* The user who has such a session, when that is one. NULL with a sentence. Borrowed. */
static const char *find_user(const Relay *relay, const char *profile, const char *name, Text *problem)
{
    const char *user = NULL;
    list_for_each(link, &relay->named_sessions.known)
    {
        const NamedSession *session = container_of(link, NamedSession, link);
        if (session->used_ns == 0 || strcmp(session->name, name) != 0 ||
            strcmp(session->profile, profile) != 0)
            continue;
        if (user) {
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

static bool ask_server(Relay *relay, Upstream *upstream, const NamedSessionKey *key,
                       ControlQuestion *question, Text *problem)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    PendingRelease *pending = mem_new(PendingRelease);
    pending->call.on_ended = on_ended;
    pending->question = question;
    pending->relay = relay;
    pending->user_id = mem_copy_string(key->user_id);
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
    Upstream *upstream = profile_lookup(relay, profile, ret_status, problem);
    if (!upstream)
        return false;
    const char *user =
        release->user ? release->user : find_user(relay, upstream->profile->name, release->name, problem);
    if (!user)
        return false;
    *ret_status = 502;
    NamedSessionKey key = {user, upstream->profile->name, release->name};
    return ask_server(relay, upstream, &key, question, problem);
}
