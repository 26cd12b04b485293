#include "auth/libcurl.h"

#include <dlfcn.h>
#include <malloc.h>
#include <string.h>

#include "base/library.h"
#include "base/mem.h"
#include "base/secret.h"

static const char *const LIBRARIES[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

#define FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

#define SYMBOL(member)                                                                                       \
    {                                                                                                        \
        "curl_" #member, offsetof(Libcurl, member)                                                           \
    }

static const LibrarySymbol SYMBOLS[] = {
    SYMBOL(global_init_mem),
    SYMBOL(easy_init),
    SYMBOL(easy_setopt),
    SYMBOL(easy_getinfo),
    SYMBOL(easy_cleanup),
    SYMBOL(easy_strerror),
    SYMBOL(multi_init),
    SYMBOL(multi_setopt),
    SYMBOL(multi_add_handle),
    SYMBOL(multi_remove_handle),
    SYMBOL(multi_socket_action),
    SYMBOL(multi_info_read),
    SYMBOL(multi_assign),
    SYMBOL(multi_cleanup),
    SYMBOL(url),
    SYMBOL(url_set),
    SYMBOL(url_get),
    SYMBOL(url_cleanup),
    {"curl_free", offsetof(Libcurl, free_string)},
    SYMBOL(getdate),
};

/* Its copies of requests and answers do not outlive their use. */
static void free_wiped(void *memory)
{
    if (memory)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

static void *resize_wiped(void *memory, size_t size)
{
    if (!memory)
        return mem_alloc(size);
    size_t held = malloc_usable_size(memory);
    if (size <= held && size > held / 2)
        return memory;
    void *resized = mem_alloc(size);
    memcpy(resized, memory, size < held ? size : held);
    free_wiped(memory);
    return resized;
}

static void *alloc_zeroed(size_t count, size_t size)
{
    return mem_alloc_zeroed(count, size);
}

/* False: dlerror() says why. */
static bool open_library(Libcurl *curl)
{
    for (size_t i = 0; i < sizeof LIBRARIES / sizeof LIBRARIES[0]; i++) {
        void *library = dlopen(LIBRARIES[i], FLAGS);
        if (library)
            return library_find_symbols(library, SYMBOLS, sizeof SYMBOLS / sizeof SYMBOLS[0], curl);
    }
    return false;
}

const Libcurl *libcurl_load(Text *reason)
{
    static Libcurl curl;
    static bool is_loaded;
    if (is_loaded)
        return &curl;
    if (!open_library(&curl)) {
        const char *error = dlerror();
        text_printf(reason, "cannot load libcurl (%s); install it (apt install libcurl4)",
                    error ? error : "no reason given");
        return NULL;
    }
    CURLcode code = curl.global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, free_wiped, resize_wiped,
                                         mem_copy_string, alloc_zeroed);
    if (code != CURLE_OK) {
        text_printf(reason, "libcurl does not start (%s)", curl.easy_strerror(code));
        return NULL;
    }
    is_loaded = true;
    return &curl;
}
