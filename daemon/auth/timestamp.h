#pragma once

/*
 * Timestamp: the ways in which token endpoints and command lines write when a token ends. Pure, except that
 * local time is the process's. Any thread.
 */

#include <stdbool.h>
#include <stdint.h>

typedef enum TimestampZone { TIMESTAMP_ZONE_UTC, TIMESTAMP_ZONE_LOCAL } TimestampZone;

/*
 * "2026-03-20T10:30:00Z", with or without a fraction (1 to 9 digits), "Z", "+01:00", "-0530" or nothing at
 * the end (then `zone` counts), "T" or a blank in the middle; or seconds since 1970 as digits ("1790000000",
 * with or without a fraction). False when it is anything else. *ret_s: seconds since 1970, rounded down.
 */
bool timestamp_parse(const char *text, TimestampZone zone, int64_t *ret_s);
