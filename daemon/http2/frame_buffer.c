#include "http2/frame_buffer.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LEAST_SIZE                                                                                           \
    ((size_t)16 * 1024) /* nghttp2's largest frame; nothing else of a new session is near it                 \
                         */

static void *pages_new(FrameBuffer *buffer, size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    buffer->pages = pages;
    buffer->size = size;
    return pages;
}

static void *on_malloc(size_t size, void *user_data)
{
    FrameBuffer *buffer = user_data;
    void *pages = NULL;
    if (buffer->is_expected && !buffer->pages && size >= LEAST_SIZE)
        pages = pages_new(buffer, size);
    return pages ? pages : malloc(size);
}

static void on_free(void *memory, void *user_data)
{
    FrameBuffer *buffer = user_data;
    if (!memory || memory != buffer->pages) {
        free(memory);
        return;
    }
    (void)munmap(buffer->pages, buffer->size);
    buffer->pages = NULL;
}

static void *on_calloc(size_t count, size_t size, void *user_data)
{
    (void)user_data;
    return calloc(count, size);
}

/* nghttp2 makes its buffers by this one too. */
static void *on_realloc(void *memory, size_t size, void *user_data)
{
    FrameBuffer *buffer = user_data;
    if (!memory)
        return on_malloc(size, user_data);
    if (memory != buffer->pages)
        return realloc(memory, size);
    void *pages = mremap(buffer->pages, buffer->size, size, MREMAP_MAYMOVE);
    if (pages == MAP_FAILED)
        return NULL;
    buffer->pages = pages;
    buffer->size = size;
    return pages;
}

void frame_buffer_allocator(FrameBuffer *buffer, nghttp2_mem *ret_allocator)
{
    *ret_allocator = (nghttp2_mem){.mem_user_data = buffer,
                                   .malloc = on_malloc,
                                   .free = on_free,
                                   .calloc = on_calloc,
                                   .realloc = on_realloc};
}

void frame_buffer_cool(FrameBuffer *buffer)
{
    if (buffer->pages)
        (void)madvise(buffer->pages, buffer->size, MADV_DONTNEED);
    buffer->is_warm = false;
}
