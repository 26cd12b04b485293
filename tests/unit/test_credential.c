/* Credential: what a token becomes on the wire. */

#include "auth/credential.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_credential_stamps_all_its_headers)
{
    HeaderList headers = HEADER_LIST_INIT;
    char value[64];
    ProfileSettings profile = {.cluster_id = (char[]){"0712-c"}};
    Token token = {.access = secret_new("a", 1),
                   .extra_name = "x-databricks-azure-sp-management-token",
                   .extra = secret_new("m", 1),
                   .resource_id = "/subscriptions/1"};
    Credential *credential = credential_new(&token, &profile);
    ck_assert(credential_is_of(credential, &token));
    credential_stamp(credential, &headers, true);
    ck_assert_uint_eq(headers.n_entries, 4);
    ck_assert(header_list_copy_value(&headers, "authorization", value, sizeof value));
    ck_assert_str_eq(value, "Bearer a");
    ck_assert(
        header_list_copy_value(&headers, "x-databricks-azure-sp-management-token", value, sizeof value));
    ck_assert_str_eq(value, "m");
    ck_assert(
        header_list_copy_value(&headers, "x-databricks-azure-workspace-resource-id", value, sizeof value));
    ck_assert_str_eq(value, "/subscriptions/1");
    ck_assert(header_list_copy_value(&headers, "x-databricks-cluster-id", value, sizeof value));
    header_list_clear(&headers);
    credential_stamp(credential, &headers, false);
    ck_assert_uint_eq(headers.n_entries, 3);
    credential_unref(credential);
    profile.is_serverless = true;
    credential = credential_new(&token, &profile);
    header_list_clear(&headers);
    credential_stamp(credential, &headers, true);
    ck_assert_uint_eq(headers.n_entries, 3);
    secret_free(token.extra);
    token.extra = secret_new("n", 1);
    ck_assert(!credential_is_of(credential, &token));
    credential_unref(credential);
    token_deinit(&token);
    header_list_deinit(&headers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential");
    TCase *tests = tcase_create("credential");
    tcase_add_test(tests, a_credential_stamps_all_its_headers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
