#include "rpc/timeout.h"

#include <stdio.h>

#define TIMEOUT_MAX_DIGITS 8
#define TIMEOUT_MAX_VALUE  99999999u
/* A rounded value is longer by less than one part in this many. */
#define TIMEOUT_PRECISION 100000u

typedef struct TimeoutUnit {
    char letter;
    uint64_t ns;
} TimeoutUnit;

/* Coarsest first: the first that is exact enough needs the fewest digits. */
static const TimeoutUnit units[] = {
    {'H', 3600000000000u}, {'M', 60000000000u}, {'S', 1000000000u}, {'m', 1000000u}, {'u', 1000u}, {'n', 1u},
};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

static uint64_t unit_ns(char letter)
{
    for (size_t i = 0; i < N_UNITS; i++)
        if (units[i].letter == letter)
            return units[i].ns;
    return 0;
}

bool timeout_parse(const char *value, size_t length, uint64_t *ret_ns)
{
    if (length < 2 || length > TIMEOUT_MAX_DIGITS + 1)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < length - 1; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(value[i] - '0');
    }
    uint64_t ns = unit_ns(value[length - 1]);
    if (ns == 0)
        return false;
    *ret_ns = number > UINT64_MAX / ns ? UINT64_MAX : number * ns;
    return true;
}

/* Whether `ns` can be written in the unit; *ret_number is rounded up. */
static bool fits_unit(uint64_t ns, uint64_t unit, uint64_t *ret_number)
{
    uint64_t rest = ns % unit;
    uint64_t excess = rest ? unit - rest : 0;
    *ret_number = ns / unit + (rest ? 1 : 0);
    return *ret_number <= TIMEOUT_MAX_VALUE && (excess == 0 || excess * TIMEOUT_PRECISION < ns);
}

size_t timeout_format(uint64_t ns, char value[TIMEOUT_VALUE_SIZE])
{
    if (ns == 0)
        ns = 1;
    size_t i = 0;
    uint64_t number = 0;
    /* Always ends: what is too long for a unit is coarse enough for the next larger one. */
    while (!fits_unit(ns, units[i].ns, &number))
        i++;
    int n = snprintf(value, TIMEOUT_VALUE_SIZE, "%u%c", (unsigned)number, units[i].letter);
    return (size_t)n;
}
