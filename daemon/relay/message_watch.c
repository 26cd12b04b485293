#include "relay/message_watch.h"

void message_watch_reset(MessageWatch *watch)
{
    watch->framing = (Framing)FRAMING_INIT;
    watch->is_scanning = watch->is_done = false;
    envelope_reset(&watch->envelope);
}

static void begin_message(MessageWatch *watch, const MessageShape *shape)
{
    watch->is_scanning = !watch->is_done && shape && !framing_is_compressed(&watch->framing);
    if (!watch->is_scanning)
        return;
    envelope_reset(&watch->envelope);
    scanner_begin(&watch->scanner, shape, &watch->envelope);
}

WatchEvent message_watch_next(MessageWatch *watch, const MessageShape *shape, const uint8_t **bytes,
                              size_t *length)
{
    for (;;) {
        const uint8_t *part;
        size_t part_length;
        bool is_whole;
        switch (framing_next(&watch->framing, bytes, length, &part, &part_length)) {
        case FRAMING_NEED_MORE: return WATCH_NEED_MORE;
        case FRAMING_MESSAGE_BEGIN: begin_message(watch, shape); break;
        case FRAMING_BYTES:
            if (watch->is_scanning && scanner_feed(&watch->scanner, part, part_length) == SCANNER_MALFORMED)
                watch->is_scanning = false;
            break;
        case FRAMING_MESSAGE_END:
            is_whole = watch->is_scanning && scanner_end(&watch->scanner);
            watch->is_scanning = false;
            return is_whole ? WATCH_MESSAGE : WATCH_OPAQUE;
        }
    }
}

bool message_watch_feed(MessageWatch *watch, const MessageShape *shape, const uint8_t *bytes, size_t length)
{
    bool found = false;
    for (;;) {
        switch (message_watch_next(watch, shape, &bytes, &length)) {
        case WATCH_NEED_MORE: return found;
        case WATCH_MESSAGE: found = watch->is_done = true; break;
        case WATCH_OPAQUE: break;
        }
    }
}
