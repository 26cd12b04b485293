#pragma once

/* MessageWatch: a stream of gRPC messages passing by: where they begin, and what is in their envelopes. Pure;
 * any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/framing.h"
#include "spark/scanner.h"

typedef struct MessageWatch {
    Framing framing;
    Scanner scanner;
    Envelope envelope; /* of the message that was looked into last */
    bool is_scanning;  /* the current message is looked into */
    bool is_done;      /* nothing more is to be found */
} MessageWatch;

typedef enum WatchEvent {
    WATCH_NEED_MORE, /* everything given was used up */
    WATCH_MESSAGE,   /* a message has ended, and the envelope is its */
    WATCH_OPAQUE,    /* a message has ended that could not be, or was not, looked into */
} WatchEvent;

/* Uses up bytes to the end of the next message, or all of them. */
WatchEvent message_watch_next(MessageWatch *watch, const MessageShape *shape, const uint8_t **bytes,
                              size_t *length);
/* Uses up all of them, for the sake of the first message; true when it has just been found complete. */
bool message_watch_feed(MessageWatch *watch, const MessageShape *shape, const uint8_t *bytes, size_t length);
void message_watch_reset(MessageWatch *watch);
