/* Uploads as they pass: names, digests and checksums, however the bytes are split; the answer to them. */

#include "spark/artifact_reader.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "proto/envelope.pb-c.h"
#include "spark/artifact_answer.h"

typedef Sparkbouncer__Envelope__OwnAddArtifactsRequest Request;
typedef Sparkbouncer__Envelope__SingleChunkArtifact SingleChunk;
typedef Sparkbouncer__Envelope__ArtifactChunk Chunk;

#define LIMIT 1000000

static Text stream;
static ArtifactReader reader;

static void setup(void)
{
    stream = (Text)TEXT_NULL;
    artifact_reader_init(&reader, LIMIT);
}

static void teardown(void)
{
    text_deinit(&stream);
    artifact_reader_deinit(&reader);
}

static ProtobufCBinaryData data_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static Chunk chunk_of(const char *text)
{
    Chunk chunk = SPARKBOUNCER__ENVELOPE__ARTIFACT_CHUNK__INIT;
    chunk.has_data = chunk.has_crc = true;
    chunk.data = data_of(text);
    chunk.crc = crc32_of_bytes(chunk.data.data, chunk.data.len);
    return chunk;
}

static void send(const Request *request)
{
    uint8_t prefix[FRAMING_PREFIX_SIZE];
    size_t length = sparkbouncer__envelope__own_add_artifacts_request__get_packed_size(request);
    uint8_t *bytes = mem_alloc(length + 1);
    (void)sparkbouncer__envelope__own_add_artifacts_request__pack(request, bytes);
    framing_write_prefix(prefix, (uint32_t)length);
    text_append_bytes(&stream, (const char *)prefix, sizeof prefix);
    text_append_bytes(&stream, (const char *)bytes, length);
    free(bytes);
}

static void send_batch(const char *const pairs[], size_t n_pairs)
{
    Request request = SPARKBOUNCER__ENVELOPE__OWN_ADD_ARTIFACTS_REQUEST__INIT;
    Sparkbouncer__Envelope__ArtifactBatch batch = SPARKBOUNCER__ENVELOPE__ARTIFACT_BATCH__INIT;
    SingleChunk singles[8];
    SingleChunk *pointers[8];
    Chunk chunks[8];
    for (size_t i = 0; i < n_pairs; i++) {
        sparkbouncer__envelope__single_chunk_artifact__init(&singles[i]);
        chunks[i] = chunk_of(pairs[2 * i + 1]);
        singles[i].has_name = true;
        singles[i].name = data_of(pairs[2 * i]);
        singles[i].data = &chunks[i];
        pointers[i] = &singles[i];
    }
    batch.n_artifacts = n_pairs;
    batch.artifacts = pointers;
    request.batch = &batch;
    send(&request);
}

static void send_beginning(const char *name, int64_t total, int64_t n_chunks, const char *first)
{
    Request request = SPARKBOUNCER__ENVELOPE__OWN_ADD_ARTIFACTS_REQUEST__INIT;
    Sparkbouncer__Envelope__BeginChunkedArtifact beginning =
        SPARKBOUNCER__ENVELOPE__BEGIN_CHUNKED_ARTIFACT__INIT;
    Chunk chunk = chunk_of(first);
    beginning.has_name = beginning.has_total_bytes = beginning.has_num_chunks = true;
    beginning.name = data_of(name);
    beginning.total_bytes = total;
    beginning.num_chunks = n_chunks;
    beginning.initial_chunk = &chunk;
    request.begin_chunk = &beginning;
    send(&request);
}

static void send_chunk(const char *text, int64_t crc_error)
{
    Request request = SPARKBOUNCER__ENVELOPE__OWN_ADD_ARTIFACTS_REQUEST__INIT;
    Chunk chunk = chunk_of(text);
    chunk.crc += crc_error;
    request.chunk = &chunk;
    send(&request);
}

static void feed(size_t step)
{
    for (size_t at = 0; at < stream.length; at += step)
        artifact_reader_feed(&reader, (const uint8_t *)stream.bytes + at,
                             stream.length - at < step ? stream.length - at : step);
}

static void expect_digest(const Artifact *artifact, const char *text)
{
    uint8_t digest[SHA256_SIZE];
    Sha256 sha = SHA256_INIT;
    sha256_begin(&sha);
    sha256_add(&sha, (const uint8_t *)text, strlen(text));
    sha256_end(&sha, digest);
    sha256_deinit(&sha);
    ck_assert(artifact->is_whole);
    ck_assert_int_eq(memcmp(artifact->digest, digest, sizeof digest), 0);
    ck_assert_uint_eq(artifact->size, strlen(text));
}

START_TEST(known_sums)
{
    static const uint8_t ABC[SHA256_SIZE] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                             0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                             0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    ck_assert_uint_eq(crc32_of_bytes((const uint8_t *)"123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(crc32_of_bytes(NULL, 0), 0);
    static const uint32_t CRCS[] = {0x00000000, 0xe8b7be43, 0x078a19d7, 0xf007732d, 0xad98e545,
                                    0xeeac93b9, 0x5ae419f8, 0x5b8b2074, 0xbf848046};
    for (size_t i = 0; i < sizeof CRCS / sizeof CRCS[0];
         i++) /* of that many letters, from an odd address too */
        for (size_t at = 0; at < 4; at++)
            ck_assert_uint_eq(crc32_of_bytes((const uint8_t *)"aaaaaaaaaaaa" + at, i), CRCS[i]);
    send_batch((const char *const[]){"files/abc", "abc"}, 1);
    feed(stream.length);
    ck_assert_int_eq(memcmp(reader.artifacts[0].digest, ABC, sizeof ABC), 0);
}
END_TEST

START_TEST(split_anywhere)
{
    send_batch((const char *const[]){"pyfiles/a.py", "first", "files/empty", "", "jars/b", "third"}, 3);
    send_beginning("archives/c.zip", 9, 3, "one");
    send_chunk("two", 0);
    send_chunk("six", 0);
    send_batch((const char *const[]){"files/last", "end"}, 1);
    feed((size_t)_i + 1);
    ck_assert(artifact_reader_is_whole(&reader));
    ck_assert_uint_eq(reader.n_artifacts, 5);
    static const char *const expected[][2] = {{"pyfiles/a.py", "first"},
                                              {"files/empty", ""},
                                              {"jars/b", "third"},
                                              {"archives/c.zip", "onetwosix"},
                                              {"files/last", "end"}};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(reader.artifacts[i].name, expected[i][0]);
        ck_assert(!reader.artifacts[i].has_bad_crc);
        expect_digest(&reader.artifacts[i], expected[i][1]);
    }
}
END_TEST

START_TEST(whole_only_at_the_end)
{
    send_beginning("archives/c.zip", 6, 2, "one");
    send_chunk("two", 0);
    ck_assert(!artifact_reader_is_whole(&reader));
    for (size_t i = 0; i < stream.length; i++) {
        ck_assert(!artifact_reader_is_whole(&reader));
        artifact_reader_feed(&reader, (const uint8_t *)stream.bytes + i, 1);
    }
    ck_assert(artifact_reader_is_whole(&reader));
    artifact_reader_feed(&reader, (const uint8_t *)"", 1); /* another message begins */
    ck_assert(!artifact_reader_is_whole(&reader));
}
END_TEST

START_TEST(wrong_checksums)
{
    send_beginning("archives/c.zip", 9, 3, "one");
    send_chunk("two", _i == 0 ? 1 : (int64_t)1 << 32); /* also where it fits when cut to 32 bits */
    send_chunk("six", 0);
    send_batch((const char *const[]){"files/good", "good"}, 1);
    feed(7);
    ck_assert(artifact_reader_is_whole(&reader));
    ck_assert(reader.artifacts[0].has_bad_crc && !reader.artifacts[1].has_bad_crc);
}
END_TEST

START_TEST(too_large_for_a_digest)
{
    send_beginning("jars/large", LIMIT + 1, 2, "one");
    feed(100);
    ck_assert(reader.artifacts[0].is_too_large && !reader.is_unreadable);
    ck_assert_str_eq(reader.artifacts[0].name, "jars/large");
}
END_TEST

static void order(int i)
{
    Request request = SPARKBOUNCER__ENVELOPE__OWN_ADD_ARTIFACTS_REQUEST__INIT;
    Chunk chunk = chunk_of("x");
    Sparkbouncer__Envelope__ArtifactBatch batch = SPARKBOUNCER__ENVELOPE__ARTIFACT_BATCH__INIT;
    switch (i) {
    case 0: send_chunk("of nothing", 0); break;
    case 1: send(&request); break; /* no payload */
    case 2:
        request.chunk = &chunk;
        request.batch = &batch;
        send(&request);
        break;
    case 3:
        send_beginning("jars/a", 6, 2, "one");
        send_beginning("jars/b", 6, 2, "one");
        break;
    case 4:
        send_beginning("jars/a", 6, 2, "one");
        send_batch((const char *const[]){"jars/b", "x"}, 1);
        break;
    case 5:
        send_beginning("jars/a", 3, 1, "one");
        send_chunk("more", 0);
        break;
    case 6: send_beginning("jars/a", 4, 1, "one"); break;
    case 7: send_beginning("jars/a", 3, 0, "one"); break;
    case 8: send_beginning("jars/a", -1, 1, ""); break;
    case 9: send_batch((const char *const[]){"", "x"}, 1); break;
    case 10: text_append_bytes(&stream, "\1\0\0\0\1x", 6); break;        /* compressed */
    case 11: text_append_bytes(&stream, "\0\0\4\0\1x", 6); break;        /* more than is gathered */
    case 12: text_append_bytes(&stream, "\0\0\0\0\2\xff\xff", 7); break; /* no protobuf */
    default:
        text_append_bytes(&stream,
                          "\0\0\0\0\x0a\x1a\x08\x0a\x06\x0a\x02"
                          "a\0\x12\0",
                          15); /* NUL in a name */
    }
}
#define N_ORDERS 14

START_TEST(out_of_order_or_unreadable)
{
    order(_i);
    send_batch((const char *const[]){"jars/after", "x"}, 1);
    feed(3);
    ck_assert(reader.is_unreadable && !artifact_reader_is_whole(&reader));
    size_t n_artifacts = reader.n_artifacts;
    feed(5);
    ck_assert_uint_eq(reader.n_artifacts, n_artifacts);
}
END_TEST

START_TEST(too_many)
{
    for (int i = 0; i < ARTIFACT_LIMIT + 1; i++)
        send_batch((const char *const[]){"files/a", "x"}, 1);
    feed(4096);
    ck_assert(reader.is_unreadable);
    ck_assert_uint_eq(reader.n_artifacts, ARTIFACT_LIMIT);
}
END_TEST

START_TEST(answers)
{
    static const char *const names[] = {"jars/a", "files/b", "jars/a"};
    Text text _cleanup_(text_deinit) = TEXT_NULL;
    artifact_answer_write(&text, "client-session", "server-session", names, 3);
    for (size_t i = 0; i < text.length; i++)
        ck_assert_ptr_null(artifact_answer_read((const uint8_t *)text.bytes, i));
    ArtifactAnswer *answer = artifact_answer_read((const uint8_t *)text.bytes, text.length);
    ck_assert_str_eq(artifact_answer_server_session(answer), "server-session");
    ck_assert(artifact_answer_accepts(answer, "jars/a") && artifact_answer_accepts(answer, "files/b"));
    ck_assert(!artifact_answer_accepts(answer, "jars/c"));
    ck_assert_ptr_null(artifact_answer_free(answer));
    /* jars/a good, then bad; files/b said nothing about; no server session */
    static const uint8_t bad[] =
        "\0\0\0\0\x1f\x0a\x0a\x0a\x06jars/a\x10\1\x0a\x08\x0a\x06jars/a\x0a\x07\x0a\x05"
        "files";
    answer = artifact_answer_read(bad, sizeof bad - 1);
    ck_assert_ptr_nonnull(answer);
    ck_assert_str_eq(artifact_answer_server_session(answer), "");
    ck_assert(!artifact_answer_accepts(answer, "jars/a") && !artifact_answer_accepts(answer, "files"));
    artifact_answer_free(answer);
    ck_assert_ptr_null(artifact_answer_read((const uint8_t *)"\1\0\0\0\0", 5));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("artifact_reader");
    TCase *tests = tcase_create("artifact_reader");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, known_sums);
    tcase_add_loop_test(tests, split_anywhere, 0, 250);
    tcase_add_test(tests, whole_only_at_the_end);
    tcase_add_loop_test(tests, wrong_checksums, 0, 2);
    tcase_add_test(tests, too_large_for_a_digest);
    tcase_add_loop_test(tests, out_of_order_or_unreadable, 0, N_ORDERS);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, answers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
