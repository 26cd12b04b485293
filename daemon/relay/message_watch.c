#include "relay/message_watch.h"

void message_watch_reset(MessageWatch *watch)
{
    watch->framing = (Framing)FRAMING_INIT;
    watch->is_scanning = watch->is_done = false;
    envelope_reset(&watch->envelope);
}

bool message_watch_feed(MessageWatch *watch, const MessageShape *shape, const uint8_t *bytes, size_t length)
{
    bool found = false;
    for (;;) {
        const uint8_t *part;
        size_t part_length;
        switch (framing_next(&watch->framing, &bytes, &length, &part, &part_length)) {
        case FRAMING_NEED_MORE: return found;
        case FRAMING_MESSAGE_BEGIN:
            watch->is_scanning = !watch->is_done && shape && !framing_is_compressed(&watch->framing);
            if (watch->is_scanning)
                scanner_begin(&watch->scanner, shape, &watch->envelope);
            break;
        case FRAMING_BYTES:
            if (watch->is_scanning && scanner_feed(&watch->scanner, part, part_length) == SCANNER_MALFORMED)
                watch->is_scanning = false;
            break;
        case FRAMING_MESSAGE_END:
            if (watch->is_scanning && scanner_end(&watch->scanner))
                found = true;
            watch->is_scanning = false;
            break;
        }
    }
}
