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
    char session_id[SCANNER_ID_LENGTH + 1]; /* what is written */
    Framing framing;
    Scanner scanner;
    Envelope envelope;
    bool is_scanning;
} SessionPatch;

/* `session_id` has SCANNER_ID_LENGTH characters. */
void session_patch_init(SessionPatch *patch, const MessageShape *shape, const char *session_id);
/* Another stream of the same kind begins. */
void session_patch_restart(SessionPatch *patch);
/* The next bytes of the stream, which are written to; any split. */
void session_patch_apply(SessionPatch *patch, uint8_t *bytes, size_t length);
