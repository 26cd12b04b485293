#pragma once

/* Text: a growing string, always terminated. For messages, reports and files; not for the hot path. Any
 * thread. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

typedef struct Text {
    char *bytes; /* NULL until something is appended; text_string() then gives "" */
    size_t length, capacity;
} Text;

#define TEXT_NULL                                                                                            \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

void text_deinit(Text *text);
void text_clear(Text *text);
void text_append(Text *text, const char *string);
void text_append_bytes(Text *text, const char *bytes, size_t length);
void text_printf(Text *text, const char *format, ...) _printf_(2, 3);
void text_vprintf(Text *text, const char *format, va_list arguments) _printf_(2, 0);
/* The string; owned by the text, valid until the next call on it. */
const char *text_string(const Text *text);
/* Both NULL, or the same string. */
bool text_is_same(const char *a, const char *b);
/* The value of a hexadecimal digit; -1: it is none. */
int text_hex_digit(char c);
/* Hands the string to the caller (free()) and leaves the text empty. Never NULL. */
char *text_take(Text *text);
