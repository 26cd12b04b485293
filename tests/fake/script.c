#include "script.h"

#include <stdlib.h>
#include <string.h>

void script_init(Script *script)
{
    *script = (Script){.messages = 1};
}

void script_deinit(Script *script)
{
    bytes_deinit(&script->message);
    bytes_deinit(&script->details);
}

void script_copy(Script *script, const Script *from)
{
    if (script == from)
        return;
    script_deinit(script);
    *script = *from;
    script->message = script->details = (Bytes)BYTES_NULL;
    bytes_append(&script->message, from->message.data, from->message.length);
    bytes_append(&script->details, from->details.data, from->details.length);
}

static bool percent_decode(Bytes *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            bytes_append(out, text + i, 1);
            continue;
        }
        if (i + 2 >= length || !bytes_parse_hex(out, text + i + 1, 2))
            return false;
        i += 2;
    }
    return true;
}

static bool parse_number(const char *text, size_t length, uint64_t *ret_value)
{
    char copy[24] = "", *end;
    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    *ret_value = strtoull(copy, &end, 10);
    return *end == '\0';
}

static bool key_is(const char *key, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(key, name, length) == 0;
}

static bool *find_switch(Script *script, const char *key, size_t length)
{
    const struct {
        const char *name;
        bool *value;
    } switches[] = {
        {"echo", &script->echo},
        {"hang", &script->hang},
        {"early", &script->early},
        {"trailers_only", &script->trailers_only},
        {"headers_first", &script->headers_first},
        {"summary", &script->summary},
        {"raw", &script->raw},
        {"no_complete", &script->no_complete},
        {"joins", &script->joins},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        if (key_is(key, length, switches[i].name))
            return switches[i].value;
    return NULL;
}

static bool set_number(Script *script, const char *key, size_t length, uint64_t value)
{
    const struct {
        const char *name;
        unsigned *small;
        uint64_t *large;
        bool *has;
    } numbers[] = {
        {"messages", NULL, &script->messages, &script->has_messages},
        {"size", NULL, &script->size, &script->has_size},
        {"consume", NULL, &script->consume, &script->has_consume},
        {"segment", NULL, &script->segment, NULL},
        {"segment_times", NULL, &script->segment_times, NULL},
        {"forget", NULL, &script->forget, NULL},
        {"corrupt", NULL, &script->corrupt, NULL},
        {"first_delay_ms", &script->first_delay_ms, NULL, NULL},
        {"delay_ms", &script->delay_ms, NULL, NULL},
        {"resume_ms", &script->resume_ms, NULL, NULL},
        {"stall_ms", &script->stall_ms, NULL, NULL},
        {"sender_ms", &script->sender_ms, NULL, NULL},
        {"detached_ms", &script->detached_ms, NULL, NULL},
        {"reattach_ms", &script->reattach_ms, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (!key_is(key, length, numbers[i].name))
            continue;
        if (numbers[i].small)
            *numbers[i].small = (unsigned)value;
        else
            *numbers[i].large = value;
        if (numbers[i].has)
            *numbers[i].has = true;
        return true;
    }
    int *status = key_is(key, length, "status")           ? &script->status
                  : key_is(key, length, "segment_status") ? &script->segment_status
                                                          : NULL;
    if (status)
        *status = (int)value;
    return status != NULL;
}

static bool parse_pair(Script *script, const char *pair, size_t length)
{
    const char *equals = memchr(pair, '=', length);
    if (!equals) {
        bool *value = find_switch(script, pair, length);
        if (value)
            *value = true;
        return value != NULL;
    }
    size_t key = (size_t)(equals - pair), n_value = length - key - 1;
    const char *value = equals + 1;
    uint64_t number;
    if (key_is(pair, key, "message"))
        return percent_decode(&script->message, value, n_value);
    if (key_is(pair, key, "details"))
        return bytes_parse_hex(&script->details, value, n_value);
    if (key_is(pair, key, "compress"))
        return script->gzip = key_is(value, n_value, "gzip");
    return parse_number(value, n_value, &number) && set_number(script, pair, key, number);
}

bool script_parse(Script *script, const char *text, size_t length, size_t *ret_bad)
{
    script->is_set = true;
    for (size_t at = 0; at < length;) {
        const char *comma = memchr(text + at, ',', length - at);
        size_t end = comma ? (size_t)(comma - text) : length;
        if (end > at && !parse_pair(script, text + at, end - at)) {
            *ret_bad = at;
            return false;
        }
        at = end + 1;
    }
    return true;
}
