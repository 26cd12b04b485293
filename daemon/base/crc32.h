#pragma once

/* CRC-32 as zlib, Python and Java compute it (polynomial 0xEDB88320). Pure; any thread. */

#include <stddef.h>
#include <stdint.h>

/* `bytes` may be NULL when there are none. */
uint32_t crc32_of_bytes(const uint8_t *bytes, size_t length);
