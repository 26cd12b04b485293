#include "base/sha256.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* SHA-256 is always there: what fails is memory. */
static void check(int result)
{
    if (result != 1)
        abort();
}

void sha256_begin(Sha256 *sha)
{
    if (!sha->context)
        sha->context = EVP_MD_CTX_new();
    check(sha->context != NULL);
    check(EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL));
}

void sha256_add(Sha256 *sha, const uint8_t *bytes, size_t length)
{
    check(EVP_DigestUpdate(sha->context, bytes, length));
}

void sha256_end(Sha256 *sha, uint8_t ret_digest[SHA256_SIZE])
{
    check(EVP_DigestFinal_ex(sha->context, ret_digest, NULL));
}

void sha256_deinit(Sha256 *sha)
{
    EVP_MD_CTX_free(sha->context);
    sha->context = NULL;
}
