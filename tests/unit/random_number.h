#pragma once

/* Numbers that look random and are the same in every run. */

#include <stddef.h>
#include <stdint.h>

static uint64_t random_number_state = 88172645463325252u;

/* Below `limit`. */
static inline uint32_t random_number(uint32_t limit)
{
    random_number_state ^= random_number_state << 13;
    random_number_state ^= random_number_state >> 7;
    random_number_state ^= random_number_state << 17;
    return (uint32_t)(random_number_state >> 32) % limit;
}

static inline void random_bytes(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random_number(256);
}
