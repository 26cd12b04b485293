#pragma once

/* MessageWatch: a stream of gRPC messages passing by: where they begin, and what is in their envelope. Pure;
 * any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/framing.h"
#include "spark/scanner.h"

typedef struct MessageWatch {
    Framing framing;
    Scanner scanner;
    Envelope envelope;
    bool is_scanning; /* the current message is looked into */
    bool is_done;     /* nothing more is to be found */
} MessageWatch;

/* Feeds the watch; true when a message has just been found complete for the first time. */
bool message_watch_feed(MessageWatch *watch, const MessageShape *shape, const uint8_t *bytes, size_t length);
void message_watch_reset(MessageWatch *watch);
