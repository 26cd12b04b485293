#pragma once

/*
 * Passed: what has passed of one message, as a length and a digest, so that a second sending of it can be
 * recognised. All of the first KiB counts, of the rest 32 bytes in each 4 KiB: that finds every other
 * message, length or order of fields, which is what can differ between two sendings of one response; a digest
 * of all bytes would cost a tenth of what relaying them does. The same for any split into pieces. Pure; any
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Passed {
    uint64_t length; /* bytes, the gRPC prefix included */
    uint64_t digest; /* of whole words */
    uint64_t word;   /* the bytes after the last whole word */
} Passed;

void passed_reset(Passed *passed);
void passed_add(Passed *passed, const uint8_t *bytes, size_t length);
bool passed_equal(const Passed *a, const Passed *b);
