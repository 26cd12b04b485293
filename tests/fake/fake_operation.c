#include <inttypes.h>
#include <string.h>

#include "fake_call.h"

#define NEVER UINT64_MAX

/* At most one stream at a time is attached: a second one ends the first. */
static void take_over(FakeCall *call, Operation *operation)
{
    FakeCall *before = operation->attached;
    if (before) {
        call->server->operations->n_disconnected++;
        before->operation = NULL;
        timer_stop(&call->server->loop, &before->sender);
        fake_call_interrupt(
            before, GRPC_STATUS_INTERNAL,
            "[INVALID_CURSOR.DISCONNECTED] The cursor is invalid. The cursor has been disconnected "
            "by the server.");
    }
    operation->attached = call;
    call->operation = operation;
}

static void detach(FakeCall *call)
{
    timer_stop(&call->server->loop, &call->sender);
    call->operation->detached_us = clock_us();
    call->operation->attached = NULL;
    call->operation = NULL;
}

/* As Spark's sender after two minutes: the operation has no stream any more, and what the client has not read
 * is still before the stream's end. */
static void on_sender_over(Timer *timer)
{
    FakeCall *call = container_of(timer, FakeCall, sender);
    if (!call->operation)
        return;
    call->server->operations->n_ended++;
    detach(call);
    fake_call_interrupt(call, GRPC_STATUS_OK, "");
}

static void attach(FakeCall *call, Operation *operation, uint64_t from)
{
    take_over(call, operation);
    operation->n_attaches++;
    call->server->operations->n_attaches++;
    script_copy(&call->script, &operation->script);
    call->status = call->script.status;
    call->status_message.length = 0;
    bytes_append(&call->status_message, call->script.message.data, call->script.message.length);
    call->next_message = from;
    call->n_messages = call->script.messages + (call->status == 0 && !call->script.no_complete ? 1 : 0);
    bool ends_early = call->script.segment > 0 &&
                      (call->script.segment_times == 0 || operation->n_segments < call->script.segment_times);
    call->segment_end = ends_early ? from + call->script.segment : NEVER;
    if (call->script.sender_ms > 0)
        timer_start(&call->server->loop, &call->sender, call->script.sender_ms, on_sender_over);
}

static const char *execute(FakeCall *call)
{
    Operations *operations = call->server->operations;
    Operation *operation = operations_find(operations, &call->request);
    if (operation && !operation->is_gone && !operation->is_complete && call->script.joins) {
        attach(call, operation, 0);
        return NULL;
    }
    if (operation && !operation->is_forgotten) {
        operations->n_refused++;
        return "[INVALID_HANDLE.OPERATION_ALREADY_EXISTS] The handle is invalid. Handle already exists.";
    }
    if (!call->script.has_messages)
        call->script.messages = call->server->messages;
    if (!call->script.has_size)
        call->script.size = call->server->size;
    attach(call, operations_execute(operations, &call->request, &call->script), 0);
    return NULL;
}

static const char *reattach(FakeCall *call)
{
    Operations *operations = call->server->operations;
    Operation *operation = operations_find(operations, &call->request);
    uint64_t from = 0;
    if (!operations_know_session(operations, &call->request)) {
        operations->n_not_found++;
        return "[INVALID_HANDLE.SESSION_NOT_FOUND] The handle is invalid. Session not found.";
    }
    if (!operation || operation->is_gone) {
        operations->n_not_found++;
        return "[INVALID_HANDLE.OPERATION_NOT_FOUND] The handle is invalid. Operation not found.";
    }
    if (operation_abandoned(operation, clock_us())) {
        operations->n_not_found++;
        return "[INVALID_HANDLE.OPERATION_ABANDONED] The handle is invalid. Operation was considered "
               "abandoned "
               "because of inactivity and removed.";
    }
    if (!operation->reattachable)
        return "[INVALID_CURSOR.NOT_REATTACHABLE] The cursor is invalid. The cursor is not reattachable.";
    const char *problem = operation_position(operations, operation, &call->request, &from);
    if (!problem) {
        call->script.first_delay_ms = 0;
        attach(call, operation, from);
        call->script.first_delay_ms = call->script.reattach_ms; /* the other was for the execution */
    }
    return problem;
}

bool fake_call_attach(FakeCall *call)
{
    const char *problem = NULL;
    if (call->n_received == 0) /* what a stream looks like that was reset before its request */
        problem = "Half-closed without a request";
    else
        problem = call->method->operation == 6 ? execute(call) : reattach(call);
    if (problem)
        fake_call_refuse(call, GRPC_STATUS_INTERNAL, problem);
    return !problem;
}

bool fake_call_segment_over(FakeCall *call)
{
    if (!call->operation || call->next_message < call->segment_end || call->next_message >= call->n_messages)
        return false;
    call->operation->n_segments++;
    call->status = call->script.segment_status;
    call->status_message.length = 0;
    if (call->status != 0)
        bytes_printf(&call->status_message, "the stream ends after %" PRIu64 " responses",
                     call->script.segment);
    return true;
}

void fake_call_note_sent(FakeCall *call, uint64_t index, Bytes *message)
{
    Operation *operation = call->operation;
    if (!operation)
        return;
    if (index + 1 == call->script.corrupt && index < operation->n_sent && message->length > 50)
        message->data[50] ^= 1;
    if (index >= operation->n_sent)
        operation->n_sent = index + 1;
    if (operation->n_sent == call->n_messages)
        operation->is_complete = true;
}

void fake_call_detach(FakeCall *call)
{
    Operation *operation = call->operation;
    if (!operation)
        return;
    detach(call);
    if (operation->script.forget > 0 && operation->n_sent >= operation->script.forget)
        operation->is_forgotten = true;
    if (!operation->reattachable || operation->is_forgotten)
        operation->is_gone = true;
}
