/* Timeouts: parsing accepts nothing odd, and what is written reads back no shorter and hardly longer. */

#include <stdlib.h>
#include <string.h>

#include "rpc/timeout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_round_trip(uint64_t ns)
{
    char value[TIMEOUT_VALUE_SIZE];
    uint64_t again = 0;
    size_t length = timeout_format(ns, value);
    require(length == strlen(value) && length >= 2 && length <= 9);
    require(timeout_parse(value, length, &again));
    require(again >= ns && again - ns <= (ns == 0 ? 1 : ns / 100000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t ns = 0;
    if (size == 0)
        return 0;
    if (timeout_parse((const char *)data, size, &ns)) {
        require(size >= 2 && size <= 9 && strchr("HMSmun", data[size - 1]) && data[size - 1] != 0);
        check_round_trip(ns);
    }
    memcpy(&ns, data, size < sizeof(ns) ? size : sizeof(ns));
    check_round_trip(ns);
    return 0;
}
