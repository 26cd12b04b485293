/* The line that an ended call gets in the log. */

#include <stdio.h>

#include "base/clock.h"
#include "relay/call.h"

void call_log(const Call *call)
{
    const Relay *relay = call->relay;
    LogLevel level = relay->settings->log_calls;
    if (!relay->settings->log_calls_is_on || !log_enabled(relay->log, level))
        return;
    uint64_t now = clock_now_ns();
    uint64_t total_us = (now - call->started_ns) / 1000;
    uint64_t away_us = call->sent_ns && call->upstream_ended_ns > call->sent_ns
                           ? (call->upstream_ended_ns - call->sent_ns) / 1000
                           : 0;
    const Envelope *envelope = &call->request.envelope;
    char path[128] = "";
    if (call->path)
        (void)snprintf(path, sizeof path, "%.*s", (int)call->path->value_length, call->path->value);
    const char *texts[] = {
        envelope_text(envelope, ENVELOPE_SESSION_ID), envelope_text(envelope, ENVELOPE_USER_ID),
        envelope_text(envelope, ENVELOPE_OPERATION_ID), envelope_text(envelope, ENVELOPE_CLIENT_TYPE)};
    LogField fields[] = {
        {"profile", call->upstream ? call->upstream->profile->name : "-", 0},
        {"peer", call->client ? call->client->peer.address : "-", 0},
        {"session", texts[0] ? texts[0] : "-", 0},
        {"user", texts[1] ? texts[1] : "-", 0},
        {"operation", texts[2] ? texts[2] : "-", 0},
        {"client_type", texts[3] ? texts[3] : "-", 0},
        {"bytes_in", NULL, (int64_t)call->bytes_from_client},
        {"bytes_out", NULL, (int64_t)call->bytes_to_client},
        {"attempts", NULL, call->n_attempts},
        {"total_us", NULL, (int64_t)total_us},
        {"daemon_us", NULL, (int64_t)(total_us > away_us ? total_us - away_us : 0)},
    };
    log_event(relay->log, level, fields, sizeof fields / sizeof fields[0], "%s %s",
              call->method ? call->method->name : path, status_name(call->status));
}
