#include "cli/table.h"

#include <inttypes.h>
#include <string.h>

/* ---- characters */

/* How many bytes the character at `at` has; malformed bytes count as one each. */
static size_t character_length(const char *at)
{
    unsigned char first = (unsigned char)*at;
    size_t length = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
    for (size_t i = 1; i < length; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80)
            return 1;
    return length;
}

static bool is_printable(const char *at, size_t length)
{
    unsigned char first = (unsigned char)at[0];
    if (length == 1)
        return first >= 0x20 && first < 0x7f;
    return !(first == 0xc2 && (unsigned char)at[1] < 0xa0); /* U+0080 to U+009F: controls too */
}

/* Returns what follows the character. */
static const char *append_character(Text *text, const char *at)
{
    size_t length = character_length(at);
    if (is_printable(at, length))
        text_append_bytes(text, at, length);
    else
        text_append(text, "?");
    return at + length;
}

static size_t count_columns(const char *value)
{
    size_t columns = 0;
    for (; *value; value += character_length(value))
        columns++;
    return columns;
}

/* ---- cells and lines */

void table_append_cell(Text *text, const char *value, size_t width, bool is_last)
{
    size_t columns = count_columns(value), n_shown = columns > width ? width - 1 : columns;
    for (size_t i = 0; i < n_shown; i++)
        value = append_character(text, value);
    if (columns > width)
        text_append(text, "\u2026");
    else if (!is_last)
        text_printf(text, "%*s", (int)(width - columns), "");
    if (!is_last)
        text_append(text, " ");
}

void table_append_plain(Text *text, const char *value)
{
    while (value && *value)
        value = append_character(text, value);
}

void table_append_wrapped(Text *text, const char *value, const char *indent)
{
    size_t column = 0, first = strlen(indent);
    while (*(value += strspn(value, " "))) {
        _cleanup_(mem_freep) char *word = mem_copy_bytes_as_string(value, strcspn(value, " "));
        size_t width = count_columns(word);
        if (column > 0 && column + 1 + width > TABLE_WIDTH) {
            text_append(text, "\n");
            column = 0;
        }
        text_append(text, column == 0 ? indent : " ");
        table_append_cell(text, word, TABLE_WIDTH - first, true);
        column += (column == 0 ? first : 1) + width;
        value += strlen(word);
    }
    text_append(text, "\n");
}

/* ---- values */

void table_append_count(Text *text, uint64_t count)
{
    static const char UNITS[] = "kMGTPE";
    double scaled = (double)count;
    size_t unit = 0;
    if (count < 100000) {
        text_printf(text, "%" PRIu64, count);
        return;
    }
    for (scaled /= 1000; scaled >= 999.95; scaled /= 1000)
        unit++;
    text_printf(text, "%.1f%c", scaled, UNITS[unit]);
}

void table_append_bytes(Text *text, uint64_t bytes)
{
    static const char UNITS[] = "KMGTPE";
    double scaled = (double)bytes;
    size_t unit = 0;
    if (bytes < 1000) {
        text_printf(text, "%" PRIu64 " B", bytes);
        return;
    }
    for (scaled /= 1024; scaled >= 999.5; scaled /= 1024)
        unit++;
    text_printf(text, scaled < 9.95 ? "%.1f %ciB" : "%.0f %ciB", scaled, UNITS[unit]);
}

void table_append_duration(Text *text, uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (ms > 0 && ms < 1000)
        text_printf(text, "%" PRIu64 "ms", ms);
    else if (s < 60)
        text_printf(text, "%" PRIu64 "s", s);
    else if (s < 3600)
        text_printf(text, "%" PRIu64 "m%02us", s / 60, (unsigned)(s % 60));
    else if (s < 24 * 3600)
        text_printf(text, "%" PRIu64 "h%02um", s / 3600, (unsigned)(s / 60 % 60));
    else if (s < 100 * 24 * 3600)
        text_printf(text, "%" PRIu64 "d%02uh", s / (24 * 3600), (unsigned)(s / 3600 % 24));
    else
        text_printf(text, "%" PRIu64 "d", s / (24 * 3600));
}
