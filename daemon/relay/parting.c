#include "relay/parting.h"

#include <string.h>

#include "base/mem.h"
#include "relay/own_call.h"
#include "spark/codec.h"

#define BODY_SIZE 512 /* ids, user and client type; what is longer is relayed */

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

static void log_failure(const Parting *parting)
{
    log_write(parting->relay->log, LOG_LEVEL_WARNING,
              "session %s was released by its client, but the server could not be told: %s; it will end it "
              "when it has "
              "been idle for long enough",
              parting->session->session_id,
              parting->own.problem[0] ? parting->own.problem : "the call failed");
}

static void on_ended(OwnCall *own, uint32_t status)
{
    Parting *parting = container_of(own, Parting, own);
    Session *session = parting->session;
    if (status != STATUS_OK)
        log_failure(parting);
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

/* Where there is no connection, or the client is to be told more than that it is done, the server answers. */
static bool may_answer(const Call *call)
{
    const Session *session = call->session;
    return call->relay->settings->coalesce_releases && session && !session->is_forgotten && !call->mapped &&
           session->server_side_session_id[0] && call->request.is_done &&
           !call->request.envelope.flags[ENVELOPE_ALLOW_RECONNECT] && session_count_running(session) == 0 &&
           call->upstream->n_open > 0 && !call->upstream->is_local &&
           call->to_upstream.output.n_bytes <= BODY_SIZE;
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
    size_t length = 0;
    for (const Piece *piece = call->to_upstream.output.head; piece; piece = piece->next) {
        memcpy(body + length, piece->bytes, piece->length);
        length += piece->length;
    }
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
    call_fail(call, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "SESSION_NOT_RELEASED"},
              "sparkbouncer: %s", parting->own.problem);
    session_unref(parting->session);
    free(parting);
}

bool parting_take(Call *call)
{
    if (!may_answer(call))
        return false;
    Parting *parting = mem_new(Parting);
    *parting = (Parting){.own = {.on_ended = on_ended}, .relay = call->relay};
    parting->session = session_ref(call->session);
    strcpy(parting->own.session_id, call->session->session_id);
    list_init(&parting->held);
    tell_server(call, parting);
    return true;
}
