#include "http2/frame_buffer.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

#define LEAST_SIZE                                                                                           \
    ((size_t)16 * 1024) /* nghttp2's largest frame; nothing else of a new session is near it                 \
                         */

struct FrameBuffer {
    void *pages; /* NULL: it lies on the heap after all, and stays there */
    size_t size;
    size_t n_allocations; /* of the session that have not been freed */
    bool is_expected;     /* the session is being made: its large allocation is the buffer */
    bool is_warm;         /* its pages may be in memory */
    bool is_released;     /* by its connection: goes away with the last allocation */
};

static void *pages_new(FrameBuffer *buffer, size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    buffer->pages = pages;
    buffer->size = size;
    return pages;
}

static void *counted(FrameBuffer *buffer, void *memory)
{
    buffer->n_allocations += memory != NULL;
    return memory;
}

static void *on_malloc(size_t size, void *user_data)
{
    FrameBuffer *buffer = user_data;
    void *pages = NULL;
    if (buffer->is_expected && !buffer->pages && size >= LEAST_SIZE)
        pages = pages_new(buffer, size);
    return counted(buffer, pages ? pages : malloc(size));
}

static void *on_calloc(size_t count, size_t size, void *user_data)
{
    return counted(user_data, calloc(count, size));
}

static void free_when_unused(FrameBuffer *buffer)
{
    if (buffer->is_released && buffer->n_allocations == 0)
        free(buffer);
}

static void on_free(void *memory, void *user_data)
{
    FrameBuffer *buffer = user_data;
    if (!memory)
        return;
    if (memory == buffer->pages) {
        (void)munmap(buffer->pages, buffer->size);
        buffer->pages = NULL;
    } else {
        free(memory);
    }
    buffer->n_allocations--;
    free_when_unused(buffer);
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

FrameBuffer *frame_buffer_new(nghttp2_mem *ret_allocator)
{
    FrameBuffer *buffer = mem_new(FrameBuffer);
    buffer->is_expected = true;
    *ret_allocator = (nghttp2_mem){.mem_user_data = buffer,
                                   .malloc = on_malloc,
                                   .free = on_free,
                                   .calloc = on_calloc,
                                   .realloc = on_realloc};
    return buffer;
}

void frame_buffer_settle(FrameBuffer *buffer)
{
    buffer->is_expected = false;
}

FrameBuffer *frame_buffer_release(FrameBuffer *buffer)
{
    if (buffer) {
        buffer->is_released = true;
        free_when_unused(buffer);
    }
    return NULL;
}

bool frame_buffer_warm(FrameBuffer *buffer)
{
    bool was_cold = !buffer->is_warm;
    buffer->is_warm = true;
    return was_cold;
}

bool frame_buffer_is_warm(const FrameBuffer *buffer)
{
    return buffer->is_warm;
}

size_t frame_buffer_resident(const FrameBuffer *buffer)
{
    unsigned char pages[64] = {0};
    size_t n = 0, most = sizeof pages * 4096; /* the first ones are enough to see */
    if (buffer->pages && mincore(buffer->pages, buffer->size < most ? buffer->size : most, pages) == 0)
        for (size_t i = 0; i < sizeof pages; i++)
            n += pages[i] & 1;
    return n;
}

void frame_buffer_cool(FrameBuffer *buffer)
{
    if (buffer->pages)
        (void)madvise(buffer->pages, buffer->size, MADV_DONTNEED);
    buffer->is_warm = false;
}
