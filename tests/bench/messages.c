#include "messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ORDER_MESSAGES   1000
#define ORDER_SIZE       1001
#define ORDER_STAYS_OPEN 1002

static const char client_type[] = "_SPARK_CONNECT_PYTHON spark/4.3.0 os/linux python/3.11.2";
static const char server_session[] = "5e55de00-0000-4000-8000-00000000000b";

static void append_head(Bytes *out, const char *session)
{
    static const uint8_t user[] = {0x0a, 5, 'b', 'e', 'n', 'c', 'h'};
    wire_string(out, 1, session);
    wire_bytes(out, 2, user, sizeof(user));
}

/* A length-delimited field as long as its content makes it; the content is `length` times the letter x. */
static void append_padding(Bytes *out, unsigned field, size_t length)
{
    char padding[UNARY_SIZE];
    memset(padding, 'x', sizeof(padding));
    wire_bytes(out, field, padding, length < sizeof(padding) ? length : sizeof(padding));
}

void message_config(Bytes *out, const char *session)
{
    Bytes operation = BYTES_NULL, get = BYTES_NULL;
    append_head(out, session);
    wire_string(out, 4, client_type);
    append_padding(&get, 1, UNARY_SIZE - out->length - 6); /* one key, which takes three tags and lengths */
    wire_bytes(&operation, 2, get.data, get.length);
    wire_bytes(out, 3, operation.data, operation.length);
    bytes_deinit(&operation);
    bytes_deinit(&get);
}

void message_execute(Bytes *out, const char *session, const char *operation, const Order *order)
{
    static const uint8_t reattachable[] = {0x0a, 2, 8, 1};
    static const uint8_t plan[] = {0x0a, 4, 0x12, 2, 0x10, 1};
    append_head(out, session);
    wire_bytes(out, 3, plan, sizeof(plan));
    wire_string(out, 4, client_type);
    wire_bytes(out, 5, reattachable, sizeof(reattachable));
    wire_string(out, 6, operation);
    wire_number(out, ORDER_MESSAGES, order->messages);
    wire_number(out, ORDER_SIZE, order->size);
    wire_number(out, ORDER_STAYS_OPEN, order->stays_open);
}

void message_release(Bytes *out, const char *session, const char *operation, const char *response)
{
    Bytes until = BYTES_NULL;
    append_head(out, session);
    wire_string(out, 3, operation);
    wire_string(out, 4, client_type);
    if (response)
        wire_string(&until, 1, response);
    wire_bytes(out, response ? 6 : 5, until.data, until.length);
    wire_string(out, 7, server_session);
    bytes_deinit(&until);
}

static size_t number_length(uint64_t value)
{
    size_t length = 1;
    for (; value >= 0x80; value >>= 7)
        length++;
    return length;
}

void message_artifact(Bytes *out, const char *session, uint64_t index, size_t chunk, uint64_t total)
{
    size_t content = 1 + number_length(chunk) + chunk; /* ArtifactChunk, with its only field */
    append_head(out, session);
    wire_string(out, 6, client_type);
    if (index == 0) {
        Bytes begin = BYTES_NULL;
        wire_string(&begin, 1, "cache/bench");
        wire_number(&begin, 2, total);
        wire_number(&begin, 3, (total + chunk - 1) / chunk);
        wire_bytes_header(out, 4, begin.length + 1 + number_length(content) + content);
        bytes_append(out, begin.data, begin.length);
        wire_bytes_header(out, 4, content);
        bytes_deinit(&begin);
    } else {
        wire_bytes_header(out, 5, content);
    }
    wire_bytes_header(out, 1, chunk);
}

bool message_find_response_id(const uint8_t *end, size_t length, const char *operation, char ret_id[ID_SIZE])
{
    size_t n = strlen(operation);
    const uint8_t *at = memmem(end, length, operation, n);
    if (!at || (size_t)(end + length - at) < n + 2 + ID_SIZE - 1)
        return false;
    at += n;
    if (at[0] != (13 << 3 | 2) || at[1] != ID_SIZE - 1)
        return false;
    memcpy(ret_id, at + 2, ID_SIZE - 1);
    ret_id[ID_SIZE - 1] = '\0';
    return true;
}

Order message_read_order(const uint8_t *request, size_t length)
{
    const uint8_t *at = request, *end = request + length;
    Order order = {0};
    WireField field;
    while (wire_next(&at, end, &field) > 0) {
        if (field.number == ORDER_MESSAGES)
            order.messages = field.value;
        else if (field.number == ORDER_SIZE)
            order.size = field.value;
        else if (field.number == ORDER_STAYS_OPEN)
            order.stays_open = field.value != 0;
    }
    return order;
}

void message_answer(Bytes *out, const SparkMethod *method, const SparkRequest *request, const char *note)
{
    spark_answer(out, method, request, server_session, note);
    if (strcmp(method->name, "Config") == 0 && out->length + 8 < UNARY_SIZE) {
        Bytes pair = BYTES_NULL;
        append_padding(&pair, 1, UNARY_SIZE - out->length - 4);
        wire_bytes(out, 2, pair.data, pair.length);
        bytes_deinit(&pair);
    }
}

static void append_ids(Bytes *out, const SparkRequest *request, uint64_t index, bool complete)
{
    char id[64];
    snprintf(id, sizeof(id), "%08" PRIx64 "-0000-4000-8000-00000000000b", index & 0xffffffff);
    wire_string(out, 12, request->operation);
    wire_string(out, 13, id);
    if (complete)
        wire_bytes(out, 14, NULL, 0);
    wire_string(out, 15, server_session);
}

void message_result(Bytes *head, Bytes *tail, const SparkRequest *request, uint64_t index, size_t size)
{
    wire_string(head, 1, request->session);
    wire_bytes_header(head, 2, 2 + 1 + number_length(size) + size);
    wire_number(head, 1, 1);
    wire_bytes_header(head, 2, size);
    append_ids(tail, request, index, false);
}

void message_complete(Bytes *out, const SparkRequest *request, uint64_t index)
{
    wire_string(out, 1, request->session);
    append_ids(out, request, index, true);
}
