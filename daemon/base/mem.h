#pragma once

/*
 * Memory and lifetime: allocators that abort when memory is gone, cleanup attributes, container_of.
 *
 * Running out of memory ends the process: OpenSSL, nghttp2 and libuv cannot be brought through it in one
 * piece either. In exchange every quantity that a peer controls has a named limit. Any thread.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Zeroed memory for one object or an array; never NULL. Freed with free(). */
void *mem_alloc_zeroed(size_t count, size_t size);
/* Uninitialised memory; never NULL. */
void *mem_alloc(size_t size);
/* Grows or shrinks like realloc; never NULL. */
void *mem_resize(void *memory, size_t size);
/* Copies of strings; never NULL. */
char *mem_copy_string(const char *string);
char *mem_copy_bytes_as_string(const char *bytes, size_t length);

#define mem_new(type) ((type *)mem_alloc_zeroed(1, sizeof(type)))

/* The object whose `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Hands out what `pointer` holds and leaves NULL behind, so that a cleanup attribute has nothing to do. */
#define steal(pointer)                                                                                       \
    (__extension__({                                                                                         \
        __typeof__(pointer) steal_held = (pointer);                                                          \
        (pointer) = NULL;                                                                                    \
        steal_held;                                                                                          \
    }))

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _must_check_        __attribute__((warn_unused_result))
#define _printf_(a, b)      __attribute__((format(printf, a, b)))

/* Defines `function##p`, for `_cleanup_(function##p)` on a local that points at something `function` frees.
 */
#define DEFINE_CLEANUP(type, function)                                                                       \
    static inline void function##p(type *pointer)                                                            \
    {                                                                                                        \
        if (*pointer)                                                                                        \
            function(*pointer);                                                                              \
    }                                                                                                        \
    struct function##_cleanup_defined

static inline void mem_freep(void *pointer)
{
    free(*(void **)pointer);
}
