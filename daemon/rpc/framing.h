#pragma once

/*
 * gRPC message boundaries within a stream's DATA (gRPC over HTTP/2, "Length-Prefixed-Message"): one byte
 * compressed flag, four bytes length, then the message. Incremental: bytes may be split anywhere. Pure; any
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_PREFIX_SIZE 5

typedef struct Framing {
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    uint8_t n_prefix;    /* bytes of the prefix seen */
    uint32_t remaining;  /* bytes of the message still to come */
    uint64_t n_messages; /* messages seen to their last byte */
} Framing;

#define FRAMING_INIT                                                                                         \
    {                                                                                                        \
        {0}, 0, 0, 0                                                                                         \
    }

/* What framing_next() found. */
typedef enum FramingEvent {
    FRAMING_NEED_MORE,     /* everything given was used up */
    FRAMING_MESSAGE_BEGIN, /* a prefix is complete: framing_is_compressed() and framing_message_length() hold
                            */
    FRAMING_BYTES,         /* *ret_bytes, *ret_length: the next bytes of the current message, never empty */
    FRAMING_MESSAGE_END, /* the last byte of the message was in the bytes before (also after an empty message)
                          */
} FramingEvent;

/* Consumes from *bytes, *length; call it until it says FRAMING_NEED_MORE. Any flag byte and length are
 * accepted. */
FramingEvent framing_next(Framing *framing, const uint8_t **bytes, size_t *length, const uint8_t **ret_bytes,
                          size_t *ret_length);
bool framing_is_compressed(const Framing *framing);
uint32_t framing_message_length(const Framing *framing);
/* How much there is of the message that has not ended, its prefix included; 0 between messages. */
uint64_t framing_partial(const Framing *framing);
/* Writes the prefix of an uncompressed message. */
void framing_write_prefix(uint8_t prefix[FRAMING_PREFIX_SIZE], uint32_t length);
