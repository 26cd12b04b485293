#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "load.h"
#include "pattern.h"

static const char client_type[] = "_SPARK_CONNECT_PYTHON spark/4.3.0 os/linux python/3.11.2";

void load_identity(LoadIdentity *identity, unsigned channel, uint64_t call)
{
    snprintf(identity->session, LOAD_ID_SIZE, "10ad0000-0000-4000-8000-%012x", channel);
    snprintf(identity->operation, LOAD_ID_SIZE, "0be7a000-0000-4000-8000-%012" PRIx64,
             (uint64_t)(call & 0xffffffffff));
}

static void append_head(Bytes *out, const LoadIdentity *identity)
{
    static const uint8_t user[] = {0x0a, 4, 'l', 'o', 'a', 'd'};
    wire_string(out, 1, identity->session);
    wire_bytes(out, 2, user, sizeof(user));
}

static void append_pattern(Bytes *out, unsigned field, uint64_t size, uint64_t index)
{
    wire_bytes_header(out, field, (size_t)size);
    pattern_fill(bytes_extend(out, (size_t)size), (size_t)size, index);
}

static void append_artifact_chunk(Bytes *out, uint64_t size, uint64_t index)
{
    Bytes chunk = BYTES_NULL;
    append_pattern(&chunk, 1, size, index);
    wire_number(&chunk, 2, 0);
    wire_bytes(out, 5, chunk.data, chunk.length);
    bytes_deinit(&chunk);
}

void load_request(Bytes *out, const LoadOptions *options, const LoadIdentity *identity, uint64_t index)
{
    static const uint8_t reattachable[] = {0x0a, 2, 8, 1};
    static const uint8_t get_key[] = {0x12, 7, 0x0a, 5, 'a', '.', 'k', 'e', 'y'};
    if (options->method == LOAD_UNKNOWN) {
        pattern_fill(bytes_extend(out, (size_t)options->size), (size_t)options->size, index);
        return;
    }
    append_head(out, identity);
    switch (options->method) {
    case LOAD_CONFIG:
        wire_bytes(out, 3, get_key, sizeof(get_key));
        wire_string(out, 4, client_type);
        if (options->size > 0)
            append_pattern(out, 1000, options->size, index);
        break;
    case LOAD_EXECUTE_PLAN:
        append_pattern(out, 3, 200, index);
        wire_string(out, 4, client_type);
        wire_bytes(out, 5, reattachable, sizeof(reattachable));
        wire_string(out, 6, identity->operation);
        break;
    case LOAD_ADD_ARTIFACTS: append_artifact_chunk(out, options->size, index); break;
    case LOAD_UNKNOWN: break;
    }
}

static bool field_is(const uint8_t *message, size_t length, unsigned number, const char *expected)
{
    WireField field;
    return wire_find(message, length, number, &field) && field.length == strlen(expected) &&
           memcmp(field.bytes, expected, field.length) == 0;
}

static const char *check_result(const LoadOptions *options, const LoadIdentity *identity, uint64_t index,
                                const uint8_t *message, size_t length, char ret_response_id[LOAD_ID_SIZE])
{
    WireField batch, data, id;
    if (!field_is(message, length, 1, identity->session) ||
        !field_is(message, length, 12, identity->operation))
        return "another session or operation answered";
    if (!wire_find(message, length, 13, &id) || id.length >= LOAD_ID_SIZE)
        return "no response id";
    memcpy(ret_response_id, id.bytes, id.length);
    ret_response_id[id.length] = '\0';
    uint64_t found = 0;
    if (sscanf(ret_response_id, "%8" SCNx64, &found) != 1 || found != index)
        return "responses out of order";
    if (index == options->messages)
        return wire_find(message, length, 14, &id) ? NULL : "no result_complete";
    if (!wire_find(message, length, 2, &batch) || !wire_find(batch.bytes, batch.length, 2, &data))
        return "no data";
    return data.length == options->size && pattern_matches(data.bytes, data.length, index, 0) ? NULL
                                                                                              : "wrong data";
}

const char *load_check(const LoadOptions *options, const LoadIdentity *identity, uint64_t index,
                       const uint8_t *message, size_t length, const char *artifacts,
                       char ret_response_id[LOAD_ID_SIZE])
{
    WireField field;
    ret_response_id[0] = '\0';
    switch (options->method) {
    case LOAD_CONFIG:
        return field_is(message, length, 1, identity->session) && wire_find(message, length, 4, &field)
                   ? NULL
                   : "wrong session";
    case LOAD_EXECUTE_PLAN: return check_result(options, identity, index, message, length, ret_response_id);
    case LOAD_ADD_ARTIFACTS:
        return wire_find(message, length, 1, &field) && field_is(field.bytes, field.length, 1, artifacts)
                   ? NULL
                   : "the upload did not arrive as it was sent";
    case LOAD_UNKNOWN:
        return length == options->size && pattern_matches(message, length, 0, 0) ? NULL : "wrong echo";
    }
    return "no such method";
}

void load_release_request(Bytes *out, const LoadIdentity *identity, const char *response_id)
{
    append_head(out, identity);
    wire_string(out, 3, identity->operation);
    wire_string(out, 4, client_type);
    if (!response_id) {
        wire_bytes(out, 5, NULL, 0);
        return;
    }
    Bytes until = BYTES_NULL;
    wire_string(&until, 1, response_id);
    wire_bytes(out, 6, until.data, until.length);
    bytes_deinit(&until);
}
