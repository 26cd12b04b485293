#include "spark/session_patch.h"

#include <string.h>

void session_patch_init(SessionPatch *patch, const MessageShape *shape, const char *session_id)
{
    patch->shape = shape;
    memcpy(patch->session_id, session_id, sizeof patch->session_id);
    session_patch_restart(patch);
}

void session_patch_restart(SessionPatch *patch)
{
    patch->framing = (Framing)FRAMING_INIT;
    patch->is_scanning = false;
}

static void begin_message(SessionPatch *patch)
{
    patch->is_scanning = patch->shape && !framing_is_compressed(&patch->framing);
    if (!patch->is_scanning)
        return;
    envelope_reset(&patch->envelope);
    scanner_begin_patch(&patch->scanner, patch->shape, &patch->envelope, patch->session_id);
}

void session_patch_apply(SessionPatch *patch, uint8_t *bytes, size_t length)
{
    const uint8_t *next = bytes, *part;
    size_t part_length;
    for (;;) {
        switch (framing_next(&patch->framing, &next, &length, &part, &part_length)) {
        case FRAMING_NEED_MORE: return;
        case FRAMING_MESSAGE_BEGIN: begin_message(patch); break;
        case FRAMING_BYTES:
            if (patch->is_scanning)
                (void)scanner_feed(&patch->scanner, part, part_length);
            break;
        case FRAMING_MESSAGE_END: patch->is_scanning = false; break;
        }
    }
}
