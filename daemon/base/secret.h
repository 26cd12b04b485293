#pragma once

/*
 * Secret: a token, password or key that cannot be printed by accident. The type is opaque; its bytes come out
 * through secret_reveal() alone, which a lint test allows only where a secret goes onto the wire. Wiped when
 * freed. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

typedef struct Secret Secret;

/* Copies `length` bytes; the caller wipes its own copy (secret_wipe). */
Secret *secret_new(const char *bytes, size_t length);
Secret *secret_copy(const Secret *secret);
/* Without the blanks and line ends around it, which people's files have. Maybe empty, never NULL. */
Secret *secret_trimmed(const Secret *secret);
/* "Bearer " and the secret, for instance. */
Secret *secret_prefixed(const char *prefix, const Secret *secret);
/* Takes NULL; wipes, frees. */
Secret *secret_free(Secret *secret);
DEFINE_CLEANUP(Secret *, secret_free);

size_t secret_length(const Secret *secret);
/* The bytes, NUL-terminated, owned by the secret. */
const char *secret_reveal(const Secret *secret);
/* Both NULL, or the same bytes; time does not depend on where they differ. */
bool secret_equal(const Secret *a, const Secret *b);
/* Not empty, and visible ASCII only: fit to be the value of a header. */
bool secret_is_visible(const Secret *secret);
/* Overwrites each occurrence of it in `text` with asterisks: for words that others put into a message. */
void secret_redact(const Secret *secret, char *text);
/* Overwrites memory in a way that the compiler does not remove. */
void secret_wipe(void *memory, size_t length);
/* free() that wipes the whole block first, for libraries that hold a secret in memory of malloc(). Takes
 * NULL. */
void secret_free_memory(void *memory);
