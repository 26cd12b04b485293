#include "rpc/status.h"

#include "base/base64.h"
#include "base/utf8.h"

#include "proto/status.pb-c.h"

static const char *const names[] = {
    [STATUS_OK] = "OK",
    [STATUS_CANCELLED] = "CANCELLED",
    [STATUS_UNKNOWN] = "UNKNOWN",
    [STATUS_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [STATUS_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [STATUS_NOT_FOUND] = "NOT_FOUND",
    [STATUS_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [STATUS_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [STATUS_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [STATUS_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [STATUS_ABORTED] = "ABORTED",
    [STATUS_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [STATUS_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [STATUS_INTERNAL] = "INTERNAL",
    [STATUS_UNAVAILABLE] = "UNAVAILABLE",
    [STATUS_DATA_LOSS] = "DATA_LOSS",
    [STATUS_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *status_name(uint32_t code)
{
    return code < sizeof(names) / sizeof(names[0]) ? names[code] : names[STATUS_UNKNOWN];
}

bool status_parse(const char *value, size_t length, uint32_t *ret_code)
{
    if (length < 1 || length > 2)
        return false;
    uint32_t code = 0;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        code = code * 10 + (uint32_t)(value[i] - '0');
    }
    *ret_code = code;
    return true;
}

StatusCode status_from_http(unsigned http_status)
{
    switch (http_status) {
    case 400: return STATUS_INTERNAL;
    case 401: return STATUS_UNAUTHENTICATED;
    case 403: return STATUS_PERMISSION_DENIED;
    case 404: return STATUS_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return STATUS_UNAVAILABLE;
    default: return STATUS_UNKNOWN;
    }
}

/*
 * Appends `string` with '?' for what is not UTF-8: clients refuse a Status whose strings are not UTF-8, and
 * one whose message differs from grpc-message, so both go through here.
 */
static void append_utf8(Text *text, const char *string)
{
    while (*string) {
        size_t n = utf8_character_length(string);
        text_append_bytes(text, n ? string : "?", n ? n : 1);
        string += n ? n : 1;
    }
}

void status_append_message(Text *text, const char *message)
{
    Text clean _cleanup_(text_deinit) = TEXT_NULL;
    append_utf8(&clean, message);
    for (size_t i = 0; i < clean.length; i++) {
        uint8_t byte = (uint8_t)clean.bytes[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%')
            text_append_bytes(text, &clean.bytes[i], 1);
        else
            text_printf(text, "%%%02X", byte);
    }
}

void status_append_base64(Text *text, const uint8_t *bytes, size_t length)
{
    _cleanup_(mem_freep) char *encoded = mem_alloc(base64_length(length) + 1);
    size_t n = base64_encode(bytes, length, false, encoded);
    while (n > 0 && encoded[n - 1] == '=')
        n--;
    text_append_bytes(text, encoded, n);
}

bool status_decode_base64(const char *text, size_t length, Text *bytes)
{
    _cleanup_(mem_freep) char *decoded = mem_alloc(length + 1);
    size_t n;
    bool is_base64 = base64_decode(text, length, false, decoded, &n);
    text_append_bytes(bytes, decoded, n);
    return is_base64;
}

/* A copy as append_utf8() has it, for a message that is freed as a whole. */
static char *copy_utf8(const char *string)
{
    Text text = TEXT_NULL;
    append_utf8(&text, string);
    return text_take(&text);
}

/* Packs `message` into memory that the caller frees. */
static uint8_t *pack(const ProtobufCMessage *message, size_t *ret_length)
{
    uint8_t *bytes = mem_alloc(protobuf_c_message_get_packed_size(message));
    *ret_length = protobuf_c_message_pack(message, bytes);
    return bytes;
}

typedef Sparkbouncer__Status__Any Any;
typedef Sparkbouncer__Status__ErrorInfo ErrorInfo;
typedef Sparkbouncer__Status__ErrorInfo__MetadataEntry MetadataEntry;
typedef Sparkbouncer__Status__Status Status;

static Any *any_new(const char *type_url, const ProtobufCMessage *message)
{
    Any *any = mem_new(Any);
    sparkbouncer__status__any__init(any);
    any->type_url = mem_copy_string(type_url);
    any->value.data = pack(message, &any->value.len);
    return any;
}

static MetadataEntry *metadata_entry_new(const char *key, const char *value)
{
    MetadataEntry *entry = mem_new(MetadataEntry);
    sparkbouncer__status__error_info__metadata_entry__init(entry);
    entry->key = copy_utf8(key);
    entry->value = copy_utf8(value);
    return entry;
}

static Any *error_info_new(const StatusDetails *details)
{
    size_t n_strings = 0;
    while (details->metadata && details->metadata[n_strings])
        n_strings++;
    ErrorInfo *info = mem_new(ErrorInfo);
    sparkbouncer__status__error_info__init(info);
    info->reason = copy_utf8(details->reason);
    info->domain = mem_copy_string("sparkbouncer");
    info->metadata = mem_alloc_zeroed(n_strings / 2, sizeof(MetadataEntry *));
    for (size_t i = 0; i + 1 < n_strings; i += 2)
        info->metadata[info->n_metadata++] =
            metadata_entry_new(details->metadata[i], details->metadata[i + 1]);
    Any *any = any_new("type.googleapis.com/google.rpc.ErrorInfo", &info->base);
    sparkbouncer__status__error_info__free_unpacked(info, NULL);
    return any;
}

static Any *retry_info_new(uint64_t retry_after_ms)
{
    Sparkbouncer__Status__RetryInfo info = SPARKBOUNCER__STATUS__RETRY_INFO__INIT;
    Sparkbouncer__Status__Duration delay = SPARKBOUNCER__STATUS__DURATION__INIT;
    delay.seconds = (int64_t)(retry_after_ms / 1000);
    delay.nanos = (int32_t)(retry_after_ms % 1000) * 1000000;
    info.retry_delay = &delay;
    return any_new("type.googleapis.com/google.rpc.RetryInfo", &info.base);
}

void status_append_details(Text *text, StatusCode code, const char *message, const StatusDetails *details)
{
    Status *status = mem_new(Status);
    sparkbouncer__status__status__init(status);
    status->code = (int32_t)code;
    status->message = copy_utf8(message);
    status->details = mem_alloc_zeroed(2, sizeof(Any *));
    status->details[status->n_details++] = error_info_new(details);
    if (details->retry_after_ms > 0)
        status->details[status->n_details++] = retry_info_new(details->retry_after_ms);
    size_t length = 0;
    uint8_t *bytes _cleanup_(mem_freep) = pack(&status->base, &length);
    status_append_base64(text, bytes, length);
    sparkbouncer__status__status__free_unpacked(status, NULL);
}

char *status_decode_message(const char *value, size_t length)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < length; i++) {
        int high = value[i] == '%' && i + 2 < length ? text_hex_digit(value[i + 1]) : -1;
        int low = high >= 0 ? text_hex_digit(value[i + 2]) : -1;
        char c = low >= 0 ? (char)(high * 16 + low) : value[i];
        i += low >= 0 ? 2 : 0;
        text_append_bytes(&text, &c, 1);
    }
    return text_take(&text);
}
