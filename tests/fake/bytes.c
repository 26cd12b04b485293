#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_deinit(Bytes *bytes)
{
    free(bytes->data);
    *bytes = (Bytes)BYTES_NULL;
}

uint8_t *bytes_extend(Bytes *bytes, size_t length)
{
    if (!bytes->data || bytes->capacity - bytes->length < length) {
        size_t capacity = bytes->capacity * 2 + length + 64;
        bytes->data = realloc(bytes->data, capacity);
        if (!bytes->data)
            abort();
        bytes->capacity = capacity;
    }
    uint8_t *room = bytes->data + bytes->length;
    bytes->length += length;
    return room;
}

void bytes_append(Bytes *bytes, const void *data, size_t length)
{
    if (length > 0)
        memcpy(bytes_extend(bytes, length), data, length);
}

void bytes_printf(Bytes *bytes, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        abort();
    bytes_append(bytes, text, (size_t)length);
    free(text);
}

void bytes_json_string(Bytes *bytes, const void *data, size_t length)
{
    const uint8_t *at = data;
    bytes_append(bytes, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        if (at[i] < 0x20 || at[i] > 0x7e || at[i] == '"' || at[i] == '\\')
            bytes_printf(bytes, "\\u%04x", at[i]);
        else
            bytes_append(bytes, at + i, 1);
    }
    bytes_append(bytes, "\"", 1);
}

void bytes_json_hex(Bytes *bytes, const void *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = data;
    uint8_t *out = bytes_extend(bytes, length * 2 + 2);
    *out++ = '"';
    for (size_t i = 0; i < length; i++) {
        *out++ = (uint8_t)digits[at[i] >> 4];
        *out++ = (uint8_t)digits[at[i] & 15];
    }
    *out = '"';
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool bytes_parse_hex(Bytes *bytes, const char *digits, size_t length)
{
    size_t before = bytes->length;
    for (size_t i = 0; i + 1 < length; i += 2) {
        int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
        if (high < 0 || low < 0) {
            bytes->length = before;
            return false;
        }
        uint8_t byte = (uint8_t)(high << 4 | low);
        bytes_append(bytes, &byte, 1);
    }
    return length % 2 == 0;
}

static void wire_varint(Bytes *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *bytes_extend(bytes, 1) = (uint8_t)(value | 0x80);
    *bytes_extend(bytes, 1) = (uint8_t)value;
}

void wire_number(Bytes *bytes, unsigned field, uint64_t value)
{
    wire_varint(bytes, (uint64_t)field << 3);
    wire_varint(bytes, value);
}

void wire_bytes_header(Bytes *bytes, unsigned field, size_t length)
{
    wire_varint(bytes, (uint64_t)field << 3 | 2);
    wire_varint(bytes, length);
}

void wire_bytes(Bytes *bytes, unsigned field, const void *data, size_t length)
{
    wire_bytes_header(bytes, field, length);
    bytes_append(bytes, data, length);
}

void wire_string(Bytes *bytes, unsigned field, const char *string)
{
    wire_bytes(bytes, field, string, strlen(string));
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

int wire_next(const uint8_t **at, const uint8_t *end, WireField *ret_field)
{
    uint64_t tag = 0, length = 0;
    if (*at == end)
        return 0;
    if (!read_varint(at, end, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return -1;
    *ret_field = (WireField){.number = (unsigned)(tag >> 3)};
    switch (tag & 7) {
    case 0: return read_varint(at, end, &ret_field->value) ? 1 : -1;
    case 1: length = 8; break;
    case 5: length = 4; break;
    case 2:
        if (!read_varint(at, end, &length))
            return -1;
        ret_field->bytes = *at;
        break;
    default: return -1;
    }
    if (length > (uint64_t)(end - *at))
        return -1;
    ret_field->length = (size_t)length;
    *at += length;
    return 1;
}

bool wire_find(const uint8_t *message, size_t length, unsigned number, WireField *ret_field)
{
    const uint8_t *at = message, *end = message + length;
    WireField field;
    bool found = false;
    int r;
    while ((r = wire_next(&at, end, &field)) > 0)
        if (field.number == number && field.bytes) {
            *ret_field = field;
            found = true;
        }
    return r == 0 && found;
}
