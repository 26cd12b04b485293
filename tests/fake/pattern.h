#pragma once

/* Pattern: message contents that follow from an index, and a checksum of what went by. Pure; any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pattern_fill(uint8_t *bytes, size_t length, uint64_t index);
/* True when `bytes` are what pattern_fill() makes at `offset` of a message of that index. */
bool pattern_matches(const uint8_t *bytes, size_t length, uint64_t index, size_t offset);

/* CRC-32 as zlib computes it; start with 0. */
uint32_t checksum_update(uint32_t checksum, const uint8_t *bytes, size_t length);
