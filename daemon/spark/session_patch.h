#pragma once

/*
 * SessionPatch: writes another session id over the one in each message of a gRPC stream, in the bytes as they
 * pass. Both are UUIDs, so no length changes and all other bytes stay as they are. A message that is
 * compressed, malformed or has an id of another length is left alone. Pure; any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "rpc/framing.h"
#include "spark/scanner.h"

typedef struct SessionPatch {
    const MessageShape *shape;
    char ids[ENVELOPE_N_STRINGS][SCANNER_ID_LENGTH + 1]; /* what is written, by slot */
    const char *new_texts[ENVELOPE_N_STRINGS];           /* those of them that are set */
    Framing framing;
    Scanner scanner;
    Envelope envelope;
    bool is_scanning;
} SessionPatch;

/* `session_id` has SCANNER_ID_LENGTH characters. */
void session_patch_init(SessionPatch *patch, const MessageShape *shape, const char *session_id);
/* Writes other ids too: operation ids, or what the client has seen of the server's own. Of the same length.
 */
void session_patch_add(SessionPatch *patch, EnvelopeSlot slot, const char *id);
/* Another stream of the same kind begins. */
void session_patch_restart(SessionPatch *patch);
/* The next bytes of the stream, which are written to; any split. */
void session_patch_apply(SessionPatch *patch, uint8_t *bytes, size_t length);
