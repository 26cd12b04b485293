#include "rpc/status_amend.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/status.h"

#define CHANGED  "[INVALID_HANDLE.SESSION_CHANGED] The handle \xe2\x80\x98x\xe2\x80\x99 is invalid."
#define SENTENCE " sparkbouncer: caf\xc3\xa9 is gone."

static const uint8_t INFO[] = {0x1a, 5,    0x0a, 3,   'a', 'b',
                               'c',  0x22, 2,    'x', 'y'}; /* detail, unknown field */

/* A status with code, message, one detail and a field that nobody knows. */
static void append_status(Text *bytes, const char *message)
{
    static const char CODE[] = {0x08, 13};
    size_t length = strlen(message);
    char head[] = {0x12, (char)(length < 0x80 ? length : (length & 0x7f) | 0x80), (char)(length >> 7)};
    text_append_bytes(bytes, CODE, sizeof CODE);
    text_append_bytes(bytes, head, length < 0x80 ? 2 : 3);
    text_append(bytes, message);
    text_append_bytes(bytes, (const char *)INFO, sizeof INFO);
}

static void details_of(const char *message, Text *details)
{
    Text bytes _cleanup_(text_deinit) = TEXT_NULL;
    append_status(&bytes, message);
    status_append_base64(details, (const uint8_t *)bytes.bytes, bytes.length);
}

static bool amend(const char *message, const Text *details, Text *ret_message, Text *ret_details)
{
    StatusWords words = {message, strlen(message), details ? details->bytes : NULL,
                         details ? details->length : 0};
    return status_amend(&words, SENTENCE, ret_message, ret_details);
}

static void check_both(const char *message)
{
    Text sent _cleanup_(text_deinit) = TEXT_NULL;
    Text details _cleanup_(text_deinit) = TEXT_NULL;
    Text whole _cleanup_(text_deinit) = TEXT_NULL;
    Text expected _cleanup_(text_deinit) = TEXT_NULL;
    Text new_message _cleanup_(text_deinit) = TEXT_NULL;
    Text new_details _cleanup_(text_deinit) = TEXT_NULL;
    status_append_message(&sent, message);
    details_of(message, &details);
    text_printf(&whole, "%s%s", message, SENTENCE);
    details_of(text_string(&whole), &expected);
    for (unsigned padding = 0; padding <= 1; padding++) {
        text_clear(&new_message);
        text_clear(&new_details);
        ck_assert(amend(text_string(&sent), &details, &new_message, &new_details));
        ck_assert_str_eq(text_string(&new_details), text_string(&expected));
        ck_assert_int_eq(strncmp(text_string(&new_message), text_string(&sent), sent.length), 0);
        char *decoded = status_decode_message(new_message.bytes, new_message.length);
        ck_assert_str_eq(decoded, text_string(&whole));
        free(decoded);
        while (details.length % 4)
            text_append(&details, "=");
    }
}

START_TEST(both_get_the_sentence)
{
    char message[200] = "";
    check_both(CHANGED);
    for (size_t n = 0; n + 1 < sizeof message; n++) { /* lengths whose varint grows, each end of base64 */
        check_both(message);
        message[n] = (char)('a' + n % 26);
    }
}
END_TEST

START_TEST(message_alone)
{
    Text new_message _cleanup_(text_deinit) = TEXT_NULL;
    Text new_details _cleanup_(text_deinit) = TEXT_NULL;
    ck_assert(amend("50%25", NULL, &new_message, &new_details));
    ck_assert_str_eq(text_string(&new_message), "50%25 sparkbouncer: caf%C3%A9 is gone.");
    ck_assert_uint_eq(new_details.length, 0);
}
END_TEST

/* A client takes neither when they differ, so what differs is left alone. */
START_TEST(other_details_are_left_alone)
{
    static const uint8_t BAD[][4] = {{0x12, 9, 'a', 'b'}, {0x0b, 0, 0, 0}, {0x80, 0x80, 0x80, 0x80}};
    Text details _cleanup_(text_deinit) = TEXT_NULL;
    Text new_message _cleanup_(text_deinit) = TEXT_NULL;
    Text new_details _cleanup_(text_deinit) = TEXT_NULL;
    details_of("another", &details);
    ck_assert(!amend("this one", &details, &new_message, &new_details));
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        text_clear(&details);
        status_append_base64(&details, BAD[i], sizeof BAD[i]);
        ck_assert(!amend("", &details, &new_message, &new_details));
    }
    text_clear(&details);
    text_append(&details, "a*bc");
    ck_assert(!amend("", &details, &new_message, &new_details));
    ck_assert_uint_eq(new_message.length + new_details.length, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status_amend");
    TCase *tests = tcase_create("status_amend");
    tcase_add_test(tests, both_get_the_sentence);
    tcase_add_test(tests, message_alone);
    tcase_add_test(tests, other_details_are_left_alone);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
