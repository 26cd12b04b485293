#include "spark/session_patch.h"

#include <string.h>

void session_patch_init(SessionPatch *patch, const MessageShape *shape, const char *session_id)
{
    patch->shape = shape;
    for (size_t i = 0; i < ENVELOPE_N_STRINGS; i++)
        patch->new_texts[i] = NULL;
    session_patch_add(patch, ENVELOPE_SESSION_ID, session_id);
    session_patch_restart(patch);
}

void session_patch_add(SessionPatch *patch, EnvelopeSlot slot, const char *id)
{
    memcpy(patch->ids[slot], id, sizeof patch->ids[slot]);
    patch->new_texts[slot] = patch->ids[slot];
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
    scanner_begin_patch(&patch->scanner, patch->shape, &patch->envelope, patch->new_texts);
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
