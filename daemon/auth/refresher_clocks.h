#pragma once

/* RefresherClocks: what a refresher takes from outside but is the same for all of them, so that its tests
 * need not wait for hours to pass. For refresher.c and its tests. Loop thread only. */

#include "auth/refresher.h"

typedef struct RefresherClocks {
    uint64_t (*now_ns)(void);  /* of deadlines */
    uint64_t (*boot_ns)(void); /* of the lives of tokens */
    uint32_t (*random)(void);
} RefresherClocks;

/* refresher_new() with clocks, which are copied. */
Refresher *refresher_new_with(const MintContext *context, Deadlines *deadlines,
                              const RefresherClocks *clocks);
