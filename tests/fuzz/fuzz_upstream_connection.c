/*
 * Whatever a server may answer to three fixed calls: a query, a configuration and a release. The first byte
 * says whether it answers any bytes, with or without proper SETTINGS first, or a script of mostly proper
 * frames.
 */

#include "rig_script.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What once broke: a call was recycled by its last pin while the client had not got its answer yet. */
static const uint8_t ONCE_BROKEN[] = {0xff, 0x0d, 0xee, 0x21, 0xd3, 0x21, 0x40, 0x41, 0x40,
                                      0x41, 0xdf, 0xdc, 0xdb, 0x02, 0x0d, 0x0f, 0xff, 0x5d};

static void add_call(Text *out, uint32_t stream, MethodId id)
{
    _cleanup_(text_deinit) Text message = TEXT_NULL;
    envelope_add(&message, id, "session", "operation", id == METHOD_EXECUTE_PLAN);
    request_add(out, stream, method_get(id)->path, NULL, NULL, false);
    message_add(out, stream, &message, true);
}

static void send_calls(Rig *rig)
{
    _cleanup_(text_deinit) Text out = TEXT_NULL;
    text_append(&out, CLIENT_PREFACE);
    frame_add(&out, FRAME_SETTINGS, 0, 0, NULL, 0);
    add_call(&out, 1, METHOD_EXECUTE_PLAN);
    add_call(&out, 3, METHOD_CONFIG);
    add_call(&out, 5, METHOD_RELEASE_EXECUTE);
    rig_send_text(rig, rig->client, &out);
    rig_settle(rig);
}

static void send_bytes(Rig *rig, Input *input, size_t part)
{
    while (input->length > 0) {
        Input bytes = input_part(input, part);
        rig_send(rig, rig->server, bytes.bytes, bytes.length);
        rig_settle(rig);
        rig_drain(rig->server);
        rig_drain(rig->client);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rig rig;
    Input input = {data, size};
    uint8_t how = input_byte(&input);
    rig_init(&rig);
    send_calls(&rig);
    require(rig.server >= 0);
    if (how & 3) {
        _cleanup_(text_deinit) Text out = TEXT_NULL;
        frame_add(&out, FRAME_SETTINGS, 0, 0, NULL, 0);
        rig_send_text(&rig, rig.server, &out);
        rig_settle(&rig);
    }
    if (how & 2)
        script_run(&rig, &input, how & 4 ? 12 : 16);
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
