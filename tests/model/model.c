#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frame_bytes.h"
#include "virtual_clock.h"

Model model;

void model_reset(void)
{
    bool is_told = model.is_told;
    for (unsigned i = 0; i < model.n_operations; i++)
        text_deinit(&model.operations[i].bytes);
    memset(&model, 0, sizeof model);
    model.is_told = is_told;
}

const char *model_operation_id(const ModelOperation *operation)
{
    static char id[32];
    (void)snprintf(id, sizeof id, "op-%u", operation->number);
    return id;
}

const char *model_response_id(const ModelOperation *operation, unsigned index)
{
    static char id[32];
    (void)snprintf(id, sizeof id, "re-%u-%u", operation->number, index);
    return id;
}

const char *model_session_id(unsigned client)
{
    static const char *const IDS[MODEL_N_CLIENTS] = {"session-0", "session-1"};
    return IDS[client];
}

unsigned model_count_up_to(const ModelOperation *operation, const char *id)
{
    for (unsigned i = 0; i < operation->n_responses; i++)
        if (strcmp(model_response_id(operation, i), id) == 0)
            return i + 1;
    return 0;
}

size_t model_length_of(const ModelOperation *operation, unsigned n)
{
    return n == 0 ? 0 : operation->ends[n - 1];
}

unsigned model_count_whole(const ModelOperation *operation, size_t length)
{
    unsigned n = 0;
    while (n < operation->n_responses && operation->ends[n] <= length)
        n++;
    return n;
}

ModelOperation *model_find_operation(const char *id)
{
    for (unsigned i = 0; id && i < model.n_operations; i++)
        if (strcmp(model_operation_id(&model.operations[i]), id) == 0)
            return &model.operations[i];
    return NULL;
}

/* ---- responses */

/* Bytes that no other response has in the same place. */
static void add_payload(Text *message, const ModelOperation *operation, unsigned index, size_t length)
{
    static char bytes[128 * 1024];
    uint32_t state = (operation->number * 31 + index) * 2654435761u + 1;
    uint8_t head[] = {8 << 3 | 2, (uint8_t)((length & 0x7f) | 0x80), (uint8_t)((length >> 7 & 0x7f) | 0x80),
                      (uint8_t)(length >> 14)};
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (char)(state >> 24);
    }
    bytes_add(message, head, sizeof head);
    bytes_add(message, bytes, length);
}

static void add_response(ModelOperation *operation, size_t length)
{
    static const uint8_t SERVER_SESSION[] = {15 << 3 | 2, 3, 's', 'r', 'v'};
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    unsigned index = operation->n_responses;
    field_add(&message, 1, model_session_id(operation->client));
    bytes_add(&message, SERVER_SESSION, sizeof SERVER_SESSION);
    if (index % 2) /* the id may stand before or behind the data */
        field_add(&message, 13, model_response_id(operation, index));
    add_payload(&message, operation, index, length);
    if (index % 2 == 0)
        field_add(&message, 13, model_response_id(operation, index));
    if (length == 0)
        field_add(&message, 14, ""); /* result_complete */
    text_append_bytes(&operation->bytes, "", 1);
    bytes_add_u32(&operation->bytes, (uint32_t)message.length);
    bytes_add(&operation->bytes, message.bytes, message.length);
    operation->ends[index] = operation->bytes.length;
    operation->n_responses++;
}

ModelOperation *model_add_operation(unsigned client, bool is_reattachable, uint32_t traits)
{
    static const size_t LENGTHS[] = {1, 20, 100, 3000, 20000, 90000};
    if (model.n_operations == MODEL_MAX_OPERATIONS)
        return NULL;
    ModelOperation *operation = &model.operations[model.n_operations];
    operation->number = model.n_operations++;
    operation->client = client;
    operation->is_reattachable = is_reattachable;
    unsigned n = traits % 7, largest = traits / 8 % 16;
    largest = largest < 10 ? 3 : largest < 14 ? 5 : 6;
    for (unsigned i = 0; i < n; i++)
        add_response(operation, LENGTHS[(traits >> (8 + 2 * i)) % 31 % largest]);
    add_response(operation, 0);
    return operation;
}

/* ---- what is said */

void model_violated(const char *format, ...)
{
    va_list arguments;
    if (model_is_violated())
        return;
    model.rule = format;
    va_start(arguments, format);
    (void)vsnprintf(model.violation, sizeof model.violation, format, arguments);
    va_end(arguments);
    model_tell("VIOLATION: %s", model.violation);
}

void model_tell(const char *format, ...)
{
    va_list arguments;
    if (!model.is_told)
        return;
    (void)printf("    %7.3f  ", (double)(virtual_clock_ms() - 1000 * 1000) / 1000);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
}
