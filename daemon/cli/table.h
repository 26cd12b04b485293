#pragma once

/* Table: cells and values for people to read in a terminal. Text is taken as UTF-8, one column a character;
 * control characters become "?". Pure; any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define TABLE_WIDTH 80

/* The value cut or filled up to `width` columns, then a space; the last one of a row is only cut. */
void table_append_cell(Text *text, const char *value, size_t width, bool is_last);
/* The value as it is, but for control characters. NULL: nothing. */
void table_append_plain(Text *text, const char *value);
/* Words in lines of TABLE_WIDTH, each after `indent`; words that are longer are cut. Ends with a newline. */
void table_append_wrapped(Text *text, const char *value, const char *indent);

/* At most 6 characters: "12345", "1.2M" */
void table_append_count(Text *text, uint64_t count);
/* At most 7 characters: "512 B", "5.2 MiB" */
void table_append_bytes(Text *text, uint64_t bytes);
/* At most 6 characters: "12ms", "2m13s", "5h07m", "3d04h", "123d" */
void table_append_duration(Text *text, uint64_t ms);
