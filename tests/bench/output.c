#include "output.h"

#include <stdlib.h>
#include <string.h>

#define STRETCHES_PER_FRAME 16

static Output *free_outputs;

Output *output_get(void)
{
    Output *output = free_outputs;
    if (output)
        free_outputs = output->next;
    else if (!(output = malloc(sizeof(*output))))
        abort();
    output->n_stretches = output->head = output->n_bytes = output->n_copied = 0;
    return output;
}

Output *output_put(Output *output)
{
    if (output) {
        output->next = free_outputs;
        free_outputs = output;
    }
    return NULL;
}

bool output_has_room(const Output *output, size_t length)
{
    return output->n_stretches + STRETCHES_PER_FRAME <= OUTPUT_STRETCHES &&
           output->n_copied + length <= OUTPUT_COPIES;
}

void output_reference(Output *output, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    output->stretches[output->n_stretches++] = (struct iovec){(void *)(uintptr_t)bytes, length};
    output->n_bytes += length;
}

void output_copy(Output *output, const void *bytes, size_t length)
{
    uint8_t *to = output->copies + output->n_copied;
    memcpy(to, bytes, length);
    output->n_copied += length;
    if (output->n_stretches > output->head) {
        struct iovec *last = &output->stretches[output->n_stretches - 1];
        if ((uint8_t *)last->iov_base + last->iov_len == to) {
            last->iov_len += length;
            output->n_bytes += length;
            return;
        }
    }
    output_reference(output, to, length);
}

void output_advance(Output *output, size_t length)
{
    output->n_bytes -= length;
    while (output->head < output->n_stretches) {
        struct iovec *stretch = &output->stretches[output->head];
        if (stretch->iov_len > length) {
            stretch->iov_base = (uint8_t *)stretch->iov_base + length;
            stretch->iov_len -= length;
            return;
        }
        length -= stretch->iov_len;
        output->head++;
    }
}
