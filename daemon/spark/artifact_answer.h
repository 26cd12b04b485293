#pragma once

/* ArtifactAnswer: the answer to an AddArtifacts, as the server gives it and as the daemon does. Pure; any
 * thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

typedef struct ArtifactAnswer ArtifactAnswer;

/* Of the bytes of a whole answer, framed. NULL: it cannot be read. */
ArtifactAnswer *artifact_answer_read(const uint8_t *bytes, size_t length);
/* Takes NULL; returns NULL. */
ArtifactAnswer *artifact_answer_free(ArtifactAnswer *answer);
/* The server's own id of the session; "" when it does not say. */
const char *artifact_answer_server_session(const ArtifactAnswer *answer);
/* Whether it has received an artifact of this name, and never one whose checksum was wrong. */
bool artifact_answer_accepts(const ArtifactAnswer *answer, const char *name);

/* Appends the answer, framed, that all of these, in the order of the request, were received well. */
void artifact_answer_write(Text *answer, const char *session_id, const char *server_session_id,
                           const char *const *names, size_t n_names);
