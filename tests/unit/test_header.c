/* Header lists: order, size, look-up by exact name, and references to nghttp2's buffers. */

#include <check.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http2/header.h"

static HeaderList list;

static void set_up(void)
{
    list = (HeaderList)HEADER_LIST_INIT;
    header_list_add(&list, HEADER_LITERAL(":status", "200"));
    header_list_add(&list, HEADER_LITERAL("x-profile", "dev"));
    header_list_add(&list, HEADER_LITERAL("x-profile", "second"));
    header_list_add(&list, HEADER_LITERAL("x-empty", ""));
}

static void tear_down(void)
{
    header_list_deinit(&list);
    ck_assert_ptr_null(list.entries);
    ck_assert_uint_eq(list.capacity, 0);
}

START_TEST(the_first_of_a_name_is_found)
{
    const Header *header = header_list_find(&list, "x-profile");
    ck_assert_ptr_eq(header, &list.entries[1]);
    ck_assert_ptr_eq(header_list_find(&list, ":status"), &list.entries[0]);
    ck_assert_ptr_nonnull(header_list_find(&list, "x-empty"));
}
END_TEST

START_TEST(near_misses_are_not_found)
{
    static const char *const NAMES[] = {"", "x-profil", "x-profile2", "X-Profile", "status", "y-profile"};
    HeaderList empty = HEADER_LIST_INIT;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        ck_assert_ptr_null(header_list_find(&list, NAMES[i]));
    ck_assert_ptr_null(header_list_find(&empty, "x-profile"));
    ck_assert(header_name_is(&list.entries[1], "x-profile"));
    ck_assert(!header_name_is(&list.entries[1], "x-profil"));
    ck_assert(!header_name_is(&list.entries[1], "x-profile2"));
}
END_TEST

START_TEST(values_are_copied_where_they_fit)
{
    char value[4] = "old";
    ck_assert(header_list_copy_value(&list, "x-profile", value, 4));
    ck_assert_str_eq(value, "dev");
    memcpy(value, "old", 4);
    ck_assert(!header_list_copy_value(&list, "x-profile", value, 3)); /* no room for the NUL */
    ck_assert_str_eq(value, "old");
    ck_assert(!header_list_copy_value(&list, "absent", value, 4));
    ck_assert_str_eq(value, "old");
    ck_assert(header_list_copy_value(&list, "x-empty", value, 1));
    ck_assert_str_eq(value, "");
}
END_TEST

START_TEST(size_counts_as_settings_do)
{
    ck_assert_uint_eq(list.size, 7 + 3 + 9 + 3 + 9 + 6 + 7 + 0 + 4 * 32);
    header_list_clear(&list);
    ck_assert_uint_eq(list.size, 0);
    ck_assert_uint_eq(list.n_entries, 0);
    ck_assert_uint_gt(list.capacity, 0);
    ck_assert_ptr_null(header_list_find(&list, "x-profile"));
}
END_TEST

START_TEST(many_headers_keep_their_order)
{
    static char names[300][8];
    header_list_clear(&list);
    for (size_t i = 0; i < 300; i++) {
        int length = snprintf(names[i], sizeof names[i], "n%zu", i);
        header_list_add(&list, (Header){names[i], names[i], (uint32_t)length, (uint32_t)length, NULL, NULL});
    }
    for (size_t i = 0; i < 300; i++) {
        ck_assert_ptr_eq(list.entries[i].name, names[i]);
        ck_assert_ptr_eq(header_list_find(&list, names[i]), &list.entries[i]);
    }
}
END_TEST

/* ---- headers as nghttp2 receives them */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)session, (void)frame, (void)flags, (void)user_data;
    header_list_add_received(&list, name, value);
    return 0;
}

/* A server session that receives header blocks into `list`. */
static nghttp2_session *receiving_session(void)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    ck_assert_int_eq(nghttp2_session_server_new(&session, callbacks, NULL), 0);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void receive_request(nghttp2_session *session)
{
    static const uint8_t BYTES[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                   "\0\0\0\x04\0\0\0\0\0"       /* SETTINGS */
                                   "\0\0\x0e\x01\x05\0\0\0\x01" /* HEADERS, END_STREAM, END_HEADERS */
                                   "\x83\x86\x84\x41\x01s"      /* POST, http, /, :authority s */
                                   "\x40\x02te\x03now";         /* new: te now, kept in the table */
    (void)nghttp2_session_mem_recv(session, BYTES, sizeof BYTES - 1);
}

START_TEST(received_headers_outlive_the_session)
{
    header_list_clear(&list);
    nghttp2_session *session = receiving_session();
    receive_request(session);
    nghttp2_session_del(session);
    ck_assert_uint_ge(list.n_entries, 4);
    const Header *header = header_list_find(&list, ":authority");
    ck_assert_ptr_nonnull(header);
    ck_assert_uint_eq(header->value_length, 1);
    ck_assert_mem_eq(header->value, "s", 1);
    ck_assert_ptr_nonnull(header_list_find(&list, ":path"));
    header_list_clear(&list); /* a sanitizer sees what is leaked or freed twice */
}
END_TEST

START_TEST(received_headers_outlive_the_list_they_came_in)
{
    HeaderList copy = HEADER_LIST_INIT;
    header_list_clear(&list);
    nghttp2_session *session = receiving_session();
    receive_request(session);
    header_list_add_all(&copy, &list);
    ck_assert_uint_eq(copy.n_entries, list.n_entries);
    ck_assert_uint_eq(copy.size, list.size);
    header_list_deinit(&list);
    nghttp2_session_del(session);
    const Header *header = header_list_find(&copy, ":authority");
    ck_assert_ptr_nonnull(header);
    ck_assert_mem_eq(header->value, "s", 1);
    header_list_deinit(&copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("header");
    TCase *tests = tcase_create("header");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_first_of_a_name_is_found);
    tcase_add_test(tests, near_misses_are_not_found);
    tcase_add_test(tests, values_are_copied_where_they_fit);
    tcase_add_test(tests, size_counts_as_settings_do);
    tcase_add_test(tests, many_headers_keep_their_order);
    tcase_add_test(tests, received_headers_outlive_the_session);
    tcase_add_test(tests, received_headers_outlive_the_list_they_came_in);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
