#include "base/base64.h"

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

static int digit_value(char c, const char *digits)
{
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

bool base64_decode(const char *text, size_t length, bool is_url, char *bytes, size_t *ret_length)
{
    const char *digits = is_url ? DIGITS "-_" : DIGITS "+/";
    unsigned held = 0, n_bits = 0;
    *ret_length = 0;
    while (!is_url && length > 0 && text[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++) {
        int value = digit_value(text[i], digits);
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
