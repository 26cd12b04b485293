#include "admin/microhttpd.h"

#include <dlfcn.h>

#include "base/library.h"
#ifdef __APPLE__
#define LIBRARY "libmicrohttpd.12.dylib"
#else
#define LIBRARY "libmicrohttpd.so.12"
#endif

#define FLAGS (RTLD_NOW | RTLD_LOCAL | (MICROHTTPD_STAYS ? RTLD_NODELETE : 0))

#define SYMBOL(member)                                                                                       \
    {                                                                                                        \
        "MHD_" #member, offsetof(Microhttpd, member)                                                         \
    }

static const LibrarySymbol SYMBOLS[] = {
    SYMBOL(start_daemon),
    SYMBOL(stop_daemon),
    SYMBOL(get_daemon_info),
    SYMBOL(add_connection),
    SYMBOL(run),
    SYMBOL(get_timeout),
    SYMBOL(create_response_from_buffer),
    SYMBOL(add_response_header),
    SYMBOL(queue_response),
    SYMBOL(destroy_response),
    SYMBOL(suspend_connection),
    SYMBOL(resume_connection),
    SYMBOL(lookup_connection_value),
    SYMBOL(create_response_from_buffer_with_free_callback),
};

bool microhttpd_load(Microhttpd *ret_library, Text *reason)
{
    *ret_library = (Microhttpd){.library = dlopen(LIBRARY, FLAGS)};
    if (ret_library->library &&
        library_find_symbols(ret_library->library, SYMBOLS, sizeof SYMBOLS / sizeof SYMBOLS[0], ret_library))
        return true;
    text_printf(reason, "cannot load libmicrohttpd (%s); install it", dlerror());
    microhttpd_unload(ret_library);
    return false;
}

void microhttpd_unload(Microhttpd *library)
{
    if (library->library)
        (void)dlclose(library->library);
    *library = (Microhttpd){.library = NULL};
}
