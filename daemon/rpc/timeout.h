#pragma once

/* The grpc-timeout header: at most eight digits and a unit, H M S m u n. Pure; any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMEOUT_VALUE_SIZE 16

/* False when malformed. Saturates at UINT64_MAX. */
bool timeout_parse(const char *value, size_t length, uint64_t *ret_ns);
/* Writes the shortest exact-or-rounded-up-by-less-than-1-in-10^5 form into `value`, NUL-terminated; returns
 * its length. 0 ns becomes "1n": a gRPC timeout is positive. */
size_t timeout_format(uint64_t ns, char value[TIMEOUT_VALUE_SIZE]);
