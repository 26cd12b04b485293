#include "auth/base64.h"

#include <string.h>

#define DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

size_t base64_encode(const unsigned char *bytes, size_t n_bytes, bool is_url, char *encoded)
{
    const char *digits = is_url ? DIGITS "-_" : DIGITS "+/";
    size_t length = 0;
    unsigned held = 0, n_bits = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        held = (held << 8 | bytes[i]) & 0xffff;
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            encoded[length++] = digits[held >> (n_bits - 6) & 63];
    }
    if (n_bits > 0)
        encoded[length++] = digits[held << (6 - n_bits) & 63];
    while (!is_url && length % 4 != 0)
        encoded[length++] = '=';
    return length;
}

static int digit_value(char c)
{
    static const char URL_DIGITS[] = DIGITS "-_";
    const char *found = c ? strchr(URL_DIGITS, c) : NULL;
    return found ? (int)(found - URL_DIGITS) : -1;
}

bool base64_decode(const char *text, size_t length, char *bytes, size_t *ret_length)
{
    unsigned held = 0, n_bits = 0;
    *ret_length = 0;
    for (size_t i = 0; i < length; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        held = (held << 6 | (unsigned)value) & 0xffff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[(*ret_length)++] = (char)(held >> n_bits & 0xff);
        }
    }
    return true;
}
