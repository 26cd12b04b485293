#include "rpc/status_amend.h"

#include <stdint.h>
#include <string.h>

#include "rpc/status.h"

#define MESSAGE_TAG 0x12 /* field 2 of google.rpc.Status, with a length */

/* ---- the fields of the Status */

typedef struct Reader {
    const uint8_t *next, *end;
} Reader;

static bool read_varint(Reader *reader, uint64_t *ret_value)
{
    *ret_value = 0;
    for (unsigned shift = 0; shift < 64 && reader->next < reader->end; shift += 7) {
        uint8_t byte = *reader->next++;
        *ret_value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool skip_bytes(Reader *reader, uint64_t length)
{
    if (length > (uint64_t)(reader->end - reader->next))
        return false;
    reader->next += length;
    return true;
}

static bool skip_value(Reader *reader, uint64_t tag)
{
    uint64_t value;
    switch (tag & 7) {
    case 0: return read_varint(reader, &value);
    case 1: return skip_bytes(reader, 8);
    case 2: return read_varint(reader, &value) && skip_bytes(reader, value);
    case 5: return skip_bytes(reader, 4);
    default: return false;
    }
}

/* Where the message's field lies; all of it NULL when there is none. */
typedef struct MessageField {
    const uint8_t *begin, *text, *end;
} MessageField;

static bool find_message(const Text *status, MessageField *ret_field)
{
    const uint8_t *bytes = (const uint8_t *)status->bytes;
    Reader reader = {bytes, bytes + status->length};
    *ret_field = (MessageField){NULL, NULL, NULL};
    while (reader.next < reader.end) {
        const uint8_t *begin = reader.next;
        uint64_t tag;
        if (!read_varint(&reader, &tag))
            return false;
        Reader value = reader;
        if (!skip_value(&reader, tag))
            return false;
        uint64_t length;
        if (tag == MESSAGE_TAG && read_varint(&value, &length)) /* the last one counts */
            *ret_field = (MessageField){begin, value.next, reader.next};
    }
    return true;
}

static void append_message_field(Text *text, const char *message)
{
    uint64_t length = strlen(message);
    char byte = MESSAGE_TAG;
    text_append_bytes(text, &byte, 1);
    for (; length >= 0x80; length >>= 7) {
        byte = (char)(length | 0x80);
        text_append_bytes(text, &byte, 1);
    }
    byte = (char)length;
    text_append_bytes(text, &byte, 1);
    text_append(text, message);
}

static bool says_the_same(const MessageField *field, const char *message)
{
    size_t length = (size_t)(field->end - field->text);
    return length == strlen(message) && (length == 0 || memcmp(field->text, message, length) == 0);
}

/* ---- both */

static bool amend_details(const StatusWords *words, const char *sentence, Text *ret_details)
{
    _cleanup_(text_deinit) Text status = TEXT_NULL;
    _cleanup_(text_deinit) Text amended = TEXT_NULL;
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    _cleanup_(mem_freep) char *decoded = status_decode_message(words->message, words->message_length);
    MessageField field;
    if (!status_decode_base64(words->details, words->details_length, &status) ||
        !find_message(&status, &field) || !says_the_same(&field, decoded))
        return false;
    const char *bytes = status.bytes;
    size_t n_before = field.begin ? (size_t)((const char *)field.begin - bytes) : status.length;
    size_t n_after = field.begin ? status.length - (size_t)((const char *)field.end - bytes) : 0;
    text_append(&message, decoded);
    text_append(&message, sentence);
    text_append_bytes(&amended, bytes, n_before);
    append_message_field(&amended, text_string(&message));
    text_append_bytes(&amended, bytes + status.length - n_after, n_after);
    status_append_base64(ret_details, (const uint8_t *)amended.bytes, amended.length);
    return true;
}

bool status_amend(const StatusWords *words, const char *sentence, Text *ret_message, Text *ret_details)
{
    if (words->details && !amend_details(words, sentence, ret_details))
        return false;
    text_append_bytes(ret_message, words->message, words->message_length);
    status_append_message(ret_message, sentence);
    return true;
}
