#include "http2/preface.h"

#include <stdbool.h>
#include <string.h>

static bool starts_like(const uint8_t *bytes, size_t length, const char *text)
{
    size_t text_length = strlen(text);
    return memcmp(bytes, text, length < text_length ? length : text_length) == 0;
}

PrefaceKind preface_classify(const uint8_t *bytes, size_t length)
{
    static const char *const HTTP1[] = {"GET ",     "POST ",    "PUT ",   "HEAD ",  "DELETE ",
                                        "OPTIONS ", "CONNECT ", "PATCH ", "TRACE ", "HTTP/1."};
    if (length == 0 || starts_like(bytes, length, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        return PREFACE_HTTP2;
    if (bytes[0] == 0x16 && (length < 2 || bytes[1] == 0x03))
        return PREFACE_TLS;
    for (size_t i = 0; i < sizeof HTTP1 / sizeof HTTP1[0]; i++) {
        if (starts_like(bytes, length, HTTP1[i]))
            return PREFACE_HTTP1;
    }
    return PREFACE_UNKNOWN;
}
