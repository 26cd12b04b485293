#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void reserve(Text *text, size_t more)
{
    if (text->capacity - text->length > more)
        return;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity - text->length <= more)
        capacity *= 2;
    text->bytes = mem_resize(text->bytes, capacity);
    text->capacity = capacity;
}

void text_deinit(Text *text)
{
    free(text->bytes);
    *text = (Text)TEXT_NULL;
}

void text_clear(Text *text)
{
    text->length = 0;
    if (text->bytes)
        text->bytes[0] = '\0';
}

void text_append_bytes(Text *text, const char *bytes, size_t length)
{
    reserve(text, length);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_append(Text *text, const char *string)
{
    text_append_bytes(text, string, strlen(string));
}

void text_vprintf(Text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    reserve(text, 127);
    int n = vsnprintf(text->bytes + text->length, text->capacity - text->length, format, arguments);
    if (n > 0 && (size_t)n >= text->capacity - text->length) {
        reserve(text, (size_t)n);
        (void)vsnprintf(text->bytes + text->length, text->capacity - text->length, format, again);
    }
    if (n > 0)
        text->length += (size_t)n;
    va_end(again);
}

void text_printf(Text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(text, format, arguments);
    va_end(arguments);
}

const char *text_string(const Text *text)
{
    return text->bytes ? text->bytes : "";
}

char *text_take(Text *text)
{
    char *bytes = text->bytes ? text->bytes : mem_copy_string("");
    *text = (Text)TEXT_NULL;
    return bytes;
}

bool text_is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
