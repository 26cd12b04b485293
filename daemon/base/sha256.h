#pragma once

/* SHA-256, piece by piece. Any thread, one at a time for each. */

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

typedef struct Sha256 {
    struct evp_md_ctx_st *context; /* NULL until the first use; kept for the next one */
} Sha256;

#define SHA256_INIT                                                                                          \
    {                                                                                                        \
        NULL                                                                                                 \
    }

/* Begins anew. */
void sha256_begin(Sha256 *sha);
void sha256_add(Sha256 *sha, const uint8_t *bytes, size_t length);
/* Of all that was added since sha256_begin(), which comes next if there is more. */
void sha256_end(Sha256 *sha, uint8_t ret_digest[SHA256_SIZE]);
void sha256_deinit(Sha256 *sha);
