#include "base/secret.h"

#include <malloc.h>
#include <string.h>

struct Secret {
    size_t length;
    char bytes[];
};

Secret *secret_new(const char *bytes, size_t length)
{
    Secret *secret = mem_alloc(sizeof(Secret) + length + 1);
    secret->length = length;
    memcpy(secret->bytes, bytes, length);
    secret->bytes[length] = '\0';
    return secret;
}

Secret *secret_free(Secret *secret)
{
    if (secret)
        secret_wipe(secret, sizeof(Secret) + secret->length + 1);
    free(secret);
    return NULL;
}

size_t secret_length(const Secret *secret)
{
    return secret->length;
}

const char *secret_reveal(const Secret *secret)
{
    return secret->bytes;
}

bool secret_equal(const Secret *a, const Secret *b)
{
    if (!a || !b)
        return a == b;
    if (a->length != b->length)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < a->length; i++)
        difference |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
    return difference == 0;
}

void secret_wipe(void *memory, size_t length)
{
    explicit_bzero(memory, length);
}

void secret_free_memory(void *memory)
{
    if (memory)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}
