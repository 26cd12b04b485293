#include "base/uuid.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void write_uuid(uint8_t bytes[16], unsigned version, char text[UUID_TEXT_SIZE])
{
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(text, 3, "%02x", bytes[i]);
        text += 2;
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *text++ = '-';
    }
    *text = '\0';
}

void uuid_from_name(const uint8_t namespace_id[16], const char *name, size_t length,
                    char ret_text[UUID_TEXT_SIZE])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha1(), NULL) != 1 ||
        EVP_DigestUpdate(context, namespace_id, 16) != 1 || EVP_DigestUpdate(context, name, length) != 1 ||
        EVP_DigestFinal_ex(context, hash, NULL) != 1)
        abort(); /* out of memory: SHA-1 is always there */
    EVP_MD_CTX_free(context);
    write_uuid(hash, 5, ret_text);
}

void uuid_random(char ret_text[UUID_TEXT_SIZE])
{
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort(); /* never for so few bytes */
    write_uuid(bytes, 4, ret_text);
}
