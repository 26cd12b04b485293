/* The frame buffer of a session: on pages of its own, given back while nothing is sent, and made again after.
 */

#include <check.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http2/frame_buffer.h"

static nghttp2_session_callbacks *callbacks;
static FrameBuffer buffer;
static nghttp2_session *session;

static void set_up(void)
{
    nghttp2_mem allocator;
    buffer = (FrameBuffer){.is_expected = true};
    frame_buffer_allocator(&buffer, &allocator);
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    ck_assert_int_eq(nghttp2_session_server_new3(&session, callbacks, NULL, NULL, &allocator), 0);
    buffer.is_expected = false;
}

static void tear_down(void)
{
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(callbacks);
    ck_assert_ptr_null(buffer.pages);
}

static size_t resident_pages(void)
{
    unsigned char pages[64];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0, n_pages = (buffer.size + page - 1) / page;
    ck_assert_uint_le(n_pages, sizeof pages);
    ck_assert_int_eq(mincore(buffer.pages, buffer.size, pages), 0);
    for (size_t i = 0; i < n_pages; i++)
        n += pages[i] & 1;
    return n;
}

static void send_ping(const uint8_t opaque[8])
{
    const uint8_t *bytes;
    ck_assert_int_eq(nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, opaque), 0);
    ssize_t n = nghttp2_session_mem_send(session, &bytes);
    ck_assert_int_ge(n, 17);
    ck_assert_mem_eq(bytes + n - 8, opaque, 8);
    while (nghttp2_session_mem_send(session, &bytes) > 0)
        ;
}

START_TEST(it_lies_on_pages_of_its_own)
{
    ck_assert_ptr_nonnull(buffer.pages);
    ck_assert_uint_ge(buffer.size, 16384);
    send_ping((const uint8_t *)"first...");
    ck_assert_uint_ge(resident_pages(), 1);
}
END_TEST

START_TEST(its_pages_are_given_back_and_come_again)
{
    send_ping((const uint8_t *)"before..");
    buffer.is_warm = true;
    frame_buffer_cool(&buffer);
    ck_assert(!buffer.is_warm);
    ck_assert_uint_eq(resident_pages(), 0);
    send_ping((const uint8_t *)"after...");
    ck_assert_uint_ge(resident_pages(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame_buffer");
    TCase *tests = tcase_create("frame_buffer");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, it_lies_on_pages_of_its_own);
    tcase_add_test(tests, its_pages_are_given_back_and_come_again);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
