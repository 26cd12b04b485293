#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

bool library_find_symbols(void *library, const LibrarySymbol *symbols, size_t n_symbols, void *target)
{
    for (size_t i = 0; i < n_symbols; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (!address)
            return false;
        memcpy((char *)target + symbols[i].offset, &address, sizeof address);
    }
    return true;
}
