#include "relay/revival.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "relay/mapped_call.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define MAX_ATTEMPTS 5 /* at one call: a server that loses sessions this fast is of no use */

typedef struct Revival {
    OwnCall own; /* the one that is under way */
    Relay *relay;
    Session *session;   /* a reference */
    Upstream *upstream; /* a reference */
    List held;          /* calls that wait, by waiter.link */
    char session_id[UUID_TEXT_SIZE];
    char server_session_id[UUID_TEXT_SIZE]; /* empty: the new session has not answered yet */
    char seen_by_client[UUID_TEXT_SIZE];    /* of the lost one */
    ListLink *at; /* in the journal's entries: the one that is repeated; NULL: none yet */
    size_t n_restored;
} Revival;

/* ---- the journal */

/* Whether all that is in the session comes from its client. Named ones have others' state in them, clones and
 * warm ones that of which they were made. */
static bool is_client_made(const Session *session, const ProfileSettings *profile)
{
    return session->kind == SESSION_OWN || (session->kind == SESSION_WARM && !profile->warm_template);
}

/* A cluster that the client chooses is not known to the calls of our own. */
static bool is_journaled(const Call *call)
{
    const Session *session = call->session;
    const ProfileSettings *profile = call->upstream ? call->upstream->profile : NULL;
    return call->client && call->method && session && !session->is_forgotten && profile && profile->revive &&
           is_client_made(session, profile) && profile->cluster_choice == CLUSTER_CHOICE_PROFILE;
}

/* The one who has not seen a session's beginning does not know what it is made of. */
static Journal *journal_of(Call *call)
{
    Session *session = call->session;
    if (session->journal)
        return session->journal;
    session->journal = journal_new(&call->relay->journals, call->upstream->profile->revive_limit);
    if (call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID].is_present)
        journal_break(session->journal, "the daemon has not seen the session from its beginning");
    return session->journal;
}

static void append_pieces(Text *bytes, const PieceQueue *queue)
{
    for (const Piece *piece = queue->head; piece; piece = piece->next)
        text_append_bytes(bytes, (const char *)piece->bytes, piece->length);
}

void revival_note_request(Call *call, bool is_whole)
{
    if (call->journaled || call->state >= CALL_ANSWERED)
        return;
    if (!is_journaled(call)) {
        if (call->session && call->session->journal)
            journal_break(call->session->journal, "revive was off for a while");
        return;
    }
    Journal *journal = journal_of(call);
    if (journal->gap[0] || (call->method->id != METHOD_CONFIG && call->method->id != METHOD_EXECUTE_PLAN &&
                            call->method->id != METHOD_ADD_ARTIFACTS))
        return;
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    append_pieces(&request, &call->kept);
    append_pieces(&request, &call->to_upstream.output);
    if (request.length < FRAMING_PREFIX_SIZE)
        return;
    const uint8_t *bytes = (const uint8_t *)request.bytes;
    SessionChange change = session_change_read(call->method->id, bytes + FRAMING_PREFIX_SIZE,
                                               request.length - FRAMING_PREFIX_SIZE, is_whole);
    if (change.kind == CHANGE_NONE)
        return;
    size_t n_kept = change.kind == CHANGE_REPEATABLE ? request.length : 0;
    call->journaled = journal_entry_new(call->method->id, &change, bytes, n_kept);
}

/* Whether the server has said that it did not do it. */
static bool is_refusal(uint32_t status)
{
    return status != STATUS_CANCELLED && status != STATUS_UNAVAILABLE && status != STATUS_DEADLINE_EXCEEDED;
}

void revival_call_ended(Call *call)
{
    JournalEntry *entry = steal(call->journaled);
    if (!entry)
        return;
    Journal *journal = call->session->journal;
    if (call->status == STATUS_OK) {
        journal_add(journal, entry);
        return;
    }
    if (!is_refusal(call->status) && call->n_attempts > 0 && entry->change.kind != CHANGE_LOSABLE) {
        char gap[JOURNAL_GAP_SIZE];
        (void)snprintf(gap, sizeof gap, "it is not known what came of %s", entry->change.what);
        journal_break(journal, gap);
    }
    (void)journal_entry_free(entry);
}

/* ---- the end of a revival */

static Revival *revival_free(Revival *revival)
{
    revival->session->revival = NULL;
    revival->session = session_unref(revival->session);
    revival->upstream = upstream_unref(revival->upstream);
    free(revival);
    return NULL;
}

static void let_go_all(Revival *revival, bool is_moved)
{
    for (ListLink *link; (link = list_first(&revival->held));) {
        Call *call = container_of(link, Call, waiter.link);
        list_remove(&revival->held, link);
        if (is_moved)
            mapped_call_move(call);
        call_try_again(call, false, 0);
    }
}

/* The calls are told by the server once more, and this time it passes. */
static void give_up(Revival *revival, const char *what, const char *why)
{
    char gap[JOURNAL_GAP_SIZE];
    (void)snprintf(gap, sizeof gap, "%s failed: %s", what, why);
    journal_break(revival->session->journal, gap);
    let_go_all(revival, false);
    (void)revival_free(revival);
}

static void append_losses(Text *text, const Journal *journal)
{
    list_for_each(link, &journal->losses)
        text_printf(text, "%s, ", container_of(link, const JournalEntry, link)->change.what);
    text_append(text, "cached tables and running queries");
}

static void complete(Revival *revival)
{
    Session *session = revival->session;
    Journal *journal = session->journal;
    _cleanup_(text_deinit) Text losses = TEXT_NULL;
    strcpy(session->upstream_id, revival->session_id);
    strcpy(session->upstream_server_id, revival->server_session_id);
    strcpy(session->server_side_session_id, revival->seen_by_client);
    (void)registry_pin(&revival->relay->registry, session);
    journal->n_revivals++;
    journal->n_restored = revival->n_restored;
    append_losses(&losses, journal);
    log_write(revival->relay->log, LOG_LEVEL_WARNING,
              "profile %s: the server has lost session %s; made again with %zu settings, views and the like; "
              "not restored: %s",
              revival->upstream->profile->name, session->session_id, revival->n_restored,
              text_string(&losses));
    let_go_all(revival, true);
    (void)revival_free(revival);
}

/* ---- its steps */

static void random_id(char ret_id[UUID_TEXT_SIZE])
{
    static const uint8_t NONE[16] = {0};
    char random[32];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    uuid_from_name(NONE, random, sizeof random, ret_id);
}

static bool send_entry(Revival *revival, const JournalEntry *entry)
{
    SessionPatch patch;
    char operation_id[UUID_TEXT_SIZE];
    _cleanup_(mem_freep) uint8_t *bytes = mem_alloc(entry->length);
    memcpy(bytes, entry->bytes, entry->length);
    random_id(operation_id);
    session_patch_init(&patch, method_get(entry->method)->request, revival->session_id);
    session_patch_add(&patch, ENVELOPE_SERVER_SIDE_SESSION_ID, revival->server_session_id);
    session_patch_add(&patch, ENVELOPE_OPERATION_ID, operation_id);
    session_patch_apply(&patch, bytes, entry->length);
    return own_call_begin(&revival->own, revival->relay, revival->upstream, NULL, entry->method, bytes,
                          entry->length);
}

static void send_next(Revival *revival)
{
    Journal *journal = revival->session->journal;
    if (journal->gap[0]) {
        give_up(revival, "restoring it", journal->gap);
        return;
    }
    ListLink *next = revival->at ? revival->at->next : journal->entries.head.next;
    if (next == &journal->entries.head) {
        complete(revival);
        return;
    }
    revival->at = next;
    const JournalEntry *entry = container_of(next, JournalEntry, link);
    if (!send_entry(revival, entry))
        give_up(revival, entry->change.what, revival->own.problem);
}

/* Without a view or a function what needs it fails; anything else would change what the rest means. */
static bool may_be_lost(const JournalEntry *entry, uint32_t status)
{
    const char *what = entry->change.what;
    return is_refusal(status) && status != STATUS_UNAUTHENTICATED && status != STATUS_PERMISSION_DENIED &&
           (strncmp(what, SESSION_CHANGE_VIEW, strlen(SESSION_CHANGE_VIEW)) == 0 ||
            strncmp(what, "function ", 9) == 0 || entry->method == METHOD_ADD_ARTIFACTS);
}

static void entry_answered(Revival *revival, uint32_t status)
{
    Journal *journal = revival->session->journal;
    if (journal->gap[0]) { /* and the entry is gone */
        send_next(revival);
        return;
    }
    const JournalEntry *entry = container_of(revival->at, JournalEntry, link);
    if (status == STATUS_OK) {
        revival->n_restored++;
    } else if (may_be_lost(entry, status)) {
        journal_lose(journal, entry->method, &entry->change);
        relay_log_failure(revival->relay, "session %s: %s could not be restored: %s",
                          revival->session->session_id, entry->change.what, revival->own.problem);
    } else {
        give_up(revival, entry->change.what, revival->own.problem);
        return;
    }
    send_next(revival);
}

static void on_own_ended(OwnCall *own, uint32_t status)
{
    Revival *revival = container_of(own, Revival, own);
    if (revival->at) {
        entry_answered(revival, status);
        return;
    }
    if (status != STATUS_OK || strlen(own->server_side_session_id) != SCANNER_ID_LENGTH) {
        give_up(revival, "making a new session",
                own->problem[0] ? own->problem : "the server told no id of it");
        return;
    }
    strcpy(revival->server_session_id, own->server_side_session_id);
    send_next(revival);
}

/* ---- its beginning */

static void begin(Call *call)
{
    Revival *revival = mem_new(Revival);
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    revival->relay = call->relay;
    revival->session = session_ref(call->session);
    revival->upstream = upstream_ref(call->upstream);
    revival->own.on_ended = on_own_ended;
    list_init(&revival->held);
    strcpy(revival->seen_by_client, call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID].text);
    random_id(revival->session_id);
    strcpy(revival->own.session_id, revival->session_id);
    call->session->revival = revival;
    codec_write_config_get(&request, call->session->user_id, revival->session_id);
    list_append(&revival->held, &call->waiter.link);
    if (!own_call_begin(&revival->own, call->relay, call->upstream, NULL, METHOD_CONFIG,
                        (const uint8_t *)request.bytes, request.length))
        give_up(revival, "making a new session", revival->own.problem);
}

static bool is_lost(const char *message, size_t length)
{
    static const char CHANGED[] = "INVALID_HANDLE.SESSION_CHANGED",
                      CLOSED[] = "INVALID_HANDLE.SESSION_CLOSED";
    return message && (memmem(message, length, CHANGED, sizeof CHANGED - 1) ||
                       memmem(message, length, CLOSED, sizeof CLOSED - 1));
}

/* The server looks for the session before anything else, so the call has not been executed by this attempt;
 * a plan that an earlier one may have brought to the server that is gone is not executed again. */
static bool may_be_sent_again(const Call *call)
{
    const EnvelopeText *seen = &call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID];
    if (!call->from_client.ended || !call->request_is_kept || call->response_started || call->reattaches ||
        call->resume.has_delivered || call->n_attempts >= MAX_ATTEMPTS || !call->request.is_done ||
        !seen->is_present || seen->length != SCANNER_ID_LENGTH)
        return false;
    switch (call->method->id) {
    case METHOD_CONFIG:
    case METHOD_ANALYZE_PLAN:
    case METHOD_ARTIFACT_STATUS: return true;
    case METHOD_EXECUTE_PLAN:
    case METHOD_ADD_ARTIFACTS: return call->broken_since_ns == 0;
    default: return false;
    }
}

bool revival_take(Call *call, const char *message, size_t length)
{
    if (!is_lost(message, length) || !is_journaled(call))
        return false;
    Session *session = call->session;
    const char *sent_to = mapped_call_session_id(call);
    if (!session->journal || session->journal->gap[0] || !may_be_sent_again(call))
        return false;
    call_end_attempt(call, STREAM_CANCEL);
    if (strcmp(sent_to, session_id_at_server(session)) != 0) { /* meanwhile it has been made again */
        mapped_call_move(call);
        call_try_again(call, false, 0);
        return true;
    }
    Revival *revival = session->revival;
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_REVIVAL;
    call_set_deadline(call, 0);
    if (revival)
        list_append(&revival->held, &call->waiter.link);
    else
        begin(call);
    return true;
}

void revival_let_go(Call *call)
{
    Revival *revival = call->session->revival;
    if (revival)
        list_remove(&revival->held, &call->waiter.link);
}

/* ---- words */

void revival_explain(const Call *call, const char *message, size_t length, Text *sentence)
{
    const Journal *journal = call->session ? call->session->journal : NULL;
    if (!journal || !message)
        return;
    if (is_lost(message, length)) {
        if (journal->gap[0])
            text_printf(sentence, " (revive = yes: nothing could be restored, since %s)", journal->gap);
        return;
    }
    if (journal->n_revivals == 0 || !memmem(message, length, "TABLE_OR_VIEW_NOT_FOUND", 23))
        return;
    _cleanup_(mem_freep) char *words = status_decode_message(message, length);
    const JournalEntry *loss = journal_find_loss(journal, words);
    if (loss)
        text_printf(
            sentence,
            " sparkbouncer: %s was lost when the server lost this session, and could not be restored; "
            "make it again",
            loss->change.what);
}
