#include "spark/scanner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "envelope_oracle.h"
#include "random_message.h"

typedef struct Scan {
    Envelope envelope;
    Scanner scanner;
} Scan;

static void scan_begin(Scan *scan, const MessageShape *shape)
{
    memset(scan, 0xa5, sizeof(*scan)); /* so that anything left unset is seen */
    envelope_reset(&scan->envelope);
    scanner_begin(&scan->scanner, shape, &scan->envelope);
}

/* Feeds a copy of the exact size, so that the address sanitizer sees any reading past it. */
static ScannerState scan_feed(Scan *scan, const char *bytes, size_t length)
{
    uint8_t *piece _cleanup_(mem_freep) = mem_alloc(length);
    memcpy(piece, bytes, length);
    return scanner_feed(&scan->scanner, piece, length);
}

static bool scan_whole(Scan *scan, const MessageShape *shape, const char *bytes, size_t length)
{
    scan_begin(scan, shape);
    scan_feed(scan, bytes, length);
    return scanner_end(&scan->scanner);
}

static void assert_same(Scan *expected, Scan *scan)
{
    /* One plain check: this runs a million times, and each ck_assert() writes to a pipe. */
    if (scanner_end(&expected->scanner) != scanner_end(&scan->scanner) ||
        expected->scanner.state != scan->scanner.state ||
        !oracle_same_envelopes(&expected->envelope, &scan->envelope))
        ck_abort_msg("the result depends on the split");
}

static void check_cut_at_every_byte(Scan *whole, const MessageShape *shape, const char *bytes, size_t length)
{
    Scan scan;
    for (size_t cut = 0; cut <= length; cut++) {
        scan_begin(&scan, shape);
        scan_feed(&scan, bytes, cut);
        scan_feed(&scan, bytes + cut, length - cut);
        assert_same(whole, &scan);
    }
}

static void check_random_cuts(Scan *whole, const MessageShape *shape, const char *bytes, size_t length,
                              uint32_t longest)
{
    Scan scan;
    scan_begin(&scan, shape);
    for (size_t offset = 0; offset < length;) {
        size_t n = 1 + random_below(longest);
        n = n < length - offset ? n : length - offset;
        scan_feed(&scan, bytes + offset, n);
        offset += n;
    }
    assert_same(whole, &scan);
}

static void check_random_message(const ProtobufCMessageDescriptor *descriptor, const MessageShape *shape)
{
    Text text _cleanup_(text_deinit) = TEXT_NULL;
    write_message(&text, descriptor);
    const char *bytes = text_string(&text);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, NULL, text.length, (const uint8_t *)bytes);
    ck_assert_ptr_nonnull(message);
    Oracle oracle = {0};
    oracle_collect(message, &oracle);
    Scan whole;
    ck_assert(scan_whole(&whole, shape, bytes, text.length));
    ck_assert(oracle_agrees(&oracle, &whole.envelope, false));
    protobuf_c_message_free_unpacked(message, NULL);

    if (text.length < 1200)
        check_cut_at_every_byte(&whole, shape, bytes, text.length);
    check_random_cuts(&whole, shape, bytes, text.length, 1);
    check_random_cuts(&whole, shape, bytes, text.length, 7);
    check_random_cuts(&whole, shape, bytes, text.length, 200);
}

START_TEST(agrees_with_protobuf_on_random_messages)
{
    const Method *method = method_get((MethodId)_i);
    random_state = 2463534242u + (uint32_t)_i;
    for (int i = 0; i < 150; i++) {
        check_random_message(oracle_descriptors[_i][0], method->request);
        check_random_message(oracle_descriptors[_i][1], method->response);
    }
}
END_TEST

START_TEST(finds_every_field_of_every_message)
{
    const MessageShape *shapes[2] = {method_get((MethodId)_i)->request, method_get((MethodId)_i)->response};
    for (int k = 0; k < 2; k++) {
        const ProtobufCMessageDescriptor *descriptor = oracle_descriptors[_i][k];
        for (unsigned f = 0; f < descriptor->n_fields; f++) {
            const ProtobufCFieldDescriptor *field = &descriptor->fields[f];
            EnvelopeSlot slot = oracle_slot(field->name);
            Text text _cleanup_(text_deinit) = TEXT_NULL;
            if (slot == ENVELOPE_N_SLOTS)
                continue;
            random_state = 1;
            if (field->type == PROTOBUF_C_TYPE_BOOL)
                write_number(&text, field->id, 1);
            else
                write_bytes(&text, field->id, "", 0);
            Scan scan;
            ck_assert(scan_whole(&scan, shapes[k], text_string(&text), text.length));
            ck_assert_msg(slot < ENVELOPE_N_STRINGS ? scan.envelope.texts[slot].is_present
                                                    : scan.envelope.flags[slot],
                          "%s.%s", descriptor->short_name, field->name);
        }
    }
}
END_TEST

#define SCAN(scan, id, direction, bytes)                                                                     \
    scan_whole(&(scan), method_get(id)->direction, bytes, sizeof(bytes) - 1)

START_TEST(text_has_its_place_in_the_message)
{
    Scan scan;
    ck_assert(SCAN(scan, METHOD_CONFIG, request,
                   "\x0a\x03"
                   "abc"
                   "\x12\x04\x0a\x02"
                   "me"
                   "\x1a\x01x"));
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID), "abc");
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_USER_ID), "me");
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_CLIENT_TYPE));
    ck_assert_uint_eq(scan.envelope.texts[ENVELOPE_SESSION_ID].offset, 2);
    ck_assert_uint_eq(scan.envelope.texts[ENVELOPE_USER_ID].offset, 9);
    ck_assert_uint_eq(scan.envelope.texts[ENVELOPE_USER_ID].length, 2);
}
END_TEST

START_TEST(text_is_there_with_its_last_byte)
{
    Scan scan;
    scan_begin(&scan, method_get(METHOD_CONFIG)->request);
    scan_feed(&scan,
              "\x0a\x03"
              "ab",
              4);
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID));
    scan_feed(&scan, "c\x0a\x02x", 4);
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID)); /* being replaced */
    scan_feed(&scan, "y", 1);
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID), "xy");
}
END_TEST

START_TEST(only_usable_text_is_handed_out)
{
    Scan scan;
    Text text _cleanup_(text_deinit) = TEXT_NULL;
    random_state = 1;
    write_letters(&text, 1, ENVELOPE_TEXT_SIZE);
    ck_assert(scan_whole(&scan, method_get(METHOD_CONFIG)->request, text_string(&text), text.length));
    ck_assert(scan.envelope.texts[ENVELOPE_SESSION_ID].is_present);
    ck_assert_uint_eq(scan.envelope.texts[ENVELOPE_SESSION_ID].length, ENVELOPE_TEXT_SIZE);
    ck_assert_uint_eq(strlen(scan.envelope.texts[ENVELOPE_SESSION_ID].text), ENVELOPE_TEXT_SIZE - 1);
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID));
    ck_assert(SCAN(scan, METHOD_CONFIG, request,
                   "\x0a\x03"
                   "a\0b"));
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID));
    ck_assert(SCAN(scan, METHOD_CONFIG, request,
                   "\x0a\x01"
                   "a\x0a\x00"));
    ck_assert(scan.envelope.texts[ENVELOPE_SESSION_ID].is_present);
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID));
}
END_TEST

START_TEST(last_allow_reconnect_wins)
{
    Scan scan;
    ck_assert(SCAN(scan, METHOD_RELEASE_SESSION, request, "\x0a\x01s\x20\x01"));
    ck_assert(scan.envelope.flags[ENVELOPE_ALLOW_RECONNECT]);
    ck_assert(SCAN(scan, METHOD_RELEASE_SESSION, request, "\x20\x01\x20\x00"));
    ck_assert(!scan.envelope.flags[ENVELOPE_ALLOW_RECONNECT]);
    ck_assert(SCAN(scan, METHOD_RELEASE_SESSION, request, "\x0a\x01s"));
    ck_assert(!scan.envelope.flags[ENVELOPE_ALLOW_RECONNECT]);
}
END_TEST

START_TEST(later_release_wins)
{
    Scan scan;
    ck_assert(SCAN(scan, METHOD_RELEASE_EXECUTE, request, "\x32\x03\x0a\x01r\x2a\x00"));
    ck_assert(scan.envelope.flags[ENVELOPE_RELEASE_ALL] && !scan.envelope.flags[ENVELOPE_RELEASE_UNTIL]);
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_RESPONSE_ID));
    ck_assert(SCAN(scan, METHOD_RELEASE_EXECUTE, request, "\x2a\x00\x32\x03\x0a\x01r"));
    ck_assert(!scan.envelope.flags[ENVELOPE_RELEASE_ALL] && scan.envelope.flags[ENVELOPE_RELEASE_UNTIL]);
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_RESPONSE_ID), "r");
    ck_assert(SCAN(scan, METHOD_RELEASE_EXECUTE, request, "\x32\x03\x0a\x01r\x32\x00"));
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_RESPONSE_ID), "r"); /* merged */
    ck_assert(SCAN(scan, METHOD_RELEASE_EXECUTE, request, "\x32\x03\x0a\x01r\x2a\x00\x32\x00"));
    ck_assert(scan.envelope.flags[ENVELOPE_RELEASE_UNTIL]);
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_RESPONSE_ID)); /* begun anew */
}
END_TEST

START_TEST(later_interrupt_wins)
{
    Scan scan;
    ck_assert(SCAN(scan, METHOD_INTERRUPT, request, "\x2a\x01t\x32\x01o"));
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_OPERATION_ID), "o");
    ck_assert(SCAN(scan, METHOD_INTERRUPT, request, "\x32\x01o\x2a\x01t"));
    ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_OPERATION_ID));
}
END_TEST

START_TEST(reattachable_when_any_option_says_so)
{
    Scan scan;
    ck_assert(SCAN(scan, METHOD_EXECUTE_PLAN, request, "\x2a\x04\x0a\x02\x08\x01\x2a\x04\x12\x02\x08\x01"));
    ck_assert(scan.envelope.flags[ENVELOPE_REATTACHABLE]);
    ck_assert(SCAN(scan, METHOD_EXECUTE_PLAN, request, "\x2a\x04\x0a\x02\x08\x00\x2a\x04\x12\x02\x08\x01"));
    ck_assert(!scan.envelope.flags[ENVELOPE_REATTACHABLE]);
    ck_assert(SCAN(scan, METHOD_EXECUTE_PLAN, request, "\x2a\x04\x0a\x02\x08\x01\x2a\x02\x0a\x00"));
    ck_assert(scan.envelope.flags[ENVELOPE_REATTACHABLE]);
}
END_TEST

START_TEST(wrong_wire_type_is_an_unknown_field)
{
    Scan scan;
    ck_assert(SCAN(scan, METHOD_CONFIG, request,
                   "\x08\x05\x11"
                   "12345678\x25"
                   "1234\x0a\x01s"));
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID), "s");
    ck_assert(!scan.envelope.texts[ENVELOPE_CLIENT_TYPE].is_present);
    ck_assert(SCAN(scan, METHOD_EXECUTE_PLAN, response, "\x70\x01"));
    ck_assert(!scan.envelope.flags[ENVELOPE_RESULT_COMPLETE]);
}
END_TEST

typedef struct Bad {
    const char *what, *bytes;
    size_t length;
    ScannerState state; /* SCANNER_RUNNING when only the end of the message shows it */
} Bad;

#define BAD(what, bytes, state)                                                                              \
    {                                                                                                        \
        what, bytes, sizeof(bytes) - 1, state                                                                \
    }

static const Bad bad[] = {
    BAD("field number 0", "\x02\x00", SCANNER_MALFORMED),
    BAD("field number 0, padded", "\x82\x80\x00\x00", SCANNER_MALFORMED),
    BAD("tag beyond 32 bits", "\x82\x80\x80\x80\x10\x00", SCANNER_MALFORMED),
    BAD("start group", "\x0b\x0c", SCANNER_MALFORMED),
    BAD("end group", "\x0c", SCANNER_MALFORMED),
    BAD("wire type 6", "\x0e\x00", SCANNER_MALFORMED),
    BAD("wire type 7", "\x0f\x00", SCANNER_MALFORMED),
    BAD("tag of eleven bytes",
        "\x8a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01"
        "a",
        SCANNER_MALFORMED),
    BAD("varint of eleven bytes", "\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", SCANNER_MALFORMED),
    BAD("length beyond any message", "\x1a\xff\xff\xff\xff\x7f", SCANNER_MALFORMED),
    BAD("length of 2^64 - 1", "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", SCANNER_MALFORMED),
    BAD("string longer than its message",
        "\x12\x02\x0a\x01"
        "a",
        SCANNER_MALFORMED),
    BAD("unknown field longer than its message",
        "\x12\x02\x1a\x05"
        "abcde",
        SCANNER_MALFORMED),
    BAD("fixed32 longer than its message",
        "\x12\x04\x1d"
        "1234",
        SCANNER_MALFORMED),
    BAD("fixed64 longer than its message",
        "\x12\x08\x19"
        "12345678",
        SCANNER_MALFORMED),
    BAD("varint across the end of its message", "\x12\x02\x10\x80\x01", SCANNER_MALFORMED),
    BAD("tag across the end of its message", "\x12\x01\x90\x02\x01", SCANNER_MALFORMED),
    BAD("length across the end of its message",
        "\x12\x02\x12\x81\x00"
        "a",
        SCANNER_MALFORMED),
    BAD("tag without a value at the end of its message", "\x12\x01\x10\x01", SCANNER_MALFORMED),
    BAD("ends in a tag", "\x80", SCANNER_RUNNING),
    BAD("ends after a tag", "\x0a", SCANNER_RUNNING),
    BAD("ends in a length", "\x0a\x80", SCANNER_RUNNING),
    BAD("ends before a string", "\x0a\x02", SCANNER_RUNNING),
    BAD("ends in a string",
        "\x0a\x02"
        "a",
        SCANNER_RUNNING),
    BAD("ends in a skipped field",
        "\x1a\x02"
        "a",
        SCANNER_RUNNING),
    BAD("ends in a varint", "\x18\x80", SCANNER_RUNNING),
    BAD("ends in a fixed32",
        "\x1d"
        "123",
        SCANNER_RUNNING),
    BAD("ends before a message", "\x12\x05", SCANNER_RUNNING),
    BAD("ends in a message",
        "\x12\x05\x0a\x01"
        "a",
        SCANNER_RUNNING),
};

START_TEST(malformed_is_noticed)
{
    Scan scan;
    const Bad *row = &bad[_i];
    const MessageShape *shape = method_get(METHOD_CONFIG)->request;
    ck_assert_msg(!scan_whole(&scan, shape, row->bytes, row->length), "%s", row->what);
    ck_assert_msg(scan.scanner.state == row->state, "%s", row->what);
    check_cut_at_every_byte(&scan, shape, row->bytes, row->length);
    check_random_cuts(&scan, shape, row->bytes, row->length, 1);
    if (row->state == SCANNER_MALFORMED) {
        ck_assert_int_eq(scan_feed(&scan, "\x0a\x01s", 3), SCANNER_MALFORMED);
        ck_assert_ptr_null(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID));
    }
}
END_TEST

START_TEST(what_was_found_before_stays)
{
    Scan scan;
    ck_assert(!SCAN(scan, METHOD_CONFIG, request, "\x0a\x01s\x0b"));
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID), "s");
}
END_TEST

START_TEST(no_shape_skips_everything)
{
    Scan scan;
    ck_assert(scan_whole(&scan, NULL, "\x0b\x0c\xff", 3));
    ck_assert(!scan.envelope.texts[ENVELOPE_SESSION_ID].is_present);
}
END_TEST

START_TEST(long_field_is_skipped_by_length)
{
    /* 4 GiB in pieces of 64 MiB of the same bytes: takes no time at all if it is not looked at. */
    size_t n = (size_t)64 << 20;
    uint8_t *bytes _cleanup_(mem_freep) = mem_alloc_zeroed(n, 1);
    Scan scan;
    scan_begin(&scan, method_get(METHOD_EXECUTE_PLAN)->response);
    scan_feed(&scan, "\x12\x80\x80\x80\x80\x0f", 6);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(scanner_feed(&scan.scanner, bytes, n), SCANNER_RUNNING);
    scan_feed(&scan, "\x0a\x01s", 3);
    ck_assert_str_eq(envelope_text(&scan.envelope, ENVELOPE_SESSION_ID), "s");
    ck_assert_uint_eq(scan.envelope.texts[ENVELOPE_SESSION_ID].offset, ((uint64_t)60 << 26) + 8);
}
END_TEST

static TCase *random_tests(void)
{
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, agrees_with_protobuf_on_random_messages, 0, N_METHODS);
    tcase_add_loop_test(tests, finds_every_field_of_every_message, 0, N_METHODS);
    return tests;
}

static TCase *written_tests(void)
{
    TCase *tests = tcase_create("written");
    tcase_add_test(tests, text_has_its_place_in_the_message);
    tcase_add_test(tests, text_is_there_with_its_last_byte);
    tcase_add_test(tests, only_usable_text_is_handed_out);
    tcase_add_test(tests, last_allow_reconnect_wins);
    tcase_add_test(tests, later_release_wins);
    tcase_add_test(tests, later_interrupt_wins);
    tcase_add_test(tests, reattachable_when_any_option_says_so);
    tcase_add_test(tests, wrong_wire_type_is_an_unknown_field);
    tcase_add_loop_test(tests, malformed_is_noticed, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tests, what_was_found_before_stays);
    tcase_add_test(tests, no_shape_skips_everything);
    tcase_add_test(tests, long_field_is_skipped_by_length);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("scanner");
    suite_add_tcase(suite, random_tests());
    suite_add_tcase(suite, written_tests());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
