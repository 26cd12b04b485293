/* Prefaces: what a client speaks, told from its first bytes, however few have come. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http2/preface.h"

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *bytes;
    size_t length;
    PrefaceKind kind;
} CASES[] = {
    {BYTES(""), PREFACE_HTTP2},
    {BYTES(HTTP2_PREFACE), PREFACE_HTTP2},
    {BYTES("P"), PREFACE_HTTP2}, /* it may still become one; POST and PUT are told apart by the next byte */
    {BYTES("PR"), PREFACE_HTTP2},
    {BYTES("PO"), PREFACE_HTTP1},
    {BYTES("PRI * HTTP/1.1\r\n"), PREFACE_UNKNOWN},
    {BYTES("pri * http/2.0\r\n"), PREFACE_UNKNOWN},
    {BYTES("\x16"), PREFACE_TLS},
    {BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), PREFACE_TLS},
    {BYTES("\x16\x03\x03"), PREFACE_TLS},
    {BYTES("\x16\x04"), PREFACE_UNKNOWN},
    {BYTES("\x15\x03\x01"), PREFACE_UNKNOWN},
    {BYTES("GET / HTTP/1.1\r\n"), PREFACE_HTTP1},
    {BYTES("G"), PREFACE_HTTP1},
    {BYTES("POST /spark.connect.SparkCo"), PREFACE_HTTP1},
    {BYTES("PUT /"), PREFACE_HTTP1},
    {BYTES("HEAD /"), PREFACE_HTTP1},
    {BYTES("DELETE /"), PREFACE_HTTP1},
    {BYTES("OPTIONS * HTTP/1.1"), PREFACE_HTTP1},
    {BYTES("CONNECT spark:443 HTTP/1.1"), PREFACE_HTTP1},
    {BYTES("PATCH /"), PREFACE_HTTP1},
    {BYTES("TRACE /"), PREFACE_HTTP1},
    {BYTES("HTTP/1.1 400 Bad Request\r\n"), PREFACE_HTTP1},
    {BYTES("HTTP/1.0 200 OK\r\n"), PREFACE_HTTP1},
    {BYTES("HTTP/2 200\r\n"), PREFACE_UNKNOWN},
    {BYTES("GETX /"), PREFACE_UNKNOWN},
    {BYTES("get / HTTP/1.1"), PREFACE_UNKNOWN},
    {BYTES("SSH-2.0-OpenSSH_9.2\r\n"), PREFACE_UNKNOWN},
    {BYTES("\0\0\0\0"), PREFACE_UNKNOWN},
    {BYTES("\0\0\x12\x04\0\0\0\0\0"), PREFACE_UNKNOWN}, /* a server's SETTINGS */
};

START_TEST(kinds_are_told_apart)
{
    PrefaceKind kind = preface_classify((const uint8_t *)CASES[_i].bytes, CASES[_i].length);
    ck_assert_msg(kind == CASES[_i].kind, "case %d: %d", _i, (int)kind);
}
END_TEST

START_TEST(no_byte_beyond_the_length_is_read)
{
    for (size_t length = 1; length < sizeof HTTP2_PREFACE; length++) {
        uint8_t *bytes = malloc(length); /* of the exact size: a sanitizer sees more */
        memcpy(bytes, HTTP2_PREFACE, length);
        ck_assert_int_eq(preface_classify(bytes, length), PREFACE_HTTP2);
        bytes[length - 1] ^= 0x80;
        ck_assert_int_eq(preface_classify(bytes, length), PREFACE_UNKNOWN);
        free(bytes);
    }
}
END_TEST

START_TEST(bytes_after_the_preface_do_not_matter)
{
    ck_assert_int_eq(preface_classify((const uint8_t *)HTTP2_PREFACE "\xff\xff", 26), PREFACE_HTTP2);
    ck_assert_uint_eq(sizeof HTTP2_PREFACE - 1, PREFACE_BYTES_KEPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preface");
    TCase *tests = tcase_create("preface");
    tcase_add_loop_test(tests, kinds_are_told_apart, 0, sizeof(CASES) / sizeof(CASES[0]));
    tcase_add_test(tests, no_byte_beyond_the_length_is_read);
    tcase_add_test(tests, bytes_after_the_preface_do_not_matter);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
