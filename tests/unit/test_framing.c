#include "rpc/framing.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Feeds pieces of `piece` bytes and writes what comes out: [ at a begin, its bytes, ] at an end, C when
 * compressed. */
static void run(Framing *framing, const char *bytes, size_t length, size_t piece, Text *events)
{
    for (size_t offset = 0; offset < length; offset += piece) {
        const uint8_t *next = (const uint8_t *)bytes + offset, *part = NULL;
        size_t n = length - offset < piece ? length - offset : piece, part_length = 0;
        FramingEvent event;
        while ((event = framing_next(framing, &next, &n, &part, &part_length)) != FRAMING_NEED_MORE) {
            if (event == FRAMING_MESSAGE_BEGIN)
                text_printf(events, "%s[%u:", framing_is_compressed(framing) ? "C" : "",
                            framing_message_length(framing));
            else if (event == FRAMING_BYTES)
                text_append_bytes(events, (const char *)part, part_length);
            else
                text_append(events, "]");
        }
        ck_assert_uint_eq(n, 0);
    }
}

static const char stream[] = "\0\0\0\0\3abc"
                             "\0\0\0\0\0"
                             "\1\0\0\0\2xy"
                             "\0\0\0\0\1z";

START_TEST(events_do_not_depend_on_the_split)
{
    for (size_t piece = 1; piece <= sizeof(stream) - 1; piece++) {
        Text events _cleanup_(text_deinit) = TEXT_NULL;
        Framing framing = FRAMING_INIT;
        run(&framing, stream, sizeof(stream) - 1, piece, &events);
        ck_assert_str_eq(text_string(&events), "[3:abc][0:]C[2:xy][1:z]");
        ck_assert_uint_eq(framing.n_messages, 4);
        ck_assert((framing_partial(&framing) == 0));
    }
}
END_TEST

START_TEST(boundary_only_between_messages)
{
    for (size_t length = 0; length <= 8; length++) {
        Text events _cleanup_(text_deinit) = TEXT_NULL;
        Framing framing = FRAMING_INIT;
        run(&framing, stream, length, 100, &events);
        ck_assert_int_eq((framing_partial(&framing) == 0), length == 0 || length == 8);
    }
}
END_TEST

START_TEST(longest_message_is_accepted)
{
    Text events _cleanup_(text_deinit) = TEXT_NULL;
    Framing framing = FRAMING_INIT;
    run(&framing, "\377\377\377\377\377ab", 7, 7, &events);
    ck_assert_str_eq(text_string(&events), "C[4294967295:ab");
    ck_assert_uint_eq(framing.remaining, UINT32_MAX - 2);
    ck_assert_uint_eq(framing.n_messages, 0);
}
END_TEST

START_TEST(message_end_follows_its_last_byte_at_once)
{
    Framing framing = FRAMING_INIT;
    const uint8_t *bytes = (const uint8_t *)stream, *part = NULL;
    size_t length = 8, part_length = 0;
    ck_assert_int_eq(framing_next(&framing, &bytes, &length, &part, &part_length), FRAMING_MESSAGE_BEGIN);
    ck_assert_int_eq(framing_next(&framing, &bytes, &length, &part, &part_length), FRAMING_BYTES);
    ck_assert_ptr_eq(part, stream + 5);
    ck_assert_uint_eq(part_length, 3);
    ck_assert_int_eq(framing_next(&framing, &bytes, &length, &part, &part_length), FRAMING_MESSAGE_END);
    ck_assert_int_eq(framing_next(&framing, &bytes, &length, &part, &part_length), FRAMING_NEED_MORE);
}
END_TEST

START_TEST(written_prefix_reads_back)
{
    static const uint32_t lengths[] = {0, 1, 255, 256, 65536, 16777216, UINT32_MAX};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        Framing framing = FRAMING_INIT;
        framing_write_prefix(framing.prefix, lengths[i]);
        ck_assert_uint_eq(framing_message_length(&framing), lengths[i]);
        ck_assert(!framing_is_compressed(&framing));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("framing");
    TCase *tests = tcase_create("framing");
    tcase_add_test(tests, events_do_not_depend_on_the_split);
    tcase_add_test(tests, boundary_only_between_messages);
    tcase_add_test(tests, longest_message_is_accepted);
    tcase_add_test(tests, message_end_follows_its_last_byte_at_once);
    tcase_add_test(tests, written_prefix_reads_back);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
