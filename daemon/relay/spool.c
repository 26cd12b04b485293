#include "relay/spool.h"

#include "base/clock.h"
#include "relay/call.h"

#define UNREAD_ENOUGH    ((size_t)256 * 1024) /* bytes, or half a window if that is less */
#define SLOW_AFTER_MS    20   /* that so much has been unread: in one turn of the loop more may come */
#define NO_ROOM_AGAIN_MS 1000 /* until another look when other calls take all the room */

/* ---- back to the client */

/* The file is empty, or given up: what comes from now on is queued for the client. */
static void leave(Call *call)
{
    Spool *spool = &call->spool;
    call->relay->http2.n_queued_bytes -= spool_pending(call);
    spool->file = spool_file_free(spool->file);
    spool->above = spool->has_failed ? SIZE_MAX : spool->enough;
    call->from_client.source = &call->to_upstream;
    call->from_client.wake_below = 0;
}

static void go_straight(Call *call)
{
    Spool *spool = &call->spool;
    leave(call);
    if (!spool->has_end)
        return;
    spool->has_end = false;
    stream_queue_end(&call->from_client, spool->trailers);
}

static void read_more(Call *call)
{
    if (call->from_client.output.n_bytes < call->spool.enough)
        spool_file_read(call->spool.file);
}

static void on_written(void *context, size_t length)
{
    Call *call = context;
    call->relay->http2.n_queued_bytes -= length;
    stream_consume(&call->to_upstream, length);
}

static void on_read(void *context, const uint8_t *bytes, size_t length, Block *block)
{
    Call *call = context;
    stream_queue(&call->from_client, bytes, length, block);
    if (spool_file_is_empty(call->spool.file))
        go_straight(call);
    else
        read_more(call);
}

/* What could not be written follows from memory; its window is given back as it leaves. */
static void on_stuck(void *context)
{
    Call *call = context;
    PieceQueue pending;
    spool_file_take_back(call->spool.file, &pending);
    call->relay->http2.n_queued_bytes -= pending.n_bytes;
    for (const Piece *piece = pending.head; piece; piece = piece->next)
        stream_queue(&call->from_client, piece->bytes, piece->length, piece->block);
    piece_queue_deinit(&pending);
    go_straight(call);
}

/* The end that waited for the file would say that the results are whole. */
static void lose(Call *call, const char *reason)
{
    const char *profile = call->upstream->profile->name;
    spool_close(call);
    if (call->state >= CALL_ANSWERED) {
        relay_log_failure(call->relay, "profile %s: %s; the client's stream is reset", profile, reason);
        stream_reset(&call->from_client, STREAM_INTERNAL_ERROR);
        return;
    }
    call_fail(call, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "SPOOL_LOST"},
              "sparkbouncer: %s, and results of profile %s were in it; run the query again", reason, profile);
}

static void on_failed(void *context, const char *reason, bool is_lost)
{
    Call *call = context;
    call->spool.has_failed = true;
    if (is_lost)
        lose(call, reason);
    else
        relay_log_failure(
            call->relay, "profile %s: %s; results that their client does not read wait at the server instead",
            call->upstream->profile->name, reason);
}

static const SpoolFileEvents EVENTS = {
    .on_written = on_written, .on_read = on_read, .on_stuck = on_stuck, .on_failed = on_failed};

void spool_on_drained(Stream *from_client)
{
    spool_file_read(container_of(from_client, Call, from_client)->spool.file);
}

/* ---- to the disk */

/* What waits for the client stays in memory; the server may send more all the same. */
static void begin(Call *call)
{
    Spool *spool = &call->spool;
    spool->file = spool_file_new(&call->relay->spool_files, spool->limit, &EVENTS, call);
    spool->above = 0;
    call->from_client.source = NULL;
    call->from_client.wake_below = call->spool.enough;
    stream_consume(&call->to_upstream, call->from_client.output.n_bytes);
}

/* Looks later whether what waits now for the client still does. */
static void look_later(Call *call, uint64_t after_ms)
{
    const Stream *client = &call->from_client;
    call->spool.n_queued = client->n_sent + client->output.n_bytes;
    deadline_set(&call->relay->deadlines, &call->spool.look, clock_now_ns() + after_ms * NS_PER_MS);
}

static void on_look(Deadline *deadline)
{
    Call *call = container_of(deadline, Call, spool.look);
    bool is_slow = call->spool.n_queued >= call->from_client.n_sent + call->spool.enough;
    if (call->state >= CALL_ANSWERED || call->from_client.output.n_bytes < call->spool.enough)
        return;
    if (!is_slow) /* nothing may come any more that would have it looked at: all of the window may be here */
        look_later(call, SLOW_AFTER_MS);
    else if (spool_files_have_room(&call->relay->spool_files))
        begin(call);
    else
        look_later(call, NO_ROOM_AGAIN_MS);
}

bool spool_take(Call *call, const uint8_t *bytes, size_t length, Block *block)
{
    Spool *spool = &call->spool;
    if (spool->file) {
        call->relay->http2.n_queued_bytes += length;
        spool_file_append(spool->file, bytes, length, block);
        return true;
    }
    if (!deadline_is_set(&spool->look))
        look_later(call, SLOW_AFTER_MS);
    return false;
}

/* ---- life */

void spool_init(Spool *spool)
{
    *spool = (Spool){.above = SIZE_MAX, .look = DEADLINE_INIT(on_look)};
}

void spool_allow(Call *call)
{
    Spool *spool = &call->spool;
    size_t half = call->relay->http2.limits.stream_window / 2;
    spool->limit = call->upstream->profile->spool; /* whatever a later attempt's profile says */
    spool->enough = half < UNREAD_ENOUGH ? half : UNREAD_ENOUGH;
    spool->above = spool->limit > 0 ? spool->enough : SIZE_MAX;
}

void spool_queue_end(Call *call, const HeaderList *trailers)
{
    Spool *spool = &call->spool;
    if (spool->file && !spool_file_is_empty(spool->file)) {
        spool->has_end = true;
        spool->trailers = trailers;
        return;
    }
    if (spool->file)
        leave(call);
    stream_queue_end(&call->from_client, trailers);
}

void spool_close(Call *call)
{
    Spool *spool = &call->spool;
    deadline_clear(&call->relay->deadlines, &spool->look);
    spool->has_end = false;
    spool->has_failed = true;
    if (spool->file)
        leave(call);
    spool->above = SIZE_MAX;
}

size_t spool_pending(const Call *call)
{
    return call->spool.file ? spool_file_pending(call->spool.file) : 0;
}

uint64_t spool_unread(const Call *call)
{
    return call->spool.file ? spool_file_unread(call->spool.file) : 0;
}
