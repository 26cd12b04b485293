#include "relay/passed.h"

#include <string.h>

#define WORD   sizeof(uint64_t)
#define DENSE  ((uint64_t)1024) /* bytes at the beginning that all count */
#define PERIOD ((uint64_t)4096) /* after that, of so many … */
#define SAMPLE ((uint64_t)32)   /* … these */

void passed_reset(Passed *passed)
{
    *passed = (Passed){0};
}

static inline void mix(Passed *passed, uint64_t word)
{
    uint64_t digest = (passed->digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    passed->digest = digest ^ digest >> 32;
}

static inline bool counts(uint64_t position)
{
    return position < DENSE || position % PERIOD < SAMPLE;
}

/* Byte by byte up to the next whole word, or the end. */
static size_t add_bytes(Passed *passed, const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    while (i < length && (i == 0 || passed->length % WORD != 0)) {
        passed->word = passed->word << 8 | bytes[i++];
        if (++passed->length % WORD == 0) {
            if (counts(passed->length - WORD))
                mix(passed, passed->word);
            passed->word = 0;
        }
    }
    return i;
}

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, WORD);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Whole words, those that do not count by leaps. */
static size_t add_words(Passed *passed, const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    while (length - i >= WORD) {
        if (counts(passed->length)) {
            mix(passed, word_at(bytes + i));
            passed->length += WORD;
            i += WORD;
            continue;
        }
        uint64_t leap = PERIOD - passed->length % PERIOD;
        if (leap > (length - i) / WORD * WORD)
            leap = (length - i) / WORD * WORD;
        passed->length += leap;
        i += (size_t)leap;
    }
    return i;
}

void passed_add(Passed *passed, const uint8_t *bytes, size_t length)
{
    size_t done = 0;
    if (passed->length % WORD != 0)
        done = add_bytes(passed, bytes, length);
    done += add_words(passed, bytes + done, length - done);
    if (done < length)
        (void)add_bytes(passed, bytes + done, length - done);
}

bool passed_equal(const Passed *a, const Passed *b)
{
    return a->length == b->length && a->digest == b->digest && a->word == b->word;
}
