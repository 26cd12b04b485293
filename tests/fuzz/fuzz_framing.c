/* Framing: whatever the bytes and the split, every byte belongs to a prefix or a message, in order. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rpc/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What came out of one pass; `rebuilt` is prefixes and bytes put together again. */
typedef struct Pass {
    Framing framing;
    uint8_t *rebuilt;
    size_t n_rebuilt;
    uint64_t n_begun, n_ended;
} Pass;

static void pass_append(Pass *pass, const uint8_t *bytes, size_t length)
{
    memcpy(pass->rebuilt + pass->n_rebuilt, bytes, length);
    pass->n_rebuilt += length;
}

static void pass_feed(Pass *pass, const uint8_t *bytes, size_t length)
{
    const uint8_t *part = NULL;
    size_t part_length = 0;
    for (;;) {
        switch (framing_next(&pass->framing, &bytes, &length, &part, &part_length)) {
        case FRAMING_NEED_MORE: require(length == 0); return;
        case FRAMING_MESSAGE_BEGIN:
            pass_append(pass, pass->framing.prefix, FRAMING_PREFIX_SIZE);
            require(pass->framing.remaining == framing_message_length(&pass->framing));
            pass->n_begun++;
            break;
        case FRAMING_BYTES:
            require(part_length > 0);
            pass_append(pass, part, part_length);
            break;
        case FRAMING_MESSAGE_END:
            require((framing_partial(&pass->framing) == 0));
            pass->n_ended++;
            break;
        }
    }
}

static void run(const uint8_t *data, size_t size, size_t piece)
{
    uint8_t *rebuilt _cleanup_(mem_freep) = mem_alloc(size);
    Pass pass = {FRAMING_INIT, rebuilt, 0, 0, 0};
    for (size_t offset = 0; offset < size; offset += piece)
        pass_feed(&pass, data + offset, size - offset < piece ? size - offset : piece);
    size_t n_loose = pass.framing.n_prefix < FRAMING_PREFIX_SIZE ? pass.framing.n_prefix : 0;
    require(pass.n_rebuilt + n_loose == size);
    require(memcmp(rebuilt, data, pass.n_rebuilt) == 0);
    require(pass.framing.n_messages == pass.n_ended);
    require(pass.n_begun - pass.n_ended == (pass.framing.n_prefix == FRAMING_PREFIX_SIZE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    run(data + 1, size - 1, (size_t)data[0] + 1);
    run(data + 1, size - 1, 1);
    run(data + 1, size - 1, size);
    return 0;
}
