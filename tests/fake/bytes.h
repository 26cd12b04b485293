#pragma once

/*
 * Bytes: a growing byte buffer, with the two notations that the fake ends write: JSON and protobuf. Aborts
 * when memory is gone. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Bytes {
    uint8_t *data;
    size_t length, capacity;
} Bytes;

#define BYTES_NULL                                                                                           \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

void bytes_deinit(Bytes *bytes);
/* Room for `length` more bytes at the end, counted in at once; the caller fills them. */
uint8_t *bytes_extend(Bytes *bytes, size_t length);
void bytes_append(Bytes *bytes, const void *data, size_t length);
void bytes_printf(Bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A quoted JSON string; bytes above 0x7e and below 0x20 become \u00XX, so any value passes. */
void bytes_json_string(Bytes *bytes, const void *data, size_t length);
/* A quoted JSON string of hexadecimal digits. */
void bytes_json_hex(Bytes *bytes, const void *data, size_t length);
/* Reads hexadecimal digits; false (and nothing appended) when they are not. */
bool bytes_parse_hex(Bytes *bytes, const char *digits, size_t length);

/* Protobuf fields. */
void wire_number(Bytes *bytes, unsigned field, uint64_t value);
void wire_bytes(Bytes *bytes, unsigned field, const void *data, size_t length);
void wire_string(Bytes *bytes, unsigned field, const char *string);
/* The tag and length of a field of `length` bytes that the caller appends itself. */
void wire_bytes_header(Bytes *bytes, unsigned field, size_t length);

typedef struct WireField {
    unsigned number;
    uint64_t value;       /* varint or fixed fields */
    const uint8_t *bytes; /* NULL but for length-delimited fields */
    size_t length;
} WireField;

/* Reads the field at *at and moves on. 1: *ret_field is set; 0: end; -1: malformed. */
int wire_next(const uint8_t **at, const uint8_t *end, WireField *ret_field);
/* The last length-delimited field of that number; false when there is none or the message is malformed. */
bool wire_find(const uint8_t *message, size_t length, unsigned number, WireField *ret_field);
