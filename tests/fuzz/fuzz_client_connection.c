/*
 * A whole accepted connection, fed with whatever a client may send. The first byte says whether that is any
 * bytes, with or without a proper greeting, or a script of mostly proper frames, and whether the server
 * behind the relay greets.
 */

#include "rig_script.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What once broke: a call was recycled by its last pin while the client had not got its answer yet. */
static const uint8_t ONCE_BROKEN[] = {
    0x06, 0xff, 0x02, 0x27, 0x0e, 0x2f, 0x01, 0xf2, 0x5b, 0xca, 0x01, 0xc7, 0x04, 0x04, 0xdf, 0xa1, 0xc4,
    0xc4, 0xc4, 0x21, 0x48, 0xfb, 0x04, 0x06, 0x49, 0x49, 0x29, 0x49, 0x49, 0x49, 0x51, 0x50, 0x4f, 0x53,
    0x54, 0x20, 0x49, 0xc1, 0xaf, 0xe2, 0xad, 0xb6, 0xdf, 0xff, 0xff, 0xd9, 0xff, 0x0e, 0x00, 0x4b};

static void send_greeting(Rig *rig)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    text_append(&out, CLIENT_PREFACE);
    frame_add(&out, FRAME_SETTINGS, 0, 0, NULL, 0);
    rig_send_text(rig, rig->client, &out);
}

/* Any bytes, in parts of `part` bytes. */
static void send_bytes(Rig *rig, Input *input, size_t part)
{
    while (input->length > 0) {
        Input bytes = input_part(input, part);
        rig_send(rig, rig->client, bytes.bytes, bytes.length);
        rig_settle(rig);
        rig_drain(rig->client);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rig rig;
    Input input = {data, size};
    uint8_t how = input_byte(&input);
    rig_init(&rig);
    if (how & 3)
        send_greeting(&rig);
    if (how & 2)
        script_run(&rig, &input, how & 4 ? 4 : 0);
    else
        send_bytes(&rig, &input, (size_t)(how / 8) * 8 + 1);
    rig_deinit(&rig);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return LLVMFuzzerTestOneInput(ONCE_BROKEN, sizeof ONCE_BROKEN);
}
