#pragma once

/* What a client speaks that does not speak HTTP/2 in the clear, told from its first bytes. Pure; any thread.
 */

#include <stddef.h>
#include <stdint.h>

#define PREFACE_BYTES_KEPT 24

typedef enum PrefaceKind {
    PREFACE_HTTP2, /* so far, or fully, the HTTP/2 connection preface (RFC 9113, 3.4) */
    PREFACE_TLS,   /* a TLS record with a handshake message */
    PREFACE_HTTP1, /* a method, or a status line */
    PREFACE_UNKNOWN,
} PrefaceKind;

PrefaceKind preface_classify(const uint8_t *bytes, size_t length);
