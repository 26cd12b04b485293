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

Secret *secret_copy(const Secret *secret)
{
    return secret_new(secret->bytes, secret->length);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

Secret *secret_trimmed(const Secret *secret)
{
    size_t begin = 0, end = secret->length;
    while (begin < end && is_blank(secret->bytes[begin]))
        begin++;
    while (end > begin && is_blank(secret->bytes[end - 1]))
        end--;
    return secret_new(secret->bytes + begin, end - begin);
}

Secret *secret_prefixed(const char *prefix, const Secret *secret)
{
    size_t prefix_length = strlen(prefix), length = prefix_length + secret->length;
    Secret *prefixed = mem_alloc(sizeof(Secret) + length + 1);
    prefixed->length = length;
    memcpy(prefixed->bytes, prefix, prefix_length);
    memcpy(prefixed->bytes + prefix_length, secret->bytes, secret->length + 1);
    return prefixed;
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

bool secret_is_visible(const Secret *secret)
{
    for (size_t i = 0; i < secret->length; i++)
        if (secret->bytes[i] <= ' ' || secret->bytes[i] > '~')
            return false;
    return secret->length > 0;
}

void secret_redact(const Secret *secret, char *text)
{
    /* Anything shorter would tear holes into the words. */
    if (!secret || secret->length < 6)
        return;
    while ((text = strstr(text, secret->bytes))) {
        memset(text, '*', secret->length);
        text += secret->length;
    }
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
