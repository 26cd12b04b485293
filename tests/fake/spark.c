#include "spark.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

static const char service[] = "/spark.connect.SparkConnectService/";

static const SparkMethod methods[] = {
    {"ExecutePlan", 6, 8, 1, 15, 12, true},   {"ReattachExecute", 3, 6, 1, 15, 12, true},
    {"AnalyzePlan", 0, 17, 1, 15, 0, false},  {"Config", 0, 8, 1, 4, 0, false},
    {"AddArtifacts", 0, 7, 2, 3, 0, false},   {"ArtifactStatus", 0, 5, 2, 3, 0, false},
    {"Interrupt", 0, 7, 1, 3, 0, false},      {"ReleaseExecute", 3, 0, 1, 3, 2, false},
    {"ReleaseSession", 0, 0, 1, 2, 0, false}, {"FetchErrorDetails", 0, 5, 4, 3, 0, false},
    {"CloneSession", 0, 5, 1, 2, 0, false},   {"GetStatus", 0, 4, 1, 2, 0, false},
};

const SparkMethod *spark_method_find(const char *path, size_t length)
{
    size_t n_service = strlen(service);
    if (length <= n_service || memcmp(path, service, n_service) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strlen(methods[i].name) == length - n_service &&
            memcmp(methods[i].name, path + n_service, length - n_service) == 0)
            return &methods[i];
    return NULL;
}

static bool copy_id(char out[SPARK_ID_SIZE], const WireField *field)
{
    if (field->length >= SPARK_ID_SIZE)
        return false;
    memcpy(out, field->bytes, field->length);
    out[field->length] = '\0';
    return true;
}

/* The string that is field 1 of the message in `field`; empty when there is none. */
static bool copy_inner(char out[SPARK_ID_SIZE], const WireField *field)
{
    WireField inner;
    return !wire_find(field->bytes, field->length, 1, &inner) || copy_id(out, &inner);
}

/* RequestOption.reattach_options.reattachable */
static bool is_reattach_option(const WireField *option)
{
    WireField inner, flag = {.value = 0};
    if (!wire_find(option->bytes, option->length, 1, &inner))
        return false;
    const uint8_t *at = inner.bytes;
    while (wire_next(&at, inner.bytes + inner.length, &flag) > 0 && flag.number != 1)
        ;
    return flag.number == 1 && flag.value == 1;
}

static bool parse_operation_field(const SparkMethod *method, const WireField *field, SparkRequest *request)
{
    if (field->number == method->operation)
        return copy_id(request->operation, field);
    if (strcmp(method->name, "ExecutePlan") == 0 && field->number == 5)
        request->reattachable = request->reattachable || is_reattach_option(field);
    if (strcmp(method->name, "ReattachExecute") == 0 && field->number == 5) {
        request->has_last_response = true;
        return copy_id(request->last_response, field);
    }
    if (strcmp(method->name, "ReleaseExecute") == 0 && field->number == 5)
        request->release_all = true;
    if (strcmp(method->name, "ReleaseExecute") == 0 && field->number == 6)
        return copy_inner(request->release_until, field);
    return true;
}

bool spark_request_parse(const SparkMethod *method, const uint8_t *message, size_t length,
                         SparkRequest *ret_request)
{
    const uint8_t *at = message, *end = message + length;
    WireField field;
    int r;
    *ret_request = (SparkRequest){.session = ""};
    while ((r = wire_next(&at, end, &field)) > 0) {
        bool fits = true;
        if (!field.bytes)
            continue;
        if (field.number == 1)
            fits = copy_id(ret_request->session, &field);
        else if (field.number == 2)
            fits = copy_inner(ret_request->user, &field);
        else if (field.number == method->observed_server_session)
            fits = copy_id(ret_request->observed_server_session, &field);
        else if (method->operation != 0)
            fits = parse_operation_field(method, &field, ret_request);
        if (!fits)
            return false;
    }
    return r == 0;
}

void spark_answer(Bytes *out, const SparkMethod *method, const SparkRequest *request,
                  const char *server_session, const char *note)
{
    if (strcmp(method->name, "AddArtifacts") == 0) {
        Bytes summary = BYTES_NULL;
        wire_string(&summary, 1, note);
        wire_number(&summary, 2, 1);
        wire_bytes(out, 1, summary.data, summary.length);
        bytes_deinit(&summary);
    }
    for (unsigned field = 1; field < 16; field++) {
        if (field == method->session_answer)
            wire_string(out, field, request->session);
        if (field == method->server_session_answer)
            wire_string(out, field, server_session);
        if (field == method->operation_answer)
            wire_string(out, field, request->operation);
    }
}

static void response_id(char out[SPARK_ID_SIZE], const char *operation, uint64_t index)
{
    uint32_t tail = checksum_update(0, (const uint8_t *)operation, strlen(operation));
    snprintf(out, SPARK_ID_SIZE, "%08" PRIx64 "-0000-4000-8000-0000%08" PRIx32, index, tail);
}

static void append_ids(Bytes *out, const SparkRequest *request, const char *server_session, uint64_t index,
                       bool complete)
{
    char id[SPARK_ID_SIZE];
    response_id(id, request->operation, index);
    wire_string(out, 12, request->operation);
    wire_string(out, 13, id);
    if (complete)
        wire_bytes(out, 14, NULL, 0);
    wire_string(out, 15, server_session);
}

static size_t varint_length(uint64_t value)
{
    size_t length = 1;
    for (; value >= 0x80; value >>= 7)
        length++;
    return length;
}

void spark_result(Bytes *out, const SparkRequest *request, const char *server_session, uint64_t index,
                  uint64_t size)
{
    wire_string(out, 1, request->session);
    wire_bytes_header(out, 2, 2 + 1 + varint_length(size) + (size_t)size);
    wire_number(out, 1, 1);
    wire_bytes_header(out, 2, (size_t)size);
    pattern_fill(bytes_extend(out, (size_t)size), (size_t)size, index);
    append_ids(out, request, server_session, index, false);
}

void spark_complete(Bytes *out, const SparkRequest *request, const char *server_session, uint64_t index)
{
    wire_string(out, 1, request->session);
    append_ids(out, request, server_session, index, true);
}

bool spark_response_index(const char *id, uint64_t *ret_index)
{
    return sscanf(id, "%8" SCNx64 "-0000-4000-8000-", ret_index) == 1;
}

void spark_operation_add(SparkOperation **list, const char *id, uint64_t messages, uint64_t size)
{
    SparkOperation *operation = calloc(1, sizeof(*operation));
    if (!operation)
        abort();
    *operation = (SparkOperation){.next = *list, .messages = messages, .size = size};
    snprintf(operation->id, sizeof(operation->id), "%s", id);
    *list = operation;
    unsigned n = 0;
    for (SparkOperation *at = *list; at; at = at->next) /* only the latest thousand are remembered */
        if (++n == 1000) {
            while (at->next) {
                SparkOperation *old = at->next;
                at->next = old->next;
                free(old);
            }
        }
}

const SparkOperation *spark_operation_find(const SparkOperation *list, const char *id)
{
    while (list && strcmp(list->id, id) != 0)
        list = list->next;
    return list;
}
