#pragma once

/* Base64: as HTTP's Basic scheme and -bin metadata (standard alphabet), and as JSON web tokens (URL alphabet,
 * no padding) want it. Pure. Any thread. */

#include <stdbool.h>
#include <stddef.h>

/* Enough for the encoded form of so many bytes. */
static inline size_t base64_length(size_t n_bytes)
{
    return (n_bytes + 2) / 3 * 4;
}
/* Into `encoded` (base64_length(), not terminated); returns how much that was. */
size_t base64_encode(const unsigned char *bytes, size_t n_bytes, bool is_url, char *encoded);
/* Into `bytes`, which must hold 3/4 of the length; padding is taken where the alphabet is not the URL's, and
 * need not be there. False when it is none. */
bool base64_decode(const char *text, size_t length, bool is_url, char *bytes, size_t *ret_length);
