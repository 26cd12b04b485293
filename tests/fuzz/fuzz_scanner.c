/*
 * The scanner: the result must not depend on how the message is split, and must be protobuf-c's where that
 * accepts the message too. First byte: which method and direction; second: where to split.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "envelope_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Result {
    Envelope envelope;
    bool is_whole;
    ScannerState state;
} Result;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Feeds a copy of the exact size, so that reading past it is seen; but not a byte at a time, which is slow.
 */
static void feed_copy(Scanner *scanner, const uint8_t *bytes, size_t length)
{
    uint8_t *piece _cleanup_(mem_freep) = length > 1 ? mem_alloc(length) : NULL;
    if (piece)
        memcpy(piece, bytes, length);
    scanner_feed(scanner, piece ? piece : bytes, length);
}

/* Scans in pieces of pseudo-random length up to `longest`. */
static void scan(const MessageShape *shape, const uint8_t *bytes, size_t size, size_t longest, Result *result)
{
    Scanner scanner;
    uint32_t seed = (uint32_t)longest;
    size_t length = size;
    envelope_reset(&result->envelope);
    scanner_begin(&scanner, shape, &result->envelope);
    while (length > 0) {
        seed = seed * 1664525u + 1013904223u;
        size_t n = (seed >> 8) % longest + 1;
        if (n > length || longest >= size)
            n = length;
        feed_copy(&scanner, bytes, n);
        bytes += n;
        length -= n;
    }
    result->is_whole = scanner_end(&scanner);
    result->state = scanner.state;
}

static void check_against_oracle(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                                 size_t length, const Envelope *envelope)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, length, bytes);
    if (message == NULL)
        return;
    Oracle oracle = {0};
    oracle_collect(message, &oracle);
    require(oracle_agrees(&oracle, envelope, true));
    protobuf_c_message_free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const Method *method = method_get((MethodId)(data[0] / 2 % N_METHODS));
    bool is_response = data[0] % 2;
    const MessageShape *shape = is_response ? method->response : method->request;
    size_t longest = (size_t)data[1] + 1;
    data += 2;
    size -= 2;

    Result whole, bytewise, split;
    scan(shape, data, size, SIZE_MAX, &whole);
    scan(shape, data, size, 1, &bytewise);
    scan(shape, data, size, longest, &split);
    require(whole.is_whole == bytewise.is_whole && whole.is_whole == split.is_whole);
    require(whole.state == bytewise.state && whole.state == split.state);
    require(oracle_same_envelopes(&whole.envelope, &bytewise.envelope));
    require(oracle_same_envelopes(&whole.envelope, &split.envelope));
    if (whole.is_whole)
        check_against_oracle(oracle_descriptors[method->id][is_response], data, size, &whole.envelope);
    return 0;
}
