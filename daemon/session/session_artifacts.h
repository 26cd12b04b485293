#pragma once

/*
 * SessionArtifacts: which artifacts a session at the server has, by name and SHA-256, as far as their uploads
 * have passed here. Only names that a server keeps with one content as long as the session lives: it refuses
 * another. Of uploads of one name that overlap, nothing is remembered unless all have succeeded with the same
 * content. Pure; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/sha256.h"
#include "base/uuid.h"
#include "session/registry.h"

#define SESSION_ARTIFACTS_MAX 100 /* of one session, those used last; some 30 KiB */

typedef struct SessionArtifacts {
    char session_id[UUID_TEXT_SIZE];         /* at the server; empty: none yet */
    char server_session_id[SESSION_ID_SIZE]; /* the server's own; empty: none of it is known */
    List entries;                            /* least recently used first */
    unsigned n_unread;                       /* uploads under way of which the names are not known */
} SessionArtifacts;

void session_artifacts_init(SessionArtifacts *artifacts);
/* Forgets everything; it can be used again. */
void session_artifacts_clear(SessionArtifacts *artifacts);
/* From now on it is about this session; what was known of another one is forgotten. */
void session_artifacts_choose(SessionArtifacts *artifacts, const char *session_id);

/* Whether the session has an artifact of this name, with whatever content. */
bool session_artifacts_has_name(const SessionArtifacts *artifacts, const char *name);
/* Whether it is this one. Counts as a use. */
bool session_artifacts_has(SessionArtifacts *artifacts, const char *name, const uint8_t digest[SHA256_SIZE]);

/* An upload of this name is on its way to the server: until it has ended nothing is known of it. */
void session_artifacts_begin(SessionArtifacts *artifacts, const char *name);
/* It has ended; `digest`: the server has it with this content; NULL: nobody knows what it has. */
void session_artifacts_end(SessionArtifacts *artifacts, const char *name, const uint8_t *digest);
/* The same of an upload that cannot be read: until it has ended nothing is known of anything. */
void session_artifacts_begin_unread(SessionArtifacts *artifacts);
void session_artifacts_end_unread(SessionArtifacts *artifacts);
/* The server has told its own id of the session: with another one it has nothing of what was known. */
void session_artifacts_told(SessionArtifacts *artifacts, const char *server_session_id);
