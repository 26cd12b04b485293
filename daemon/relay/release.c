#include "relay/release.h"

#include <string.h>

#include "base/clock.h"
#include "relay/touch.h"
#include "spark/codec.h"

/*
 * How long the newest release waits for a newer one. The server keeps about 10 MiB of what it has sent
 * whether it is released or not (spark.connect.execute.reattachable.observerRetryBufferSize), so nothing
 * grows meanwhile.
 */
#define RELEASE_PERIOD_MS 1000
#define RELEASE_BODY_SIZE 512 /* ids, user and client type; longer ones are relayed each */

typedef struct Release Release;

/* What one operation has to release. */
struct Release {
    Relay *relay;
    Operation *operation;
    Upstream *upstream; /* a reference while a body is pending, else NULL */
    Deadline deadline;  /* set while a body is pending */
    HeaderList headers; /* of the newest, for when it travels */
    size_t body_length;
    uint8_t body[RELEASE_BODY_SIZE]; /* framed */
    Call *under_way;                 /* our own call; NULL: none */
    List held;                       /* release_all calls that wait for it to arrive */
};

_Static_assert(sizeof(Operation) + sizeof(Release) <= 1024, "an operation may take 2 KiB with its headers");

static void send_newest(Deadline *deadline)
{
    Release *release = container_of(deadline, Release, deadline);
    if (release->under_way) { /* not answered yet: order is kept by waiting */
        deadline_set(&release->relay->deadlines, deadline, clock_now_ns() + RELEASE_PERIOD_MS * NS_PER_MS);
        return;
    }
    Call *call = call_new_own(release->relay, release->upstream, release->operation->session,
                              method_get(METHOD_RELEASE_EXECUTE), &release->headers, release->body,
                              release->body_length);
    release->upstream = upstream_unref(release->upstream);
    release->under_way = call;
    call->release = release;
    call_dispatch(call);
}

static Release *release_of(Relay *relay, Operation *operation)
{
    Release *release = operation->release;
    if (release)
        return release;
    release = mem_new(Release);
    release->relay = relay;
    release->operation = operation;
    release->deadline = (Deadline)DEADLINE_INIT(send_newest);
    list_init(&release->held);
    operation->release = release;
    return release;
}

/* Lets those go on that have waited. */
static void dispatch_held(Release *release)
{
    for (ListLink *link; (link = list_first(&release->held));) {
        Call *call = container_of(link, Call, waiter.link);
        release_let_go(call);
        call_dispatch(call);
    }
}

void release_let_go(Call *call)
{
    if (!call->release || call->release->under_way == call)
        return;
    list_remove(&call->release->held, &call->waiter.link);
    call->release = NULL;
}

static void forget_pending(Release *release)
{
    deadline_clear(&release->relay->deadlines, &release->deadline);
    release->upstream = upstream_unref(release->upstream);
}

void release_operation_gone(Operation *operation)
{
    Release *release = operation->release;
    Call *streaming = operation->streaming;
    if (streaming)
        streaming->operation = NULL;
    if (!release)
        return;
    operation->release = NULL;
    forget_pending(release);
    if (release->under_way)
        release->under_way->release = NULL;
    release->under_way = NULL;
    dispatch_held(release);
    header_list_deinit(&release->headers);
    free(release);
}

static bool copy_body(Release *release, const Call *call)
{
    const PieceQueue *body = &call->to_upstream.output;
    if (body->n_bytes > RELEASE_BODY_SIZE)
        return false;
    release->body_length = body->n_bytes;
    piece_queue_copy(body, release->body);
    return true;
}

static void keep_as_newest(Release *release, Call *call)
{
    HeaderList older = release->headers;
    header_list_clear(&older);
    release->headers = call->from_client.received_headers;
    call->from_client.received_headers = older;
    call->path = NULL; /* went with the headers; the method's row has it */
    upstream_unref(release->upstream);
    release->upstream = upstream_ref(call->upstream);
    if (!deadline_is_set(&release->deadline))
        deadline_set(&release->relay->deadlines, &release->deadline,
                     clock_now_ns() + RELEASE_PERIOD_MS * NS_PER_MS);
}

static Operation *operation_of(const Call *call)
{
    const char *operation_id = envelope_text(&call->request.envelope, ENVELOPE_OPERATION_ID);
    if (!call->session || call->session->is_forgotten || !operation_id)
        return NULL;
    return registry_find_operation(&call->relay->registry, call->session, operation_id);
}

/* All that release_all makes superfluous is dropped; one that is under way is waited for. */
static bool take_release_all(Call *call, Operation *operation)
{
    Release *release = operation->release;
    if (!release)
        return false;
    forget_pending(release);
    if (!release->under_way)
        return false;
    call->release = release;
    list_append(&release->held, &call->waiter.link);
    return true;
}

static bool answer_here(Call *call, Operation *operation)
{
    uint8_t response[FRAMING_PREFIX_SIZE + 4 * SESSION_ID_SIZE];
    const Session *session = call->session;
    size_t length = codec_write_release_response(response, sizeof response, session->session_id,
                                                 operation->operation_id, session->server_side_session_id);
    Release *release = release_of(call->relay, operation);
    if (length == 0 || !copy_body(release, call))
        return false;
    keep_as_newest(release, call);
    call_answer(call, response, length);
    return true;
}

/* The server forgets it now, and must not be taken for one that has never executed it. */
static void note_release_all(const Operation *operation)
{
    Call *streaming = operation->streaming;
    if (!streaming)
        return;
    streaming->is_let_go = true;
    streaming->may_be_disconnected |= touch_end(streaming);
}

bool release_take(Call *call)
{
    const bool *flags = call->request.envelope.flags;
    Operation *operation = operation_of(call);
    if (operation && flags[ENVELOPE_RELEASE_ALL])
        note_release_all(operation);
    if (!call->relay->settings->coalesce_releases || !operation || !call->request.is_done)
        return false;
    if (flags[ENVELOPE_RELEASE_ALL])
        return take_release_all(call, operation);
    if (!flags[ENVELOPE_RELEASE_UNTIL] || call->session->server_side_session_id[0] == '\0')
        return false;
    return answer_here(call, operation);
}

void release_call_ended(Call *call)
{
    Release *release = call->release;
    if (release && release->under_way == call) {
        release->under_way = NULL;
        call->release = NULL;
        dispatch_held(release);
        return;
    }
    release_let_go(call);
    bool is_release_all = call->method && call->method->id == METHOD_RELEASE_EXECUTE && call->client &&
                          call->request.envelope.flags[ENVELOPE_RELEASE_ALL];
    if (is_release_all)
        registry_forget_operation(&call->relay->registry, operation_of(call));
}
