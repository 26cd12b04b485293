/* What endpoints and programs print: ends of tokens in every spelling, answers, errors, and what our own side
 * writes. */

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/answer.h"
#include "auth/azure_cloud.h"
#include "auth/basic.h"
#include "auth/databricks_cli.h"
#include "auth/form.h"
#include "auth/jwt.h"
#include "auth/quote.h"
#include "auth/timestamp.h"
#include "base/base64.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
/* 2026-03-20T10:30:00Z */
#define MOMENT 1774002600

START_TEST(test_timestamps)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } GOOD[] = {
        {"2026-03-20T10:30:00Z", MOMENT},
        {"2026-03-20T10:30:00z", MOMENT},
        {"2026-03-20t10:30:00Z", MOMENT},
        {"2026-03-20T10:30:00.1Z", MOMENT},
        {"2026-03-20T10:30:00.123456789Z", MOMENT},
        {"2026-03-20T11:30:00+01:00", MOMENT},
        {"2026-03-20T05:00:00.5-05:30", MOMENT},
        {"2026-03-20T05:00:00-0530", MOMENT},
        {"2026-03-20 10:30:00", MOMENT},
        {"2026-03-20 10:30:00.123456", MOMENT},
        {"2026-03-20T10:29:60Z", MOMENT},
        {"1774002600", MOMENT},
        {"1774002600.75", MOMENT},
        {"0", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"2100-01-01T00:00:00+00:00", 4102444800},
    };
    for (size_t i = 0; i < COUNT(GOOD); i++) {
        int64_t seconds = -1;
        ck_assert_msg(timestamp_parse(GOOD[i].text, TIMESTAMP_ZONE_UTC, &seconds), "%s", GOOD[i].text);
        ck_assert_msg(seconds == GOOD[i].seconds, "%s gives %lld", GOOD[i].text, (long long)seconds);
    }
}
END_TEST

START_TEST(test_bad_timestamps)
{
    static const char *const BAD[] = {
        "",
        " ",
        "never",
        "-5",
        "1774002600s",
        "1774002600.",
        "1234567890123",
        "2026-03-20",
        "2026-03-20T",
        "2026-03-20T10:30",
        "2026-03-20T10:30:00.Z",
        "2026-03-20T10:30:00.1234567890Z",
        "2026-03-20T10:30:00ZZ",
        "2026-03-20T10:30:00 Z",
        "2026-03-20T10:30:00+1:00",
        "2026-03-20T10:30:00+24:00",
        "2026-03-20T10:30:00+01:60",
        "2026-03-20T10:30:00+01:00:00",
        "2026-13-20T10:30:00Z",
        "2026-00-20T10:30:00Z",
        "2026-03-32T10:30:00Z",
        "2026-03-20T24:30:00Z",
        "2026-03-20T10:60:00Z",
        "2026/03/20T10:30:00Z",
        "26-03-20T10:30:00Z",
        "2026-03-20X10:30:00Z",
        "2026-03-20T10:30:00é",
    };
    for (size_t i = 0; i < COUNT(BAD); i++) {
        int64_t seconds;
        ck_assert_msg(!timestamp_parse(BAD[i], TIMESTAMP_ZONE_UTC, &seconds), "%s", BAD[i]);
    }
}
END_TEST

START_TEST(test_local_timestamps)
{
    int64_t seconds;
    ck_assert_int_eq(setenv("TZ", "Europe/Berlin", 1), 0);
    tzset();
    ck_assert(timestamp_parse("2026-03-20 11:30:00.000000", TIMESTAMP_ZONE_LOCAL, &seconds));
    ck_assert_int_eq(seconds, MOMENT);
    ck_assert(timestamp_parse("2026-07-01 12:00:00", TIMESTAMP_ZONE_LOCAL, &seconds)); /* summer */
    ck_assert_int_eq(seconds, 1782900000);
    ck_assert(timestamp_parse("2026-03-20T10:30:00Z", TIMESTAMP_ZONE_LOCAL, &seconds));
    ck_assert_int_eq(seconds, MOMENT);
    ck_assert(timestamp_parse("2026-03-20 10:30:00", TIMESTAMP_ZONE_UTC, &seconds));
    ck_assert_int_eq(seconds, MOMENT);
}
END_TEST

static bool parse(const char *json, TokenAnswer *answer, Text *problem)
{
    text_clear(problem);
    return token_answer_parse(json, strlen(json), answer, problem);
}

START_TEST(test_token_answers)
{
    static const struct {
        const char *json;
        int64_t lives_s, ends_at_s;
    } GOOD[] = {
        {"{\"access_token\":\"t\"}", 0, 0},
        {"{\"access_token\":\"t\",\"expires_in\":3600}", 3600, 0},
        {"{\"access_token\":\"t\",\"expires_in\":\"3599\"}", 3599, 0},
        {"{\"access_token\":\"t\",\"expires_in\":null,\"expiry\":\"\"}", 0, 0},
        {"{\"access_token\":\"t\",\"expires_on\":1774002600}", 0, MOMENT},
        {"{\"access_token\":\"t\",\"expires_on\":\"1774002600\",\"expires_in\":\"5\"}", 5, MOMENT},
        {"{\"access_token\":\"t\",\"expires_on\":1774002600.9}", 0, MOMENT},
        {"{\"access_token\":\"t\",\"expiry\":\"2026-03-20T11:30:00.123+01:00\"}", 0, MOMENT},
        {"{\"accessToken\":\"t\",\"expiresOn\":\"2026-03-20 10:30:00.000000\",\"expires_on\":1774002600}", 0,
         MOMENT},
        {"{\"accessToken\":\"t\",\"expiresOn\":\"2026-03-20 10:30:00.000000\"}", 0, MOMENT},
    };
    ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
    tzset();
    Text problem = TEXT_NULL;
    for (size_t i = 0; i < COUNT(GOOD); i++) {
        TokenAnswer answer;
        ck_assert_msg(parse(GOOD[i].json, &answer, &problem), "%s: %s", GOOD[i].json, text_string(&problem));
        ck_assert_str_eq(secret_reveal(answer.access), "t");
        ck_assert_msg(answer.lives_s == GOOD[i].lives_s && answer.ends_at_s == GOOD[i].ends_at_s, "%s",
                      GOOD[i].json);
        token_answer_deinit(&answer);
    }
    text_deinit(&problem);
}
END_TEST

START_TEST(test_bad_token_answers)
{
    static const struct {
        const char *json, *problem;
    } BAD[] = {
        {"", "not a JSON object"},
        {"<html>", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"\"t\"", "not a JSON object"},
        {"{\"access_token\":\"t\"", "not a JSON object"},
        {"{}", "no access_token"},
        {"{\"access_token\":\"\"}", "no access_token"},
        {"{\"access_token\":7}", "no access_token"},
        {"{\"access_token\":\"t\",\"expires_in\":\"soon\"}", "expires_in"},
        {"{\"access_token\":\"t\",\"expires_in\":-5}", "expires_in"},
        {"{\"access_token\":\"t\",\"expires_in\":1e300}", "expires_in"},
        {"{\"access_token\":\"t\",\"expires_in\":{}}", "expires_in"},
        {"{\"access_token\":\"t\",\"expiry\":\"tomorrow\"}", "\"expiry\" is no time"},
        {"{\"access_token\":\"t\",\"expires_on\":true}", "\"expires_on\" is no time"},
    };
    Text problem = TEXT_NULL;
    for (size_t i = 0; i < COUNT(BAD); i++) {
        TokenAnswer answer;
        ck_assert_msg(!parse(BAD[i].json, &answer, &problem), "%s", BAD[i].json);
        ck_assert_msg(strstr(text_string(&problem), BAD[i].problem), "%s: %s", BAD[i].json,
                      text_string(&problem));
        token_answer_deinit(&answer);
    }
    text_deinit(&problem);
}
END_TEST

START_TEST(test_errors)
{
    static const struct {
        const char *body, *said;
    } CASES[] = {
        {"{\"error\":\"invalid_client\",\"error_description\":\"Client authentication failed.\"}",
         "invalid_client: Client authentication failed"},
        {"{\"error\":\"invalid_client\"}", "invalid_client"},
        {"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid secret.\\r\\nTrace "
         "ID: "
         "1\\r\\nCorrelation ID: 2\"}",
         "invalid_client: AADSTS7000215: Invalid secret.\r\nTrace ID: 1\r\nCorrelation ID: 2"},
        {"{\"errorCode\":\"E0000011\",\"errorSummary\":\"Invalid token provided\"}",
         "E0000011: Invalid token provided"},
        {"{\"error_code\":\"403\",\"message\":\"Invalid access token.\"}", "403: Invalid access token"},
        {"{\"error\":{\"code\":\"NotFound\",\"message\":\"nothing here\"}}", "NotFound: nothing here"},
        {"{\"message\":\"only\"}", "only"},
        {"{}", "HTTP 418"},
        {"", "HTTP 418"},
        {"<html><h1>Forbidden</h1></html>", "HTTP 418"},
        {"{\"error\":5}", "HTTP 418"},
        {"{\"error\":{\"code\":5}}", "HTTP 418"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        Text text = TEXT_NULL;
        answer_describe_error(CASES[i].body, strlen(CASES[i].body), 418, &text);
        if (strstr(CASES[i].said, "Trace"))
            ck_assert_str_eq(text_string(&text), "invalid_client: AADSTS7000215: Invalid secret");
        else
            ck_assert_str_eq(text_string(&text), CASES[i].said);
        text_deinit(&text);
    }
}
END_TEST

START_TEST(test_quotes)
{
    static const struct {
        const char *said, *shown;
        size_t max_length;
    } CASES[] = {
        {"", "", 50},
        {" \r\n\t", "", 50},
        {"  one\n\n two\tthree. \n", "one two three", 50},
        {"one two", "one", 3},
        {"a\x01z\x7f!", "a z !", 50},
        {"caf\xc3\xa9", "caf", 4},
        {"caf\xc3\xa9", "caf\xc3\xa9", 5},
        {"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln here", "token *** here", 50},
        {"dapi0123456789abcdef0123456789abcdef.", "***", 50},
        {"key=\"dose0123456789abcdef0123456789\"", "key=\"***\"", 50},
        {"dapifoo eyJ is a name", "dapifoo eyJ is a name", 50},
        {"https://adb-1234567890123456.7.azuredatabricks.net/oidc",
         "https://adb-1234567890123456.7.azuredatabricks.net/oidc", 90},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        Text text = TEXT_NULL;
        quote_append(&text, CASES[i].said, CASES[i].max_length);
        ck_assert_str_eq(text_string(&text), CASES[i].shown);
        text_deinit(&text);
    }
}
END_TEST

START_TEST(test_forms)
{
    Form form = FORM_NULL;
    Secret *value = secret_new("s\0+~", 4);
    ck_assert_str_eq(form_string(&form), "");
    form_add(&form, "grant_type", "client_credentials");
    form_add(&form, "scope", "all-apis offline_access");
    form_add(&form, "a&b", "c=d/é");
    form_add(&form, "empty", "");
    form_add_secret(&form, "secret", value);
    Secret *body = form_take(&form);
    ck_assert_str_eq(secret_reveal(body),
                     "grant_type=client_credentials&scope=all-apis%20offline_access&a%26b=c%3Dd"
                     "%2F%C3%A9&empty=&secret=s%00%2B~");
    ck_assert_uint_eq(form.length, 0);
    secret_free(body);
    secret_free(value);
}
END_TEST

START_TEST(test_basic_authorization)
{
    Secret *password = secret_new("se:cret", 7);
    Secret *value = basic_authorization("client", password);
    ck_assert_str_eq(secret_reveal(value), "Basic Y2xpZW50OnNlJTNBY3JldA=="); /* client:se%3Acret */
    secret_free(value);
    secret_free(password);
}
END_TEST

START_TEST(test_base64)
{
    static const char *const PLAIN[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xfb\xff\xfe"};
    static const char *const CODED[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy", "-__-"};
    for (size_t i = 0; i < COUNT(PLAIN); i++) {
        char coded[16], decoded[16];
        size_t n = base64_encode((const unsigned char *)PLAIN[i], strlen(PLAIN[i]), true, coded);
        ck_assert_uint_eq(n, strlen(CODED[i]));
        ck_assert_mem_eq(coded, CODED[i], n);
        ck_assert(base64_decode(CODED[i], n, true, decoded, &n));
        ck_assert_uint_eq(n, strlen(PLAIN[i]));
        ck_assert_mem_eq(decoded, PLAIN[i], n);
        n = base64_encode((const unsigned char *)PLAIN[i], strlen(PLAIN[i]), false, coded);
        ck_assert_uint_eq(n, base64_length(strlen(PLAIN[i])));
        ck_assert(base64_decode(coded, n, false, decoded, &n));
        ck_assert_uint_eq(n, strlen(PLAIN[i]));
        ck_assert_mem_eq(decoded, PLAIN[i], n);
    }
    char bytes[8];
    size_t length;
    ck_assert(!base64_decode("Zm9=", 4, true, bytes, &length));
    ck_assert(!base64_decode("Zm+v", 4, true, bytes, &length));
    ck_assert(!base64_decode("Zm\0v", 4, true, bytes, &length));
    ck_assert(!base64_decode("Zm-v", 4, false, bytes, &length));
    ck_assert(!base64_decode("Z=9v", 4, false, bytes, &length));
}
END_TEST

static Secret *secret_of(const char *text)
{
    return secret_new(text, strlen(text));
}

START_TEST(test_jwt_claims)
{
    /* {"exp":1774002600,"scope":"all-apis"} */
    Secret *token = secret_of("eyJhbGciOiJub25lIn0.eyJleHAiOjE3NzQwMDI2MDAsInNjb3BlIjoiYWxsLWFwaXMifQ.c2ln");
    json_t *claims = jwt_claims(token);
    ck_assert_str_eq(answer_string(claims, "scope"), "all-apis");
    ck_assert_int_eq(jwt_end(token), MOMENT);
    json_decref(claims);
    secret_free(token);
    static const char *const OTHERS[] = {"", ".", "..", "dapi0123", "a.b", "a.!!.c", "a.Zm9v.c", "a.W10.c"};
    for (size_t i = 0; i < COUNT(OTHERS); i++) {
        token = secret_of(OTHERS[i]);
        ck_assert_ptr_null(jwt_claims(token));
        ck_assert_int_eq(jwt_end(token), 0);
        secret_free(token);
    }
}
END_TEST

/* Whoever gets it can check it with the public key. */
START_TEST(test_jwt_signature)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem, signature[1024];
    Text problem = TEXT_NULL;
    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long pem_length = BIO_get_mem_data(bio, &pem);
    Secret *secret = secret_new(pem, (size_t)pem_length);
    json_t *claims = json_pack("{s:s}", "iss", "me");
    Secret *token = jwt_sign(claims, "key-1", secret, &problem);
    ck_assert_str_eq(text_string(&problem), "");
    const char *text = secret_reveal(token), *end = strrchr(text, '.');
    size_t length;
    ck_assert(base64_decode(end + 1, strlen(end + 1), true, signature, &length));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestVerify(context, (unsigned char *)signature, length,
                                      (const unsigned char *)text, (size_t)(end - text)),
                     1);
    json_t *read = jwt_claims(token);
    ck_assert(json_equal(read, claims));
    Secret *garbage = secret_of("-----BEGIN PRIVATE KEY-----\nZm9v\n-----END PRIVATE KEY-----\n");
    ck_assert_ptr_null(jwt_sign(claims, "key-1", garbage, &problem));
    ck_assert_ptr_nonnull(strstr(text_string(&problem), "not an RSA key"));
    json_decref(read);
    json_decref(claims);
    secret_free(garbage);
    secret_free(token);
    secret_free(secret);
    text_deinit(&problem);
    EVP_MD_CTX_free(context);
    BIO_free(bio);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(test_azure_clouds)
{
    ck_assert_str_eq(azure_cloud_find("adb-1.2.azuredatabricks.net", NULL, false)->login,
                     "https://login.microsoftonline.com/");
    ck_assert_str_eq(azure_cloud_find("ADB-1.2.Databricks.Azure.US", "PUBLIC", false)->environment,
                     "USGOVERNMENT");
    ck_assert_str_eq(azure_cloud_find("adb-1.2.databricks.azure.cn", NULL, false)->environment, "CHINA");
    ck_assert_str_eq(azure_cloud_find("x.staging.azuredatabricks.net", NULL, false)->application,
                     "4a67d088-db5c-48f1-9ff2-0aace800ae68");
    ck_assert_str_eq(azure_cloud_find("vanity.example", "usgovernment", false)->management,
                     "https://management.core.usgovcloudapi.net/");
    ck_assert_str_eq(azure_cloud_find("vanity.example", NULL, true)->environment, "PUBLIC");
    ck_assert_ptr_null(azure_cloud_find("vanity.example", NULL, false));
    ck_assert_ptr_null(azure_cloud_find("vanity.example", "", false));
    ck_assert_ptr_null(azure_cloud_find("dbc-1.cloud.databricks.com", NULL, false));
    ck_assert_ptr_null(azure_cloud_find("azuredatabricks.net.example", NULL, false));
}
END_TEST

START_TEST(test_cli_versions)
{
    static const struct {
        const char *printed;
        bool takes_profile, takes_force;
    } CASES[] = {
        {"{\"ProjectName\":\"cli\",\"Major\":0,\"Minor\":296,\"Patch\":0,\"Version\":\"0.296.0\"}", true,
         true},
        {"{\"Major\":0,\"Minor\":295,\"Patch\":9}", true, false},
        {"{\"Major\":0,\"Minor\":207,\"Patch\":1}", true, false},
        {"{\"Major\":0,\"Minor\":207,\"Patch\":0}", false, false},
        {"{\"Major\":1,\"Minor\":0,\"Patch\":0}", true, true},
        {"{\"Major\":0,\"Minor\":0,\"Patch\":0}", false, false},
        {"Databricks CLI v0.300.2\n", true, true},
        {"Databricks CLI v0.206.0\n", false, false},
        {"Databricks CLI v0.x\n", false, false},
        {"{\"Major\":\"1\"}", false, false},
        {"{\"Major\":-1}", false, false},
        {"nonsense", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        DatabricksCliVersion version = databricks_cli_version(CASES[i].printed);
        ck_assert_msg(databricks_cli_is_at_least(version, 0, 207, 1) == CASES[i].takes_profile, "%s",
                      CASES[i].printed);
        ck_assert_msg(databricks_cli_is_at_least(version, 0, 296, 0) == CASES[i].takes_force, "%s",
                      CASES[i].printed);
    }
}
END_TEST

START_TEST(test_cli_complaints)
{
    static const struct {
        const char *said, *advice;
        DatabricksCliComplaint complaint;
    } CASES[] = {
        {"Error: databricks OAuth is not configured for this host\n", "", DATABRICKS_CLI_NO_LOGIN},
        {"Error: databricks OAuth is not configured for this host. Try `databricks auth login --host x`.\n",
         "databricks auth login --host x", DATABRICKS_CLI_NO_LOGIN},
        {"A new access token could not be retrieved because the refresh token is invalid. To reauthenticate, "
         "run the "
         "following command:\n  $ databricks auth login --profile DEV\n",
         "databricks auth login --profile DEV", DATABRICKS_CLI_LAPSED},
        {"Error: refresh token is invalid", "", DATABRICKS_CLI_LAPSED},
        {"Error: dial tcp: lookup x: no such host", "", DATABRICKS_CLI_OTHER},
        {"", "", DATABRICKS_CLI_OTHER},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        Text advice = TEXT_NULL;
        ck_assert_msg(databricks_cli_complaint(CASES[i].said, &advice) == CASES[i].complaint, "%s",
                      CASES[i].said);
        ck_assert_str_eq(text_string(&advice), CASES[i].advice);
        text_deinit(&advice);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_answer");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, test_timestamps);
    tcase_add_test(tests, test_bad_timestamps);
    tcase_add_test(tests, test_local_timestamps);
    tcase_add_test(tests, test_token_answers);
    tcase_add_test(tests, test_bad_token_answers);
    tcase_add_test(tests, test_errors);
    tcase_add_test(tests, test_quotes);
    tcase_add_test(tests, test_forms);
    tcase_add_test(tests, test_basic_authorization);
    tcase_add_test(tests, test_base64);
    tcase_add_test(tests, test_jwt_claims);
    tcase_add_test(tests, test_jwt_signature);
    tcase_add_test(tests, test_azure_clouds);
    tcase_add_test(tests, test_cli_versions);
    tcase_add_test(tests, test_cli_complaints);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
