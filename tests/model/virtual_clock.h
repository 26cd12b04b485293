#pragma once

/* The clock of the whole process, libuv's own too, which stands still until it is told to go on: what waits
 * for minutes takes none, and a seed always gives the same run. */

#include <stdint.h>

/* Back to the beginning. */
void virtual_clock_reset(void);
void virtual_clock_advance(uint64_t ms);
uint64_t virtual_clock_ms(void);
