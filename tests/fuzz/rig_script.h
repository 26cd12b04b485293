#pragma once

/*
 * What an input makes the two ends of a rig do: a sequence of steps, each a byte that says which and a few
 * that say how. Most steps are proper HTTP/2, so that the search gets behind the frames; some are any bytes.
 */

#include "relay_rig.h"

/* Of sessions, operations and responses; those of a named session must be UUIDs. */
static const char *const SCRIPT_NAMES[] = {"0", "1", "22222222-2222-4222-8222-222222222222",
                                           "33333333-3333-4333-8333-333333333333"};
static const char *const SCRIPT_HEADERS[][2] = {
    {"x-profile", "p"},
    {"x-profile", "other"},
    {"grpc-timeout", "1n"},
    {"grpc-timeout", "9S"},
    {"x-databricks-cluster-id", "c"},
    {"authorization", "Bearer x"},
    {"grpc-encoding", "gzip"},
    {"host", "elsewhere"},
    {"x-session", "etl"},
    {"x-session", "no such name"},
};

static inline void script_any_frame(Rig *rig, int fd, Input *input)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    uint8_t type = input_byte(input), flags = input_byte(input), stream = input_byte(input);
    Input payload = input_part(input, input_byte(input));
    frame_add(&out, type % 11, flags, stream % 16, payload.bytes, payload.length);
    rig_send_text(rig, fd, &out);
}

/* HEADERS of a request; mostly of a method that is known. */
static inline void script_request(Rig *rig, Input *input)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    uint32_t stream = input_byte(input) % 32u * 2 + 1;
    uint8_t what = input_byte(input), how = input_byte(input);
    const char *path = what % 16 < N_METHODS    ? method_get((MethodId)(what % 16))->path
                       : what % 16 == N_METHODS ? "/grpc.health.v1.Health/Check"
                                                : "/other.Service/Method";
    size_t header = how / 2 % 16;
    bool has_header = header < sizeof SCRIPT_HEADERS / sizeof SCRIPT_HEADERS[0];
    request_add(&out, stream, path, has_header ? SCRIPT_HEADERS[header][0] : NULL,
                has_header ? SCRIPT_HEADERS[header][1] : NULL, how & 1);
    rig_send_text(rig, rig->client, &out);
}

/* A message of a request, with some bytes of the input behind its envelope. */
static inline void script_message(Rig *rig, Input *input)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL, message = TEXT_NULL;
    uint32_t stream = input_byte(input) % 32u * 2 + 1;
    uint8_t what = input_byte(input), how = input_byte(input);
    envelope_add(&message, (MethodId)(what % N_METHODS), SCRIPT_NAMES[how / 2 % 4], SCRIPT_NAMES[how / 8 % 4],
                 how & 32);
    Input tail = input_part(input, how / 64 * 16u);
    bytes_add(&message, tail.bytes, tail.length);
    message_add(&out, stream, &message, how & 1);
    rig_send_text(rig, rig->client, &out);
}

/* DATA of many bytes, so that windows and buffers fill. */
static inline void script_bulk(Rig *rig, int fd, Input *input)
{
    static const uint8_t ZEROS[16384];
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    uint32_t stream = input_byte(input) % 32u * 2 + 1;
    frame_add(&out, FRAME_DATA, 0, stream, ZEROS, (size_t)input_byte(input) * 64);
    rig_send_text(rig, fd, &out);
}

static inline void script_raw(Rig *rig, int fd, Input *input)
{
    Input part = input_part(input, input_byte(input) + 1u);
    rig_send(rig, fd, part.bytes, part.length);
}

static inline void script_client_step(Rig *rig, Input *input)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    switch (input_byte(input) % 10) {
    case 0: script_raw(rig, rig->client, input); break;
    case 1: script_any_frame(rig, rig->client, input); break;
    case 2:
    case 3: script_request(rig, input); break;
    case 4:
    case 5: script_message(rig, input); break;
    case 6: script_bulk(rig, rig->client, input); break;
    case 7: rig_drain(rig->client); break;
    case 8:
        frame_add(&out, FRAME_RESET, 0, input_byte(input) % 32u * 2 + 1, "\0\0\0\x08", 4);
        rig_send_text(rig, rig->client, &out);
        break;
    default:
        if (input_byte(input) % 8 == 0)
            rig_hang_up(&rig->client);
    }
}

/* A message of an answer, whole or in two parts, of which one may be all that comes. */
static inline void script_result(Text *out, uint32_t stream, const char *session, Input *input)
{
    static const uint8_t REST[] = {0xfa, 0x01, 0x02, 0, 0}; /* a field that nobody knows */
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    uint8_t how = input_byte(input);
    if (how & 8) {
        uint8_t prefix[] = {0, 0, 0, 0, (uint8_t)(sizeof REST)};
        bytes_add(&message, prefix, sizeof prefix);
        bytes_add(&message, REST, how / 16 % sizeof REST);
        frame_add(out, FRAME_DATA, 0, stream, text_string(&message), message.length);
    } else {
        answer_message_add(out, stream, session, how & 4 ? SCRIPT_NAMES[how & 3] : NULL, how / 16 == 1);
    }
}

/* The streams of the server's connection count from 1 as calls arrive. */
static inline void script_answer(Rig *rig, Input *input)
{
    static const char *const STATUSES[] = {"200", "503", "100", "401"};
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    uint32_t stream = input_byte(input) % 16u * 2 + 1;
    uint8_t how = input_byte(input);
    if (how & 1)
        answer_headers_add(&out, stream, STATUSES[how & 2 ? 0 : how / 64], how & 4);
    if (how & 8)
        script_result(&out, stream, SCRIPT_NAMES[how / 64], input);
    if (how & 16)
        answer_trailers_add(&out, stream, how & 32 ? "0" : "14");
    rig_send_text(rig, rig->server, &out);
}

static inline void script_go_away(Rig *rig, Input *input)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    uint8_t payload[8] = {0, 0, 0, (uint8_t)(input_byte(input) % 32)};
    frame_add(&out, FRAME_GOAWAY, 0, 0, payload, sizeof payload);
    rig_send_text(rig, rig->server, &out);
}

static inline void script_server_step(Rig *rig, Input *input)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    uint8_t code[4] = {0};
    switch (input_byte(input) % 10) {
    case 0: script_raw(rig, rig->server, input); break;
    case 1: script_any_frame(rig, rig->server, input); break;
    case 2:
        frame_add(&out, FRAME_SETTINGS, 0, 0, NULL, 0);
        rig_send_text(rig, rig->server, &out);
        break;
    case 3:
    case 4:
    case 5: script_answer(rig, input); break;
    case 6: script_bulk(rig, rig->server, input); break;
    case 7: script_go_away(rig, input); break;
    case 8:
        code[3] = input_byte(input) % 16;
        frame_add(&out, FRAME_RESET, 0, input_byte(input) % 16u * 2 + 1, code, sizeof code);
        rig_send_text(rig, rig->server, &out);
        break;
    default:
        if (input_byte(input) % 4 == 0)
            rig_hang_up(&rig->server);
        else
            rig_drain(rig->server);
    }
}

/* What happens to the daemon without either end's doing. */
static inline void script_other_step(Rig *rig, Input *input)
{
    switch (input_byte(input) % 4) {
    case 0: rig_write_token(input_byte(input) % 4 != 0); break;
    case 1: rig_refuse_credential(rig); break;
    case 2: rig_reload(rig, input_byte(input) % 4 == 0); break;
    default: rig_wait(rig);
    }
}

/* Three of four steps let the daemon go on before the next. */
static inline void script_run(Rig *rig, Input *input, uint8_t server_share)
{
    while (input->length > 0) {
        uint8_t who = input_byte(input);
        if (who >= 248)
            script_other_step(rig, input);
        else if (who % 16 < server_share)
            script_server_step(rig, input);
        else
            script_client_step(rig, input);
        if (who / 16 % 4)
            rig_settle(rig);
    }
    rig_settle(rig);
}
