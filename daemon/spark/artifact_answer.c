#include "spark/artifact_answer.h"

#include <string.h>

#include "rpc/framing.h"

#include "proto/envelope.pb-c.h"

typedef Sparkbouncer__Envelope__OwnAddArtifactsResponse Response;
typedef Sparkbouncer__Envelope__ArtifactSummary Summary;

/* The decoded message is the object. */
static const Response *response_of(const ArtifactAnswer *answer)
{
    return (const Response *)(const void *)answer;
}

ArtifactAnswer *artifact_answer_read(const uint8_t *bytes, size_t length)
{
    Framing framing = FRAMING_INIT;
    if (length < FRAMING_PREFIX_SIZE)
        return NULL;
    memcpy(framing.prefix, bytes, FRAMING_PREFIX_SIZE);
    if (framing_is_compressed(&framing) || framing_message_length(&framing) != length - FRAMING_PREFIX_SIZE)
        return NULL;
    return (ArtifactAnswer *)(void *)sparkbouncer__envelope__own_add_artifacts_response__unpack(
        NULL, length - FRAMING_PREFIX_SIZE, bytes + FRAMING_PREFIX_SIZE);
}

ArtifactAnswer *artifact_answer_free(ArtifactAnswer *answer)
{
    if (answer)
        sparkbouncer__envelope__own_add_artifacts_response__free_unpacked((Response *)(void *)answer, NULL);
    return NULL;
}

const char *artifact_answer_server_session(const ArtifactAnswer *answer)
{
    const char *id = response_of(answer)->server_side_session_id;
    return id ? id : "";
}

bool artifact_answer_accepts(const ArtifactAnswer *answer, const char *name)
{
    const Response *response = response_of(answer);
    bool is_accepted = false;
    for (size_t i = 0; i < response->n_artifacts; i++) {
        const Summary *summary = response->artifacts[i];
        if (!summary->name || strcmp(summary->name, name) != 0)
            continue;
        if (!summary->is_crc_successful)
            return false;
        is_accepted = true;
    }
    return is_accepted;
}

void artifact_answer_write(Text *answer, const char *session_id, const char *server_session_id,
                           const char *const *names, size_t n_names)
{
    Response response = SPARKBOUNCER__ENVELOPE__OWN_ADD_ARTIFACTS_RESPONSE__INIT;
    _cleanup_(mem_freep) Summary *summaries = mem_alloc_zeroed(n_names, sizeof(Summary));
    _cleanup_(mem_freep) Summary **pointers = mem_alloc_zeroed(n_names, sizeof(Summary *));
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    for (size_t i = 0; i < n_names; i++) {
        sparkbouncer__envelope__artifact_summary__init(&summaries[i]);
        summaries[i].name = (char *)(uintptr_t)names[i];
        summaries[i].has_is_crc_successful = summaries[i].is_crc_successful = true;
        pointers[i] = &summaries[i];
    }
    response.artifacts = pointers;
    response.n_artifacts = n_names;
    response.session_id = (char *)(uintptr_t)session_id;
    response.server_side_session_id = (char *)(uintptr_t)server_session_id;
    size_t length = protobuf_c_message_get_packed_size(&response.base);
    _cleanup_(mem_freep) uint8_t *packed = mem_alloc(length);
    (void)protobuf_c_message_pack(&response.base, packed);
    framing_write_prefix(prefix, (uint32_t)length);
    text_append_bytes(answer, (const char *)prefix, sizeof prefix);
    text_append_bytes(answer, (const char *)packed, length);
}
