#include "rpc/framing.h"

#include <string.h>

uint32_t framing_message_length(const Framing *framing)
{
    const uint8_t *prefix = framing->prefix;
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 | prefix[4];
}

bool framing_is_compressed(const Framing *framing)
{
    return framing->prefix[0] != 0;
}

uint64_t framing_partial(const Framing *framing)
{
    uint64_t partial = framing->n_prefix;
    if (framing->n_prefix == FRAMING_PREFIX_SIZE)
        partial += framing_message_length(framing) - framing->remaining;
    return partial;
}

static FramingEvent take_prefix(Framing *framing, const uint8_t **bytes, size_t *length)
{
    size_t n = FRAMING_PREFIX_SIZE - framing->n_prefix;
    if (n > *length)
        n = *length;
    if (n == 0)
        return FRAMING_NEED_MORE;
    memcpy(framing->prefix + framing->n_prefix, *bytes, n);
    framing->n_prefix = (uint8_t)(framing->n_prefix + n);
    *bytes += n;
    *length -= n;
    if (framing->n_prefix < FRAMING_PREFIX_SIZE)
        return FRAMING_NEED_MORE;
    framing->remaining = framing_message_length(framing);
    return FRAMING_MESSAGE_BEGIN;
}

FramingEvent framing_next(Framing *framing, const uint8_t **bytes, size_t *length, const uint8_t **ret_bytes,
                          size_t *ret_length)
{
    if (framing->n_prefix < FRAMING_PREFIX_SIZE)
        return take_prefix(framing, bytes, length);
    if (framing->remaining == 0) {
        framing->n_prefix = 0;
        framing->n_messages++;
        return FRAMING_MESSAGE_END;
    }
    if (*length == 0)
        return FRAMING_NEED_MORE;
    size_t n = *length < framing->remaining ? *length : framing->remaining;
    *ret_bytes = *bytes;
    *ret_length = n;
    framing->remaining -= (uint32_t)n;
    *bytes += n;
    *length -= n;
    return FRAMING_BYTES;
}

void framing_write_prefix(uint8_t prefix[FRAMING_PREFIX_SIZE], uint32_t length)
{
    prefix[0] = 0;
    prefix[1] = (uint8_t)(length >> 24);
    prefix[2] = (uint8_t)(length >> 16);
    prefix[3] = (uint8_t)(length >> 8);
    prefix[4] = (uint8_t)length;
}
