#include "pattern.h"

#include <string.h>

static uint64_t pattern_word(uint64_t index, uint64_t position)
{
    return (index + 1) * 0x9e3779b97f4a7c15ULL + position * 0xd6e8feb86659fd93ULL;
}

void pattern_fill(uint8_t *bytes, size_t length, uint64_t index)
{
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word = pattern_word(index, at / 8);
        memcpy(bytes + at, &word, 8);
    }
    uint64_t word = pattern_word(index, at / 8);
    if (at < length)
        memcpy(bytes + at, &word, length - at);
}

static bool byte_matches(uint8_t byte, uint64_t index, size_t offset)
{
    uint64_t word = pattern_word(index, offset / 8);
    uint8_t bytes[8];
    memcpy(bytes, &word, 8);
    return bytes[offset % 8] == byte;
}

bool pattern_matches(const uint8_t *bytes, size_t length, uint64_t index, size_t offset)
{
    size_t at = 0;
    for (; at < length && (offset + at) % 8 != 0; at++)
        if (!byte_matches(bytes[at], index, offset + at))
            return false;
    for (; at + 8 <= length; at += 8) {
        uint64_t word = pattern_word(index, (offset + at) / 8), found;
        memcpy(&found, bytes + at, 8);
        if (found != word)
            return false;
    }
    for (; at < length; at++)
        if (!byte_matches(bytes[at], index, offset + at))
            return false;
    return true;
}

static uint32_t tables[4][256];

static void tables_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
        tables[0][i] = value;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int slice = 1; slice < 4; slice++)
            tables[slice][i] = tables[slice - 1][i] >> 8 ^ tables[0][tables[slice - 1][i] & 0xff];
}

uint32_t checksum_update(uint32_t checksum, const uint8_t *bytes, size_t length)
{
    if (tables[0][1] == 0)
        tables_make();
    uint32_t state = ~checksum;
    for (; length >= 4; length -= 4, bytes += 4) {
        uint32_t word;
        memcpy(&word, bytes, 4);
        state ^= word; /* little-endian */
        state = tables[3][state & 0xff] ^ tables[2][state >> 8 & 0xff] ^ tables[1][state >> 16 & 0xff] ^
                tables[0][state >> 24];
    }
    for (; length > 0; length--, bytes++)
        state = state >> 8 ^ tables[0][(state ^ *bytes) & 0xff];
    return ~state;
}
