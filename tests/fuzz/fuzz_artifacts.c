/* Uploads and what a failed answer asks for, read from any bytes: the same artifacts for any split, and
 * pauses within their limit. */

#include <stdlib.h>
#include <string.h>

#include "rpc/status.h"
#include "rpc/status_retry.h"
#include "spark/artifact_answer.h"
#include "spark/artifact_reader.h"

#define SIZE_LIMIT 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void read_in(ArtifactReader *reader, const uint8_t *data, size_t size, size_t step)
{
    artifact_reader_init(reader, SIZE_LIMIT);
    for (size_t at = 0; at < size; at += step)
        artifact_reader_feed(reader, data + at, size - at < step ? size - at : step);
}

static void require_equal(const ArtifactReader *a, const ArtifactReader *b)
{
    require(a->n_artifacts == b->n_artifacts && a->is_unreadable == b->is_unreadable);
    require(artifact_reader_is_whole(a) == artifact_reader_is_whole(b));
    for (size_t i = 0; i < a->n_artifacts; i++) {
        const Artifact *one = &a->artifacts[i], *other = &b->artifacts[i];
        require(strcmp(one->name, other->name) == 0 && one->is_whole == other->is_whole);
        require(one->has_bad_crc == other->has_bad_crc);
        require(memcmp(one->digest, other->digest, sizeof one->digest) == 0);
        require(i + 1 == a->n_artifacts || one->is_whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ArtifactReader whole, pieces;
    _cleanup_(text_deinit) Text details = TEXT_NULL;
    if (size < 1)
        return 0;
    read_in(&whole, data + 1, size - 1, size);
    read_in(&pieces, data + 1, size - 1, (size_t)data[0] + 1);
    require_equal(&whole, &pieces);
    artifact_reader_deinit(&whole);
    artifact_reader_deinit(&pieces);
    artifact_answer_free(artifact_answer_read(data, size));
    status_append_base64(&details, data, size);
    require(status_retry_of_details(details.bytes, details.length) <= STATUS_RETRY_LIMIT_MS);
    require(status_retry_of_details((const char *)data, size) <= STATUS_RETRY_LIMIT_MS);
    require(status_retry_of_header((const char *)data, size, 0) <= STATUS_RETRY_LIMIT_MS);
    return 0;
}
