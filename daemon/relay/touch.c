#include "relay/touch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "relay/mapped_call.h"
#include "relay/own_call.h"
#include "spark/codec.h"

/* So late a touch may be, and so soon one that failed is made again. Of Spark's five minutes the default of
 * three leaves room for several; the two after which a stream ends are over by then. */
#define SWEEPS_A_PERIOD 8

typedef struct Touch {
    Call *call;
    Deadline begin; /* by an event of its own: what fails at once may end other calls */
    OwnCall own;
} Touch;

/* ---- who needs it */

static uint64_t period_ms(const Call *call)
{
    bool is_watched = call->client && resume_is_possible(&call->resume);
    return is_watched ? call->upstream->profile->reattach_period_ms : 0;
}

/* Whether it waits for its client to read; what is read ahead does not. */
static bool is_paused(const Call *call)
{
    bool is_read_ahead = call->spool.file && spool_pending(call) == 0;
    bool may_go_on =
        call->state == CALL_RUNNING || (call->state == CALL_WAITING && call->wait == WAIT_BACKOFF);
    return may_go_on && !is_read_ahead && stream_is_open(&call->from_client) &&
           call->from_client.output.n_bytes > 0;
}

/* A server's streams are shorter than the period: one that lasts longer has ended at the server, and its end
 * is behind what the client has not read. What still moves is left alone. */
static bool is_due(const Call *call, uint64_t now_ns)
{
    uint64_t attached_ns = call->sent_ns > call->touched_ns ? call->sent_ns : call->touched_ns;
    bool has_moved = call->bytes_to_client != call->bytes_at_sweep;
    return !call->touch && !call->is_let_go && !call->is_gone && !has_moved && is_paused(call) &&
           now_ns >= attached_ns + period_ms(call) * NS_PER_MS;
}

/* ---- its end */

static Touch *touch_free(Touch *touch)
{
    deadline_clear(&touch->call->relay->deadlines, &touch->begin);
    header_list_deinit(&touch->own.headers);
    touch->call->touch = NULL;
    free(touch);
    return NULL;
}

bool touch_end(Call *call)
{
    Touch *touch = call->touch;
    if (!touch)
        return false;
    bool was_sent = touch->own.call != NULL;
    own_call_leave(&touch->own);
    (void)touch_free(touch);
    return was_sent;
}

static const char *operation_id(const Call *call)
{
    return envelope_text(&call->request.envelope, ENVELOPE_OPERATION_ID);
}

static void answered(Call *call)
{
    log_write(call->relay->log, call->touched_ns ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
              "profile %s: operation %s is kept alive at the server while its client does not read on",
              call->upstream->profile->name, operation_id(call));
    call->touched_ns = clock_now_ns();
}

/* It is repeated by the next sweep: the server's five minutes go on. An operation that is gone is: the client
 * reads what there is, and is then told by the server itself. */
static void failed(Call *call, const char *problem)
{
    call->is_gone = strstr(problem, "INVALID_HANDLE.") != NULL;
    log_write(call->relay->log, call->is_gone ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
              "profile %s: operation %s, of which the client has not read everything, %s: %s",
              call->upstream->profile->name, operation_id(call),
              call->is_gone ? "is gone at the server" : "could not be kept alive", problem);
}

static void ended(Touch *touch, uint32_t status)
{
    Call *call = touch->call;
    if (status == STATUS_OK)
        answered(call);
    else
        failed(call, touch->own.problem);
    (void)touch_free(touch);
}

static void on_own_ended(OwnCall *own, uint32_t status)
{
    ended(container_of(own, Touch, own), status);
}

/* ---- its beginning */

static void on_begin(Deadline *deadline)
{
    Touch *touch = container_of(deadline, Touch, begin);
    Call *call = touch->call;
    uint8_t bytes[CODEC_REATTACH_SIZE];
    if (!is_paused(call)) {
        (void)touch_free(touch);
        return;
    }
    (void)snprintf(touch->own.session_id, sizeof touch->own.session_id, "%s", mapped_call_session_id(call));
    header_list_add_all(&touch->own.headers, &call->from_client.received_headers);
    size_t length = call_write_reattach(call, bytes, sizeof bytes);
    call->may_be_disconnected = true;
    if (!own_call_begin(&touch->own, call->relay, call->upstream, NULL, METHOD_REATTACH_EXECUTE, bytes,
                        length))
        ended(touch, STATUS_UNAVAILABLE);
}

static void begin_soon(Call *call)
{
    Touch *touch = call->touch = mem_new(Touch);
    touch->call = call;
    touch->begin = (Deadline)DEADLINE_INIT(on_begin);
    touch->own.on_ended = on_own_ended;
    touch->own.ends_at_headers = true;
    deadline_set(&call->relay->deadlines, &touch->begin, clock_now_ns());
}

/* ---- sweeps */

static void set_sweep(Relay *relay, uint64_t shortest_ms)
{
    uint64_t at_ns = clock_now_ns() + shortest_ms * NS_PER_MS / SWEEPS_A_PERIOD;
    if (!deadline_is_set(&relay->touching) || at_ns < relay->touching.at_ns)
        deadline_set(&relay->deadlines, &relay->touching, at_ns);
}

static void on_sweep(Deadline *deadline)
{
    Relay *relay = container_of(deadline, Relay, touching);
    uint64_t now_ns = clock_now_ns();
    list_for_each(link, &relay->calls)
    {
        Call *call = container_of(link, Call, link);
        if (period_ms(call) == 0)
            continue;
        if (is_due(call, now_ns))
            begin_soon(call);
        call->bytes_at_sweep = call->bytes_to_client;
        set_sweep(relay, period_ms(call));
    }
}

void touch_init(Relay *relay)
{
    relay->touching = (Deadline)DEADLINE_INIT(on_sweep);
}

void touch_watch(Call *call)
{
    if (period_ms(call) > 0)
        set_sweep(call->relay, period_ms(call));
}
