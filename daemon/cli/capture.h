#pragma once

/* Capture: runs another program, gives it some input and takes what it prints, within a time limit. Blocking;
 * main thread. */

#include <stdint.h>

#include "base/text.h"

/* `words`: as execvp takes them. `input` may be secret, it is not copied. Its standard error is dropped. The
 * exit code (127: there is no such program), -ETIMEDOUT after it was killed, or another negative errno. */
int capture_run(char *const *words, const char *input, size_t input_length, uint64_t timeout_ms,
                Text *output);
