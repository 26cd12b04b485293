#include "conf/values.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof(array)[0])

typedef struct Unit {
    const char *name;
    uint64_t factor;
} Unit;

static const Unit DURATION_UNITS[] = {{"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
/* The first of each factor is the one that we write. */
static const Unit SIZE_UNITS[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"g", 1u << 30},
    {"m", 1u << 20},   {"k", 1u << 10},   {"", 1},
};

static int refuse(Text *complaint, const char *sentence)
{
    text_append(complaint, sentence);
    return -EINVAL;
}

/* Moves `cursor` over a decimal number; false when there is none or it does not fit. */
static bool take_number(const char **cursor, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *p = *cursor;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    bool is_number = p > *cursor;
    *cursor = p;
    *ret_number = number;
    return is_number;
}

int value_parse_boolean(const char *text, bool *ret_boolean, Text *complaint)
{
    static const char *const NAMES[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
        if (strcasecmp(text, NAMES[i]) == 0) {
            *ret_boolean = i % 2;
            return 0;
        }
    }
    return refuse(complaint, "write yes or no");
}

int value_parse_count(const char *text, uint64_t *ret_count, Text *complaint)
{
    const char *p = text;
    if (!take_number(&p, ret_count) || *p)
        return refuse(complaint, "write a whole number");
    return 0;
}

int value_parse_duration(const char *text, uint64_t *ret_ms, Text *complaint)
{
    const char *p = text;
    uint64_t total = 0;
    size_t next_unit = 0;
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    do {
        uint64_t number;
        if (!take_number(&p, &number))
            return refuse(complaint, "write a duration such as 20s, 500ms or 4m30s");
        if (*p == '\0')
            return refuse(complaint, "a duration needs a unit, such as 20s, 500ms or 4m30s");
        size_t length = strspn(p, "hms");
        size_t i = next_unit;
        while (i < ARRAY_LENGTH(DURATION_UNITS) &&
               (strlen(DURATION_UNITS[i].name) != length || strncmp(p, DURATION_UNITS[i].name, length) != 0))
            i++;
        if (i == ARRAY_LENGTH(DURATION_UNITS) || number > (UINT64_MAX - total) / DURATION_UNITS[i].factor)
            return refuse(complaint, "write a duration such as 20s, 500ms or 4m30s");
        total += number * DURATION_UNITS[i].factor;
        next_unit = i + 1;
        p += length;
    } while (*p);
    *ret_ms = total;
    return 0;
}

int value_parse_size(const char *text, uint64_t *ret_bytes, Text *complaint)
{
    const char *p = text;
    uint64_t number;
    if (!take_number(&p, &number))
        return refuse(complaint, "write a size such as 65536, 256KiB or 4MiB");
    if (strcasecmp(p, "kb") == 0 || strcasecmp(p, "mb") == 0 || strcasecmp(p, "gb") == 0)
        return refuse(complaint, "sizes are in units of 1024: write KiB, MiB or GiB");
    for (size_t i = 0; i < ARRAY_LENGTH(SIZE_UNITS); i++) {
        if (strcasecmp(p, SIZE_UNITS[i].name) == 0 && number <= UINT64_MAX / SIZE_UNITS[i].factor) {
            *ret_bytes = number * SIZE_UNITS[i].factor;
            return 0;
        }
    }
    return refuse(complaint, "write a size such as 65536, 256KiB or 4MiB");
}

int value_parse_mode(const char *text, mode_t *ret_mode, Text *complaint)
{
    size_t n = strspn(text, "01234567");
    if (n < 3 || n > 4 || text[n] || (n == 4 && text[0] != '0'))
        return refuse(complaint, "write an octal mode such as 0600 or 0660");
    *ret_mode = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

void value_append_duration(Text *text, uint64_t ms)
{
    if (ms == 0)
        text_append(text, "0");
    for (size_t i = 0; ms > 0; i++) {
        const Unit *unit = &DURATION_UNITS[i];
        if (ms >= unit->factor)
            text_printf(text, "%llu%s", (unsigned long long)(ms / unit->factor), unit->name);
        ms %= unit->factor;
    }
}

void value_append_size(Text *text, uint64_t bytes)
{
    for (size_t i = 0; i < ARRAY_LENGTH(SIZE_UNITS); i++) {
        const Unit *unit = &SIZE_UNITS[i];
        if (bytes % unit->factor || (bytes == 0 && unit->factor > 1))
            continue;
        text_printf(text, "%llu%s", (unsigned long long)(bytes / unit->factor), unit->name);
        return;
    }
}

bool value_is_session_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool is_fit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
        if (!is_fit)
            return false;
    }
    return length > 0 && length <= VALUE_SESSION_NAME_MAX;
}
