/* Answers of the daemon's own: a status in place of the upstream's, or one whole message. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "relay/call.h"
#include "relay/own_call.h"
#include "relay/release.h"

static Header OK_HEADERS[] = {
    {":status", "200", 7, 3, NULL, NULL},
    {"content-type", "application/grpc", 12, 16, NULL, NULL},
};
static Header OK_TRAILERS[] = {{"grpc-status", "0", 11, 1, NULL, NULL}};
static const HeaderList OK_HEADER_LIST = {OK_HEADERS, 2, 2, 0};
static const HeaderList OK_TRAILER_LIST = {OK_TRAILERS, 1, 1, 0};

static void answered(Call *call, uint32_t status)
{
    call_stop_waiting(call);
    call->is_reading_page = false;
    call->status = status;
    release_let_go(call);
    deadline_clear(&call->relay->deadlines, &call->deadline);
    call_set_state(call, CALL_ANSWERED);
    /* The rest of the request is of no interest: what is queued counts as read. */
    stream_consume(&call->from_client, call->from_client.n_unconsumed);
    call_end_attempt(call, STREAM_CANCEL);
    if (!stream_is_open(&call->from_client))
        call_finish(call);
}

static void add_answer(Call *call, const char *name, const char *value)
{
    header_list_add(&call->answer,
                    (Header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value), NULL, NULL});
}

/* grpc-status, grpc-message and details as headers whose strings are in call->answer_text. */
static void build_answer(Call *call, StatusCode code, const StatusDetails *details, const char *message)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    text_printf(&text, "%d", code);
    text_append_bytes(&text, "", 1);
    size_t message_at = text.length;
    status_append_message(&text, message);
    text_append_bytes(&text, "", 1);
    size_t details_at = text.length;
    if (details)
        status_append_details(&text, code, message, details);
    char *strings = call->answer_text = text_take(&text);
    add_answer(call, "grpc-status", strings);
    add_answer(call, "grpc-message", strings + message_at);
    if (details)
        add_answer(call, "grpc-status-details-bin", strings + details_at);
}

void call_fail(Call *call, StatusCode code, const StatusDetails *details, const char *format, ...)
{
    char message[640];
    va_list arguments;
    if (call->state >= CALL_ANSWERED)
        return;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    relay_log_failure(call->relay, "%s: %s", status_name(code), message);
    own_call_note(call, message);
    if (stream_is_open(&call->from_client)) {
        if (!call->response_started) {
            header_list_add(&call->answer, OK_HEADERS[0]);
            header_list_add(&call->answer, OK_HEADERS[1]);
        }
        build_answer(call, code, details, message);
        if (call->response_started)
            spool_queue_end(call, &call->answer);
        else
            stream_send_response(&call->from_client, &call->answer, true);
        call->response_started = true;
    }
    answered(call, code);
}

void call_answer(Call *call, const uint8_t *message, size_t length)
{
    call->response_started = true;
    call->bytes_to_client += length;
    call->relay->counts.n_answered_here++;
    stream_send_response(&call->from_client, &OK_HEADER_LIST, false);
    stream_queue(&call->from_client, message, length, NULL);
    stream_queue_end(&call->from_client, &OK_TRAILER_LIST);
    answered(call, STATUS_OK);
}

void call_finish_stream(Call *call)
{
    spool_queue_end(call, &OK_TRAILER_LIST);
    answered(call, STATUS_OK);
}

static Header UNSUPPORTED_HEADERS[] = {
    {":status", "415", 7, 3, NULL, NULL},
    {"content-type", "text/plain", 12, 10, NULL, NULL},
};
static const HeaderList UNSUPPORTED_HEADER_LIST = {UNSUPPORTED_HEADERS, 2, 2, 0};

void call_refuse_http(Call *call)
{
    static const char TEXT[] =
        "sparkbouncer relays gRPC calls only: POST, content-type application/grpc, a path of the "
        "form /package.Service/Method\n";
    relay_log_failure(call->relay, "a request that is no gRPC call is refused (HTTP 415)");
    call->response_started = true;
    stream_send_response(&call->from_client, &UNSUPPORTED_HEADER_LIST, false);
    stream_queue(&call->from_client, (const uint8_t *)TEXT, sizeof TEXT - 1, NULL);
    stream_queue_end(&call->from_client, NULL);
    answered(call, STATUS_UNIMPLEMENTED);
}
