#include "operation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

static size_t bucket_of(const char *id)
{
    return checksum_update(0, (const uint8_t *)id, strlen(id)) % OPERATION_BUCKETS;
}

Operation *operations_find(const Operations *operations, const SparkRequest *request)
{
    Operation *at = operations->buckets[bucket_of(request->operation)];
    while (at && (strcmp(at->id, request->operation) != 0 || strcmp(at->session, request->session) != 0 ||
                  strcmp(at->user, request->user) != 0))
        at = at->next;
    return at;
}

bool operations_know_session(const Operations *operations, const SparkRequest *request)
{
    const OperationSession *at = operations->sessions;
    while (at && (strcmp(at->id, request->session) != 0 || strcmp(at->user, request->user) != 0))
        at = at->next;
    return at != NULL;
}

static void add_session(Operations *operations, const SparkRequest *request)
{
    if (operations_know_session(operations, request))
        return;
    OperationSession *session = calloc(1, sizeof(*session));
    if (!session)
        abort();
    snprintf(session->user, SPARK_ID_SIZE, "%s", request->user);
    snprintf(session->id, SPARK_ID_SIZE, "%s", request->session);
    session->next = operations->sessions;
    operations->sessions = session;
}

static Operation *operation_new(Operations *operations, const SparkRequest *request)
{
    Operation *operation = calloc(1, sizeof(*operation));
    if (!operation)
        abort();
    snprintf(operation->user, SPARK_ID_SIZE, "%s", request->user);
    snprintf(operation->session, SPARK_ID_SIZE, "%s", request->session);
    snprintf(operation->id, SPARK_ID_SIZE, "%s", request->operation);
    Operation **bucket = &operations->buckets[bucket_of(request->operation)];
    operation->next = *bucket;
    *bucket = operation;
    operations->n_operations++;
    return operation;
}

Operation *operations_execute(Operations *operations, const SparkRequest *request, const Script *script)
{
    Operation *operation = operations_find(operations, request);
    if (!operation)
        operation = operation_new(operations, request);
    add_session(operations, request);
    script_copy(&operation->script, script);
    operation->reattachable = request->reattachable;
    operation->is_gone = operation->is_forgotten = operation->is_complete = false;
    operation->n_sent = operation->n_released = operation->n_segments = 0;
    operation->detached_us = 0;
    operations->n_executions++;
    if (operation->n_executions++ > 0)
        operations->n_again++;
    return operation;
}

bool operation_abandoned(const Operation *operation, int64_t now_us)
{
    return operation->script.detached_ms > 0 && !operation->attached && operation->detached_us > 0 &&
           now_us - operation->detached_us > (int64_t)operation->script.detached_ms * 1000;
}

/* The first response that is still there. Of those sent some are kept for resending, and always the last. */
static uint64_t first_kept(const Operations *operations, const Operation *operation)
{
    uint64_t size = operation->script.size > 0 ? operation->script.size : 1;
    uint64_t keep = operations->retained / size > 0 ? operations->retained / size : 1;
    uint64_t first = operation->n_sent > keep ? operation->n_sent - keep : 0;
    return first > operation->n_released ? first : operation->n_released;
}

const char *operation_position(Operations *operations, const Operation *operation,
                               const SparkRequest *request, uint64_t *ret_index)
{
    uint64_t index = 0;
    if (request->has_last_response) {
        if (!spark_response_index(request->last_response, &index) || index >= operation->n_sent) {
            operations->n_not_available++;
            return "[INVALID_CURSOR.POSITION_NOT_FOUND] The cursor is invalid. The cursor position id is not "
                   "found.";
        }
        index++;
    }
    if (index < first_kept(operations, operation)) {
        operations->n_not_available++;
        return "[INVALID_CURSOR.POSITION_NOT_AVAILABLE] The cursor is invalid. The cursor position id is no "
               "longer "
               "available.";
    }
    *ret_index = index;
    return NULL;
}

void operations_release(Operations *operations, const SparkRequest *request)
{
    Operation *operation = operations_find(operations, request);
    uint64_t index;
    operations->n_releases++;
    if (!operation || operation->is_gone)
        return;
    operation->n_releases++;
    if (request->release_all)
        operation->is_gone = true;
    else if (spark_response_index(request->release_until, &index) && index < operation->n_sent &&
             index + 1 > operation->n_released)
        operation->n_released = index + 1;
}

typedef struct Sums {
    uint64_t most_executions, gone, attached, abandoned, complete, attaches, sent;
} Sums;

static Sums add_up(const Operations *operations, const char *id, int64_t now_us)
{
    Sums sums = {0};
    for (size_t i = 0; i < OPERATION_BUCKETS; i++)
        for (const Operation *at = operations->buckets[i]; at; at = at->next) {
            if (*id != '\0' && strcmp(at->id, id) != 0)
                continue;
            sums.most_executions =
                at->n_executions > sums.most_executions ? at->n_executions : sums.most_executions;
            sums.gone += at->is_gone;
            sums.attached += at->attached != NULL;
            sums.abandoned += !at->is_gone && operation_abandoned(at, now_us);
            sums.complete += at->is_complete;
            sums.attaches += at->n_attaches;
            sums.sent += at->n_sent;
        }
    return sums;
}

void operations_describe(const Operations *operations, const char *id, int64_t now_us, Bytes *out)
{
    Sums sums = add_up(operations, id, now_us);
    bytes_printf(out,
                 "{\"operations\":%" PRIu64 ",\"executions\":%" PRIu64 ",\"again\":%" PRIu64
                 ",\"most_executions\":%" PRIu64 ",\"complete\":%" PRIu64 ",\"gone\":%" PRIu64
                 ",\"sent\":%" PRIu64,
                 operations->n_operations, operations->n_executions, operations->n_again,
                 sums.most_executions, sums.complete, sums.gone, sums.sent);
    bytes_printf(out,
                 ",\"attaches\":%" PRIu64 ",\"releases\":%" PRIu64 ",\"disconnected\":%" PRIu64
                 ",\"not_found\":%" PRIu64 ",\"not_available\":%" PRIu64 ",\"refused\":%" PRIu64,
                 sums.attaches, operations->n_releases, operations->n_disconnected, operations->n_not_found,
                 operations->n_not_available, operations->n_refused);
    bytes_printf(out, ",\"ended\":%" PRIu64 ",\"attached\":%" PRIu64 ",\"abandoned\":%" PRIu64 "}",
                 operations->n_ended, sums.attached, sums.abandoned);
}
