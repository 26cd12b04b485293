#pragma once

/*
 * ArtifactReader: what an AddArtifacts request uploads, told from its bytes as they pass: name and SHA-256 of
 * each artifact, and whether the checksums hold that the client sent along. One message at a time is
 * gathered, since clients send 32 KiB in each; whatever is larger, compressed or out of order is not read,
 * and that is no error here: the server will say what it thinks of it. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/text.h"
#include "rpc/framing.h"

#define ARTIFACT_MESSAGE_LIMIT (256 * 1024) /* bytes; hashing as many takes less than a millisecond */
#define ARTIFACT_NAME_LIMIT    255
#define ARTIFACT_LIMIT         1000 /* in one request */

typedef struct Artifact {
    char *name;
    uint64_t size;       /* bytes of it so far */
    uint64_t total_size; /* as its beginning says */
    bool is_too_large;   /* there will be no digest */
    bool is_whole;       /* then the digest holds */
    bool has_bad_crc;    /* in one of its chunks at least */
    uint8_t digest[SHA256_SIZE];
} Artifact;

typedef struct ArtifactReader {
    Artifact *artifacts; /* in the order of the request; only the last one may not be whole */
    size_t n_artifacts;
    bool is_unreadable; /* for good: there may be more artifacts than these */
    /* private */
    size_t capacity;
    uint64_t size_limit;
    Framing framing;
    Text message;
    Sha256 sha;
    uint64_t n_chunks_left;
} ArtifactReader;

/* Of artifacts that say to be larger than `size_limit` only the names are told. */
void artifact_reader_init(ArtifactReader *reader, uint64_t size_limit);
void artifact_reader_deinit(ArtifactReader *reader);
/* The next bytes of the request; any split. */
void artifact_reader_feed(ArtifactReader *reader, const uint8_t *bytes, size_t length);
/* The request may end here: it was read, has an artifact, and each one whole. */
bool artifact_reader_is_whole(const ArtifactReader *reader);
