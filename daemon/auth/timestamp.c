#include "auth/timestamp.h"

#include <string.h>
#include <time.h>

#define MAX_EPOCH_DIGITS 12 /* some thousand years */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `n_digits` of them, then `end` (skipped too) unless that is NUL. */
static bool take_number(const char **text, unsigned n_digits, char end, int *ret_number)
{
    int number = 0;
    for (unsigned i = 0; i < n_digits; i++) {
        if (!is_digit(**text))
            return false;
        number = number * 10 + (*(*text)++ - '0');
    }
    if (end && *(*text)++ != end)
        return false;
    *ret_number = number;
    return true;
}

static bool skip_fraction(const char **text, unsigned max_digits)
{
    unsigned n_digits = 0;
    if (**text != '.')
        return true;
    for ((*text)++; is_digit(**text); (*text)++)
        n_digits++;
    return n_digits >= 1 && n_digits <= max_digits;
}

static bool parse_epoch(const char *text, int64_t *ret_s)
{
    int64_t seconds = 0;
    unsigned n_digits = 0;
    for (; is_digit(*text); text++, n_digits++) {
        if (n_digits == MAX_EPOCH_DIGITS)
            return false;
        seconds = seconds * 10 + (*text - '0');
    }
    if (n_digits == 0 || !skip_fraction(&text, 9) || *text != '\0')
        return false;
    *ret_s = seconds;
    return true;
}

/* Seconds east of Greenwich. */
static bool parse_offset(const char *text, int *ret_seconds)
{
    int sign = *text == '-' ? -1 : 1, hours, minutes;
    if (*text != '+' && *text != '-')
        return false;
    text++;
    if (!take_number(&text, 2, '\0', &hours))
        return false;
    if (*text == ':')
        text++;
    if (!take_number(&text, 2, '\0', &minutes) || *text != '\0' || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool parse_date(const char **text, struct tm *ret_date)
{
    int year, month;
    if (!take_number(text, 4, '-', &year) || !take_number(text, 2, '-', &month) ||
        !take_number(text, 2, '\0', &ret_date->tm_mday))
        return false;
    ret_date->tm_year = year - 1900;
    ret_date->tm_mon = month - 1;
    return year >= 1970 && month >= 1 && month <= 12 && ret_date->tm_mday >= 1 && ret_date->tm_mday <= 31;
}

static bool parse_clock(const char **text, struct tm *ret_date)
{
    return take_number(text, 2, ':', &ret_date->tm_hour) && take_number(text, 2, ':', &ret_date->tm_min) &&
           take_number(text, 2, '\0', &ret_date->tm_sec) && ret_date->tm_hour <= 23 &&
           ret_date->tm_min <= 59 && ret_date->tm_sec <= 60 && skip_fraction(text, 9);
}

bool timestamp_parse(const char *text, TimestampZone zone, int64_t *ret_s)
{
    struct tm date = {.tm_isdst = -1};
    int offset = 0;
    if (parse_epoch(text, ret_s))
        return true;
    if (!parse_date(&text, &date) || !strchr("Tt ", *text) || *text == '\0')
        return false;
    text++;
    if (!parse_clock(&text, &date))
        return false;
    bool is_local = *text == '\0' && zone == TIMESTAMP_ZONE_LOCAL;
    if (*text != '\0' && strcmp(text, "Z") != 0 && strcmp(text, "z") != 0 && !parse_offset(text, &offset))
        return false;
    time_t seconds = is_local ? mktime(&date) : timegm(&date);
    *ret_s = (int64_t)seconds - offset;
    return seconds != (time_t)-1;
}
