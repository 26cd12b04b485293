#include "relay/parting.h"

#include <string.h>

#include "base/mem.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define BODY_SIZE  512              /* ids, user and client type; what is longer is relayed */
#define TIMEOUT_MS (10 * 60 * 1000) /* closing a session may take a server long; PySpark waits as long */

typedef struct Parting {
    OwnCall own;
    Relay *relay;
    Session *session; /* a reference */
    List held;        /* calls that wait for it to end */
} Parting;

/* ---- who waits */

bool parting_hold(Call *call)
{
    Parting *parting = call->session ? call->session->parting : NULL;
    if (!parting)
        return false;
    list_append(&parting->held, &call->waiter.link);
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_PARTING;
    call_set_deadline(call, 0); /* the daemon's own call has one */
    return true;
}

void parting_let_go(Call *call)
{
    Parting *parting = call->session->parting;
    if (parting) /* else it is on its way already */
        list_remove(&parting->held, &call->waiter.link);
}

/* ---- the server's word */

/* It may be gone or not: nobody can say whether it should be made again. */
static void failed(const Parting *parting)
{
    if (parting->session->journal)
        journal_break(parting->session->journal, "its client has released it");
    log_write(parting->relay->log, LOG_LEVEL_WARNING,
              "session %s was released by its client, but whether the server has done so is not known: %s",
              parting->session->session_id,
              parting->own.problem[0] ? parting->own.problem : "the call failed");
}

static void on_ended(OwnCall *own, uint32_t status)
{
    Parting *parting = container_of(own, Parting, own);
    Session *session = parting->session;
    if (status != STATUS_OK)
        failed(parting);
    else
        registry_forget(&parting->relay->registry, session); /* whoever waited must not have it revived */
    for (ListLink *link; (link = list_first(&parting->held));) {
        list_remove(&parting->held, link);
        call_dispatch(container_of(link, Call, waiter.link));
    }
    session->parting = NULL;
    session_unref(session);
    free(parting);
}

/* ---- beginning */

/* Nothing of the session is left to be seen once its client has let go of it. A server stops what runs in it
 * before it answers, and with allow_reconnect its id may come back. */
static bool leaves_nothing(const Session *session, const Envelope *envelope)
{
    return session_count_running(session) == 0 && !session->runs_on &&
           !envelope->flags[ENVELOPE_ALLOW_RECONNECT];
}

static bool may_answer(const Call *call)
{
    const Session *session = call->session;
    const Upstream *upstream = call->upstream;
    return call->relay->settings->coalesce_releases && session && !session->is_forgotten && !call->mapped &&
           session->server_side_session_id[0] && call->request.is_done &&
           leaves_nothing(session, &call->request.envelope) && upstream->n_open > 0 && !upstream->is_local &&
           refresher_current(upstream->refresher) && call->to_upstream.output.n_bytes <= BODY_SIZE;
}

static void answer(Call *call)
{
    uint8_t response[FRAMING_PREFIX_SIZE + 4 * SESSION_ID_SIZE];
    const Session *session = call->session;
    size_t length = codec_write_release_session_response(response, sizeof response, session->session_id,
                                                         session->server_side_session_id);
    call_answer(call, response, length);
}

/* The client's own request, headers and all. */
static void tell_server(Call *call, Parting *parting)
{
    uint8_t body[BODY_SIZE];
    size_t length = call->to_upstream.output.n_bytes;
    piece_queue_copy(&call->to_upstream.output, body);
    parting->own.headers = call->from_client.received_headers;
    call->from_client.received_headers = (HeaderList)HEADER_LIST_INIT;
    call->path = NULL; /* went with the headers; the method's row has it */
    call->session->parting = parting;
    if (own_call_begin(&parting->own, call->relay, call->upstream, call->session, METHOD_RELEASE_SESSION,
                       body, length)) {
        answer(call);
        return;
    }
    call->session->parting = NULL;
    call_fail(call, (StatusCode)parting->own.status, &(StatusDetails){.reason = "SESSION_NOT_RELEASED"}, "%s",
              parting->own.problem);
    session_unref(parting->session);
    free(parting);
}

bool parting_take(Call *call)
{
    if (!may_answer(call))
        return false;
    Parting *parting = mem_new(Parting);
    *parting = (Parting){.own = {.on_ended = on_ended, .timeout_ms = TIMEOUT_MS}, .relay = call->relay};
    parting->session = session_ref(call->session);
    strcpy(parting->own.session_id, call->session->session_id);
    list_init(&parting->held);
    tell_server(call, parting);
    return true;
}
