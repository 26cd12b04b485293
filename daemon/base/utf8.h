#pragma once

/* UTF-8 in strings that come from elsewhere. Pure; any thread. */

#include <stddef.h>

/* Length of the UTF-8 character at `string` (NUL-terminated, not empty); 0 when there is none (RFC 3629, 4).
 */
size_t utf8_character_length(const char *string);
