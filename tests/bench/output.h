#pragma once

/*
 * Output: bytes on their way to a socket, gathered as stretches: small ones copied, large ones referenced.
 * Links borrow one only while they have something to send. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define OUTPUT_STRETCHES 256
#define OUTPUT_COPIES    (64 * 1024)

typedef struct Output {
    struct Output *next;
    struct iovec stretches[OUTPUT_STRETCHES];
    size_t n_stretches, head, n_bytes, n_copied;
    uint8_t copies[OUTPUT_COPIES];
} Output;

Output *output_get(void);
/* Takes it back, whatever is left in it. Returns NULL. */
Output *output_put(Output *output);

/* True while at least `length` bytes can be copied and a few stretches referenced besides. */
bool output_has_room(const Output *output, size_t length);
void output_copy(Output *output, const void *bytes, size_t length);
/* The bytes must stay as they are until they are sent. */
void output_reference(Output *output, const void *bytes, size_t length);
/* The first `length` bytes have gone. */
void output_advance(Output *output, size_t length);
