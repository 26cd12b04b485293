/* Which folders have certificates that OpenSSL can look up one by one, and that it finds one there. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http2/tls_roots.h"

static char directory[64];

static void set_up(void)
{
    strcpy(directory, "/tmp/test_tls_roots.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void tear_down(void)
{
    ck_assert_int_eq(rmdir(directory), 0);
}

static bool is_hashed_with(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fclose(file);
    bool is_hashed = tls_roots_is_hashed(directory);
    ck_assert_int_eq(unlink(path), 0);
    return is_hashed;
}

START_TEST(only_hashed_names_count)
{
    ck_assert(!tls_roots_is_hashed(directory));
    ck_assert(is_hashed_with("0f5dc4f3.0"));
    ck_assert(is_hashed_with("0f5dc4f3.12"));
    ck_assert(!is_hashed_with("ca-certificates.crt"));
    ck_assert(!is_hashed_with("0f5dc4f3"));
    ck_assert(!is_hashed_with("0f5dc4f3.r0"));
    ck_assert(!is_hashed_with("0f5dc4f.0"));
    ck_assert(!tls_roots_is_hashed("/nowhere/at/all"));
}
END_TEST

START_TEST(a_file_of_ones_own_must_be_there)
{
    SSL_CTX *ssl_context = SSL_CTX_new(TLS_client_method());
    ck_assert(!tls_roots_load(ssl_context, "/nowhere/at/all.pem"));
    ck_assert(tls_roots_load(ssl_context, NULL));
    SSL_CTX_free(ssl_context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_roots");
    TCase *tests = tcase_create("tls_roots");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, only_hashed_names_count);
    tcase_add_test(tests, a_file_of_ones_own_must_be_there);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
