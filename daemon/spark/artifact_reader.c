#include "spark/artifact_reader.h"

#include <string.h>

#include "base/crc32.h"

#include "proto/envelope.pb-c.h"

typedef Sparkbouncer__Envelope__OwnAddArtifactsRequest Request;
typedef Sparkbouncer__Envelope__SingleChunkArtifact SingleChunk;
typedef Sparkbouncer__Envelope__BeginChunkedArtifact Beginning;
typedef Sparkbouncer__Envelope__ArtifactChunk Chunk;

void artifact_reader_init(ArtifactReader *reader, uint64_t size_limit)
{
    *reader = (ArtifactReader){
        .size_limit = size_limit, .framing = FRAMING_INIT, .message = TEXT_NULL, .sha = SHA256_INIT};
}

void artifact_reader_deinit(ArtifactReader *reader)
{
    for (size_t i = 0; i < reader->n_artifacts; i++)
        free(reader->artifacts[i].name);
    free(reader->artifacts);
    text_deinit(&reader->message);
    sha256_deinit(&reader->sha);
    artifact_reader_init(reader, 0);
}

/* ---- artifacts; each of these is false when the request makes no sense */

static Artifact *current(const ArtifactReader *reader)
{
    return &reader->artifacts[reader->n_artifacts - 1];
}

static bool is_between(const ArtifactReader *reader)
{
    return reader->n_artifacts == 0 || current(reader)->is_whole;
}

static Artifact *add(ArtifactReader *reader)
{
    if (reader->n_artifacts == reader->capacity) {
        reader->capacity = reader->capacity ? reader->capacity * 2 : 4;
        Artifact *larger = mem_alloc_zeroed(reader->capacity, sizeof(Artifact));
        if (reader->n_artifacts > 0)
            memcpy(larger, reader->artifacts, reader->n_artifacts * sizeof(Artifact));
        free(reader->artifacts);
        reader->artifacts = larger;
    }
    return &reader->artifacts[reader->n_artifacts++];
}

static bool begin(ArtifactReader *reader, const ProtobufCBinaryData *name, uint64_t total_size)
{
    if (!is_between(reader) || reader->n_artifacts >= ARTIFACT_LIMIT || name->len == 0 ||
        name->len > ARTIFACT_NAME_LIMIT || memchr(name->data, '\0', name->len))
        return false;
    Artifact *artifact = add(reader);
    artifact->name = mem_alloc(name->len + 1);
    memcpy(artifact->name, name->data, name->len);
    artifact->name[name->len] = '\0';
    artifact->total_size = total_size;
    artifact->is_too_large = total_size > reader->size_limit;
    sha256_begin(&reader->sha);
    return true;
}

static bool add_chunk(ArtifactReader *reader, const Chunk *chunk)
{
    if (!chunk || is_between(reader))
        return false;
    Artifact *artifact = current(reader);
    artifact->size += chunk->data.len;
    if (!artifact->is_too_large) {
        sha256_add(&reader->sha, chunk->data.data, chunk->data.len);
        artifact->has_bad_crc |= chunk->crc != (int64_t)crc32_of_bytes(chunk->data.data, chunk->data.len);
    }
    if (--reader->n_chunks_left > 0)
        return true;
    sha256_end(&reader->sha, artifact->digest);
    artifact->is_whole = true;
    return artifact->size == artifact->total_size;
}

static bool add_single(ArtifactReader *reader, const SingleChunk *single)
{
    reader->n_chunks_left = 1;
    return single->data && begin(reader, &single->name, single->data->data.len) &&
           add_chunk(reader, single->data);
}

static bool begin_chunked(ArtifactReader *reader, const Beginning *beginning)
{
    if (beginning->num_chunks < 1 || beginning->total_bytes < 0 ||
        !begin(reader, &beginning->name, (uint64_t)beginning->total_bytes))
        return false;
    reader->n_chunks_left = (uint64_t)beginning->num_chunks;
    return add_chunk(reader, beginning->initial_chunk);
}

static bool take(ArtifactReader *reader, const Request *request)
{
    int n_payloads = (request->batch != NULL) + (request->begin_chunk != NULL) + (request->chunk != NULL);
    if (n_payloads != 1) /* of several the last one would count, and these are in no order */
        return false;
    for (size_t i = 0; request->batch && i < request->batch->n_artifacts; i++)
        if (!add_single(reader, request->batch->artifacts[i]))
            return false;
    if (request->begin_chunk)
        return begin_chunked(reader, request->begin_chunk);
    return !request->chunk || add_chunk(reader, request->chunk);
}

/* ---- messages */

static void end_message(ArtifactReader *reader)
{
    const uint8_t *bytes = (const uint8_t *)text_string(&reader->message);
    Request *request =
        sparkbouncer__envelope__own_add_artifacts_request__unpack(NULL, reader->message.length, bytes);
    if (!request || !take(reader, request))
        reader->is_unreadable = true;
    if (request)
        sparkbouncer__envelope__own_add_artifacts_request__free_unpacked(request, NULL);
    text_clear(&reader->message);
}

void artifact_reader_feed(ArtifactReader *reader, const uint8_t *bytes, size_t length)
{
    const uint8_t *part;
    size_t part_length;
    while (!reader->is_unreadable)
        switch (framing_next(&reader->framing, &bytes, &length, &part, &part_length)) {
        case FRAMING_NEED_MORE: return;
        case FRAMING_MESSAGE_BEGIN:
            reader->is_unreadable = framing_is_compressed(&reader->framing) ||
                                    framing_message_length(&reader->framing) > ARTIFACT_MESSAGE_LIMIT;
            break;
        case FRAMING_BYTES: text_append_bytes(&reader->message, (const char *)part, part_length); break;
        case FRAMING_MESSAGE_END: end_message(reader); break;
        }
}

bool artifact_reader_is_whole(const ArtifactReader *reader)
{
    return !reader->is_unreadable && reader->n_artifacts > 0 && is_between(reader) &&
           framing_partial(&reader->framing) == 0;
}
