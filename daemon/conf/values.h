#pragma once

/*
 * Values: durations, sizes and the like as configuration spells them. Each function returns 0, or -EINVAL
 * and appends to `complaint` what is wrong and what to write instead, as the end of a sentence that begins
 * with the place and the value. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

/* yes, no, true, false, on, off, 1, 0; in any case. */
int value_parse_boolean(const char *text, bool *ret_boolean, Text *complaint) _must_check_;
/* A decimal number. */
int value_parse_count(const char *text, uint64_t *ret_count, Text *complaint) _must_check_;
/* 500ms, 20s, 4m30s, 1h; units in falling order, each once; 0 needs none. */
int value_parse_duration(const char *text, uint64_t *ret_ms, Text *complaint) _must_check_;
/* 65536, 64k, 64KiB, 4M, 4MiB, 1G, 1GiB: units of 1024. */
int value_parse_size(const char *text, uint64_t *ret_bytes, Text *complaint) _must_check_;
/* An octal file mode. */
int value_parse_mode(const char *text, mode_t *ret_mode, Text *complaint) _must_check_;

#define VALUE_SESSION_NAME_MAX 63
/* Letters, digits, '.', '_' and '-'; not empty, not too long. */
bool value_is_session_name(const char *text, size_t length);

/* The shortest spelling that parses to the same value. */
void value_append_duration(Text *text, uint64_t ms);
void value_append_size(Text *text, uint64_t bytes);
