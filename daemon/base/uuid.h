#pragma once

/* UUIDs by name (RFC 9562, version 5: SHA-1 of a namespace and a name) and random ones (version 4). Pure; any
 * thread. */

#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* with its NUL */

/* The same for the same namespace and name, on every machine. */
void uuid_from_name(const uint8_t namespace_id[16], const char *name, size_t length,
                    char ret_text[UUID_TEXT_SIZE]);
/* One that nobody can guess. */
void uuid_random(char ret_text[UUID_TEXT_SIZE]);
