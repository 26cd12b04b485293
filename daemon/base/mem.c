#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void *or_abort(void *memory)
{
    if (memory == NULL) {
        fputs("sparkbouncer: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_alloc_zeroed(size_t count, size_t size)
{
    return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *mem_alloc(size_t size)
{
    return or_abort(malloc(size ? size : 1));
}

void *mem_resize(void *memory, size_t size)
{
    return or_abort(realloc(memory, size ? size : 1));
}

char *mem_copy_string(const char *string)
{
    return or_abort(strdup(string));
}

char *mem_copy_bytes_as_string(const char *bytes, size_t length)
{
    return or_abort(strndup(bytes, length));
}
