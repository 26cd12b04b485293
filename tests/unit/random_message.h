#pragma once

/*
 * Random messages in their wire form: every field of a descriptor, repeated, in any order, among unknown
 * ones. The same random_state gives the same message.
 */

#include "base/text.h"
#include "proto/envelope.pb-c.h"

static uint32_t random_state;

static inline uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

/* Sometimes longer than it must be, which every decoder accepts up to five bytes. */
static inline void write_varint(Text *out, uint64_t value)
{
    uint32_t n_padding = value < 128 && random_below(20) == 0 ? random_below(4) : 0;
    do {
        char byte = (char)((value & 0x7f) | (value > 0x7f || n_padding > 0 ? 0x80 : 0));
        text_append_bytes(out, &byte, 1);
        value >>= 7;
        if (value == 0 && !(byte & 0x80))
            return;
    } while (value > 0 || n_padding-- > 0);
}

static inline void write_number(Text *out, uint32_t number, uint64_t value)
{
    write_varint(out, (uint64_t)number << 3);
    write_varint(out, value);
}

static inline void write_bytes(Text *out, uint32_t number, const char *bytes, size_t length)
{
    write_varint(out, (uint64_t)number << 3 | 2);
    write_varint(out, length);
    text_append_bytes(out, bytes, length);
}

static inline void write_letters(Text *out, uint32_t number, size_t length)
{
    char letters[512];
    for (size_t i = 0; i < length; i++)
        letters[i] = (char)('a' + random_below(26));
    write_bytes(out, number, letters, length);
}

static inline void write_string(Text *out, uint32_t number)
{
    static const uint16_t lengths[] = {0, 1, 36, 36, 36, 36, 126, 127, 128, 129, 300};
    write_letters(out, number, lengths[random_below(sizeof(lengths) / sizeof(lengths[0]))]);
}

static inline void write_unknown(Text *out, const ProtobufCMessageDescriptor *descriptor)
{
    static const uint32_t far[] = {31, 999, 2048, 536870911};
    uint32_t number = random_below(3) ? 1 + random_below(30) : far[random_below(4)];
    if (protobuf_c_message_descriptor_get_field(descriptor, number))
        return;
    switch (random_below(4)) {
    case 0: write_number(out, number, random_below(2) ? UINT64_MAX : random_below(70000)); break;
    case 1:
        write_varint(out, (uint64_t)number << 3 | 1);
        text_append_bytes(out, "\377\200\0\1\2\3\4\5", 8);
        break;
    case 2:
        write_varint(out, (uint64_t)number << 3 | 5);
        text_append_bytes(out, "\377\377\377\377", 4);
        break;
    default: write_letters(out, number, random_below(4) ? random_below(20) : random_below(500));
    }
}

static inline bool is_written_once(const ProtobufCMessageDescriptor *descriptor)
{
    /* Within an element of request_options we and protobuf-c read repeated fields differently. */
    return descriptor == &sparkbouncer__envelope__request_option__descriptor ||
           descriptor == &sparkbouncer__envelope__reattach_options__descriptor;
}

static inline void write_message(Text *out, const ProtobufCMessageDescriptor *descriptor);

static inline void write_field(Text *out, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        write_string(out, field->id);
    } else if (field->type == PROTOBUF_C_TYPE_BOOL) {
        write_number(out, field->id, random_below(2));
    } else if (field->type == PROTOBUF_C_TYPE_INT32) {
        write_number(out, field->id, random_below(300));
    } else {
        Text child _cleanup_(text_deinit) = TEXT_NULL;
        write_message(&child, field->descriptor);
        write_bytes(out, field->id, text_string(&child), child.length);
    }
}

static inline void write_message(Text *out, const ProtobufCMessageDescriptor *descriptor)
{
    uint32_t n = random_below(2 * descriptor->n_fields + 2);
    if (is_written_once(descriptor))
        n = random_below(2);
    for (uint32_t i = 0; i < n; i++) {
        if (descriptor->n_fields == 0 || random_below(4) == 0)
            write_unknown(out, descriptor);
        else
            write_field(out, &descriptor->fields[random_below(descriptor->n_fields)]);
    }
}
