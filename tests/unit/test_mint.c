/* Mints that ask servers: what each way asks, what it makes of the answer, and what it says when there is
 * none. */

#include "mint_fixture.h"

#include <openssl/pem.h>
#include <time.h>

#define TOKEN_JSON "{\"access_token\":\"token-1\",\"token_type\":\"Bearer\",\"expires_in\":3600}"

/* ---- pat */

static char *file_with(const char *content)
{
    static char path[] = "/tmp/test_mint.XXXXXX";
    strcpy(path + strlen(path) - 6, "XXXXXX");
    FILE *file = fdopen(mkstemp(path), "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    ck_assert_int_eq(fclose(file), 0);
    return mem_copy_string(path);
}

START_TEST(test_pat)
{
    profile.auth.token = secret_of("dapi-1");
    mint_by(AUTH_PAT);
    expect_token("dapi-1");
    ck_assert_uint_eq(minted.token.lives_ms, 0);
    ck_assert_ptr_null(minted.token.extra_name);
}
END_TEST

START_TEST(test_pat_none)
{
    mint_by(AUTH_PAT);
    expect_sentence(MINT_NOT_CONFIGURED, "it needs a token");
}
END_TEST

START_TEST(test_pat_file)
{
    profile.auth.token = secret_of("dapi-of-the-start");
    profile.auth.token_file = file_with("  dapi-2\r\n");
    mint_by(AUTH_PAT);
    expect_token("dapi-2");
    FILE *file = fopen(profile.auth.token_file, "w");
    fputs("dapi-3", file);
    ck_assert_int_eq(fclose(file), 0);
    mint_by(AUTH_PAT);
    expect_token("dapi-3");
    file = fopen(profile.auth.token_file, "w");
    fputs(MARK " two words\n", file);
    ck_assert_int_eq(fclose(file), 0);
    mint_by(AUTH_PAT);
    expect_sentence(MINT_LOGIN_NEEDED, "there must be one token in it");
    ck_assert_int_eq(unlink(profile.auth.token_file), 0);
    mint_by(AUTH_PAT);
    expect_sentence(MINT_LOGIN_NEEDED, "cannot be read: no such file or directory");
    expect_sentence(MINT_LOGIN_NEEDED, profile.auth.token_file);
}
END_TEST

/* The thread that reads may be in the middle of it. */
START_TEST(test_pat_cancelled)
{
    profile.auth.token_file = mem_copy_string("/dev/zero");
    mint_cancel(mint_start(&mint_context, AUTH_PAT, on_minted, &minted));
    Mint *mint = mint_start(&mint_context, AUTH_PAT, on_minted, &minted);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    unsigned n_done = minted.n_done;
    if (n_done == 0) /* else it was read meanwhile, and there is nothing to cancel any more */
        mint_cancel(mint);
    mint_by(AUTH_PAT);
    expect_sentence(MINT_LOGIN_NEEDED, "cannot be read: file too large");
    ck_assert_uint_eq(minted.n_done, n_done + 1);
}
END_TEST

/* ---- oauth-m2m */

static void be_m2m(void)
{
    profile.auth.client_id = mem_copy_string("client-1");
    profile.auth.client_secret = secret_of(MARK);
}

START_TEST(test_m2m)
{
    be_m2m();
    script_discovery();
    script_add("200 OK", "Date: Wed, 25 Nov 2026 16:00:00 GMT\r\n", TOKEN_JSON);
    mint_by(AUTH_OAUTH_M2M);
    expect_token("token-1");
    expect_life(3600);
    expect_asked(0, "GET /.well-known/databricks-config HTTP/1.1\r\n");
    expect_asked(1, "GET /oidc/.well-known/oauth-authorization-server HTTP/1.1\r\n");
    expect_asked(2, "POST /oidc/v1/token HTTP/1.1\r\n");
    expect_asked(2, "\r\nAuthorization: Basic Y2xpZW50LTE6TUFSS0VELVNFQ1JFVA==\r\n");
    expect_asked(2, "\r\n\r\ngrant_type=client_credentials&scope=all-apis");
    int64_t skew = 1795622400 - (int64_t)time(NULL);
    ck_assert_int_le(llabs(minted.token.skew_s - skew), 60);
}
END_TEST

START_TEST(test_m2m_places)
{
    be_m2m();
    /* The host says where. */
    char config[160], document[128];
    (void)snprintf(
        config, sizeof config,
        "{\"account_id\":\"acc\",\"oidc_endpoint\":\"https://127.0.0.1:%u/oidc/accounts/{account_id}/\"}",
        tls_port());
    (void)snprintf(document, sizeof document, "{\"token_endpoint\":\"https://127.0.0.1:%u/t\"}", tls_port());
    profile.auth.scopes = mem_copy_string("sql jobs");
    profile.auth.group_id = mem_copy_string("group-1");
    OK_JSON(config);
    OK_JSON(document);
    OK_JSON(TOKEN_JSON);
    mint_by(AUTH_OAUTH_M2M);
    expect_token("token-1");
    expect_asked(1, "GET /oidc/accounts/acc/.well-known/oauth-authorization-server ");
    expect_asked(2, "POST /t ");
    expect_asked(2, "scope=sql%20jobs&assume_group=group-1");
    /* The profile says where. */
    Text url = TEXT_NULL;
    text_printf(&url, "https://127.0.0.1:%u/own", tls_port());
    profile.auth.discovery_url = text_take(&url);
    OK_JSON(document);
    OK_JSON(TOKEN_JSON);
    mint_by(AUTH_OAUTH_M2M);
    expect_token("token-1");
    expect_asked(3, "GET /own ");
    expect_asked(4, "POST /t ");
}
END_TEST

START_TEST(test_m2m_refused)
{
    be_m2m();
    script_discovery();
    BAD_JSON("{\"error\":\"invalid_client\",\"error_description\":\"Client " MARK " is unknown\"}");
    mint_by(AUTH_OAUTH_M2M);
    expect_sentence(MINT_LOGIN_NEEDED, "invalid_client: Client ************* is unknown; check client_id");
    expect_sentence(MINT_LOGIN_NEEDED, "the token endpoint at 127.0.0.1");
}
END_TEST

START_TEST(test_m2m_failures)
{
    be_m2m();
    static const struct {
        const char *status, *body, *part;
        MintResult result;
    } CASES[] = {
        {"503 Unavailable", "", "HTTP 503", MINT_FAILED},
        {"429 Too Many", "{\"error\":\"slow_down\"}", "slow_down", MINT_FAILED},
        {"200 OK", "<html>", "not a JSON object", MINT_FAILED},
        {"200 OK", "{\"access_token\":\"a b\"}", "blanks or control characters", MINT_FAILED},
        {"200 OK", "{\"token\":1}", "no access_token", MINT_FAILED},
        {"307 Moved", "", "redirects (HTTP 307)", MINT_LOGIN_NEEDED},
        {"404 Not Found", "", "HTTP 404", MINT_LOGIN_NEEDED},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        n_scripted = n_asked = 0;
        script_discovery();
        script_add(CASES[i].status, NULL, CASES[i].body);
        mint_by(AUTH_OAUTH_M2M);
        expect_sentence(CASES[i].result, CASES[i].part);
    }
    /* The document, too. */
    script_add("404 Not Found", NULL, "");
    script_add("404 Not Found", NULL, "");
    n_asked = 3;
    n_scripted = 5;
    mint_by(AUTH_OAUTH_M2M);
    expect_sentence(MINT_LOGIN_NEEDED, "OAuth may not be enabled there");
    script_add("404 Not Found", NULL, "");
    OK_JSON("{}");
    mint_by(AUTH_OAUTH_M2M);
    expect_sentence(MINT_LOGIN_NEEDED, "names no token_endpoint");
    script_add("404 Not Found", NULL, "");
    OK_JSON("{\"token_endpoint\":\"http://example.com/token\"}");
    mint_by(AUTH_OAUTH_M2M);
    expect_sentence(MINT_FAILED, "without encryption");
}
END_TEST

START_TEST(test_m2m_time_limit)
{
    be_m2m();
    mint_context.timeout_ms = 400;
    script_add(NULL, NULL, NULL); /* in a part of the time, and then in all of it; if it gets that far */
    script_add(NULL, NULL, NULL);
    mint_by(AUTH_OAUTH_M2M);
    expect_sentence(MINT_FAILED, "no answer from 127.0.0.1 in time");
}
END_TEST

START_TEST(test_m2m_cancelled)
{
    be_m2m();
    script_add(NULL, NULL, NULL);
    Mint *mint = mint_start(&mint_context, AUTH_OAUTH_M2M, on_minted, &minted);
    run_until(n_asked == 1);
    mint_cancel(mint);
    ck_assert_uint_eq(minted.n_done, 0);
}
END_TEST

/* ---- token exchange */

START_TEST(test_env_oidc)
{
    mint_by(AUTH_ENV_OIDC);
    expect_sentence(MINT_NOT_CONFIGURED, "DATABRICKS_OIDC_TOKEN");
    profile.auth.oidc_token = secret_of(MARK);
    script_discovery();
    OK_JSON(TOKEN_JSON);
    mint_by(AUTH_ENV_OIDC);
    expect_token("token-1");
    expect_asked(
        2, "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=" MARK
           "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&scope=all-apis");
    ck_assert_ptr_null(strstr(text_string(&asked[2]), "client_id"));
    ck_assert_ptr_null(strstr(text_string(&asked[2]), "Authorization"));
}
END_TEST

START_TEST(test_file_oidc)
{
    profile.auth.oidc_token_filepath = file_with("jwt-1\n");
    profile.auth.client_id = mem_copy_string("client-1");
    script_discovery();
    OK_JSON(TOKEN_JSON);
    mint_by(AUTH_FILE_OIDC);
    expect_token("token-1");
    expect_asked(2, "subject_token=jwt-1&");
    expect_asked(2, "&client_id=client-1");
    ck_assert_int_eq(unlink(profile.auth.oidc_token_filepath), 0);
    mint_by(AUTH_FILE_OIDC);
    expect_sentence(MINT_LOGIN_NEEDED, "cannot be read");
}
END_TEST

START_TEST(test_github_oidc)
{
    char url[64];
    mint_by(AUTH_GITHUB_OIDC);
    expect_sentence(MINT_NOT_CONFIGURED, "id-token: write");
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/github?version=2", tls_port());
    profile.auth.github_request_url = mem_copy_string(url);
    profile.auth.github_request_token = secret_of("request-token");
    script_discovery();
    OK_JSON("{\"value\":\"jwt-2\"}");
    OK_JSON(TOKEN_JSON);
    mint_by(AUTH_GITHUB_OIDC);
    expect_token("token-1");
    expect_asked(2, "GET /github?version=2&audience=https%3A%2F%2F127.0.0.1%3A");
    expect_asked(2, "\r\nAuthorization: Bearer request-token\r\n");
    expect_asked(3, "subject_token=jwt-2&");
    profile.auth.token_audience = mem_copy_string("own");
    script_discovery();
    OK_JSON("{}");
    mint_by(AUTH_GITHUB_OIDC);
    expect_asked(6, "&audience=own ");
    expect_sentence(MINT_FAILED, "no token in what GitHub's");
}
END_TEST

/* ---- metadata-service */

START_TEST(test_metadata_service)
{
    char url[64], body[96];
    mint_by(AUTH_METADATA_SERVICE);
    expect_sentence(MINT_NOT_CONFIGURED, "metadata_service_url");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/secret-path", plain_port());
    (void)snprintf(body, sizeof body, "{\"access_token\":\"token-2\",\"expires_on\":%lld}",
                   (long long)time(NULL) + 1800);
    profile.auth.metadata_service_url = mem_copy_string(url);
    OK_JSON(body);
    mint_by(AUTH_METADATA_SERVICE);
    expect_token("token-2");
    expect_life(1800);
    expect_asked(0, "GET /secret-path ");
    expect_asked(0, "\r\nX-Databricks-Metadata-Version: 1\r\n");
    expect_asked(0, "\r\nX-Databricks-Host: https://127.0.0.1:");
    script_add("404 Not Found", NULL, "");
    mint_by(AUTH_METADATA_SERVICE);
    expect_sentence(MINT_LOGIN_NEEDED, "check metadata_service_url");
    ck_assert_ptr_null(strstr(text_string(&minted.sentence), "secret-path"));
    OK_JSON("{\"access_token\":\"token-2\",\"expires_on\":1500000000}");
    mint_by(AUTH_METADATA_SERVICE);
    expect_sentence(MINT_FAILED, "has ended already; is this machine's clock right?");
}
END_TEST

/* The end is of the server's clock. */
START_TEST(test_life_by_the_servers_clock)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", plain_port());
    profile.auth.metadata_service_url = mem_copy_string(url);
    script_add("200 OK", "Date: Wed, 25 Nov 2015 16:00:00 GMT\r\n",
               "{\"access_token\":\"token-2\",\"expires_on\":1448469000}"); /* 16:30 */
    mint_by(AUTH_METADATA_SERVICE);
    expect_token("token-2");
    expect_life(1800);
}
END_TEST

/* ---- Azure */

static void be_azure(void)
{
    be_elsewhere("adb-1.2.azuredatabricks.net");
    profile.auth.azure_client_id = mem_copy_string("client-2");
    profile.auth.azure_client_secret = secret_of(MARK);
}

START_TEST(test_azure_client_secret)
{
    be_azure();
    profile.auth.azure_workspace_resource_id = mem_copy_string("/subscriptions/s/x");
    script_add("302 Found", "Location: https://login.microsoftonline.com/tenant-1/oauth2/authorize?x\r\n",
               "");
    OK_JSON("{\"access_token\":\"token-3\",\"expires_in\":\"3599\",\"expires_on\":\"1\"}");
    OK_JSON("{\"access_token\":\"token-4\",\"expires_in\":\"1800\"}");
    mint_by(AUTH_AZURE_CLIENT_SECRET);
    expect_token("token-3");
    expect_extra("x-databricks-azure-sp-management-token", "token-4");
    expect_life(1800); /* the shorter one */
    ck_assert_str_eq(minted.token.resource_id, "/subscriptions/s/x");
    ck_assert_str_eq(text_string(&connected),
                     "adb-1.2.azuredatabricks.net:443\nlogin.microsoftonline.com:443\n"
                     "login.microsoftonline.com:443\n");
    expect_asked(0, "GET /aad/auth ");
    expect_asked(1, "POST /tenant-1/oauth2/token ");
    expect_asked(1, "\r\n\r\ngrant_type=client_credentials&client_id=client-2&client_secret=" MARK
                    "&resource=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d");
    expect_asked(2, "&resource=https%3A%2F%2Fmanagement.core.windows.net%2F");
}
END_TEST

START_TEST(test_azure_client_secret_refused)
{
    mint_by(AUTH_AZURE_CLIENT_SECRET);
    expect_sentence(MINT_NOT_CONFIGURED, "azure_client_id");
    be_azure();
    script_add("200 OK", NULL, "");
    mint_by(AUTH_AZURE_CLIENT_SECRET);
    expect_sentence(MINT_LOGIN_NEEDED, "set azure_tenant_id");
    profile.auth.azure_tenant_id = mem_copy_string("tenant-2");
    BAD_JSON(
        "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: keys are expired.\\r\\nTrace "
        "ID: x\"}");
    mint_by(AUTH_AZURE_CLIENT_SECRET);
    expect_sentence(MINT_LOGIN_NEEDED, "AADSTS7000222: keys are expired; check azure_client_id");
    OK_JSON(TOKEN_JSON);
    script_add("500 Error", NULL, "");
    mint_by(AUTH_AZURE_CLIENT_SECRET);
    expect_sentence(MINT_FAILED, "HTTP 500");
    free(profile.host);
    profile.host = mem_copy_string("dbc-1.cloud.databricks.com");
    mint_by(AUTH_AZURE_CLIENT_SECRET);
    expect_sentence(MINT_NOT_CONFIGURED, "dbc-1.cloud.databricks.com is no workspace of Azure");
}
END_TEST

START_TEST(test_azure_msi)
{
    char base[64], body[128];
    be_azure();
    (void)snprintf(base, sizeof base, "http://127.0.0.1:%u", plain_port());
    (void)snprintf(body, sizeof body,
                   "{\"access_token\":\"token-5\",\"expires_on\":\"%lld\",\"expires_in\":\"9\"}",
                   (long long)time(NULL) + 7200);
    ck_assert_int_eq(setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", base, 1), 0);
    OK_JSON(body);
    OK_JSON(TOKEN_JSON);
    mint_by(AUTH_AZURE_MSI);
    expect_token("token-5");
    expect_extra("x-databricks-azure-sp-management-token", "token-1");
    expect_asked(
        0, "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=2ff814a6-3304-4ab8-85cb-"
           "cd0e6f879c1d&client_id=client-2 ");
    expect_asked(0, "\r\nMetadata: true\r\n");
    expect_asked(1, "&resource=https%3A%2F%2Fmanagement.core.windows.net%2F&");
    script_add("400 Bad Request", NULL,
               "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}");
    mint_by(AUTH_AZURE_MSI);
    expect_sentence(MINT_LOGIN_NEEDED, "Identity not found; assign a managed identity");
    ck_assert_int_eq(setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1", 1), 0);
    mint_by(AUTH_AZURE_MSI);
    expect_sentence(MINT_FAILED, "no instance metadata service here");
}
END_TEST

/* ---- google-credentials */

static Secret *service_account(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long length = BIO_get_mem_data(bio, &pem);
    Text json = TEXT_NULL;
    text_append(&json,
                "{\"type\":\"service_account\",\"client_email\":\"me@p.example\",\"private_key_id\":\"k1\","
                "\"private_key\":\"");
    for (long i = 0; i < length; i++)
        text_append_bytes(&json, pem[i] == '\n' ? "\\n" : &pem[i], pem[i] == '\n' ? 2 : 1);
    text_append(&json, "\"}");
    Secret *secret = secret_new(json.bytes, json.length);
    text_deinit(&json);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return secret;
}

/* {"exp":4102444800} */
#define IDENTITY "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"

START_TEST(test_google_credentials)
{
    be_elsewhere("1.2.gcp.databricks.com");
    profile.auth.google_credentials = service_account();
    OK_JSON("{\"id_token\":\"" IDENTITY "\"}");
    OK_JSON("{\"access_token\":\"ya29\",\"expires_in\":3599}");
    mint_by(AUTH_GOOGLE_CREDENTIALS);
    expect_token(IDENTITY);
    expect_extra("x-databricks-gcp-sa-access-token", "ya29");
    ck_assert_uint_gt(minted.token.lives_ms, UINT64_C(1000) * 86400 * 365);
    ck_assert_str_eq(text_string(&connected), "oauth2.googleapis.com:443\noauth2.googleapis.com:443\n");
    expect_asked(0, "POST /token ");
    expect_asked(0, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ");
    /* The second is not needed. */
    OK_JSON("{\"id_token\":\"" IDENTITY "\"}");
    BAD_JSON("{}");
    mint_by(AUTH_GOOGLE_CREDENTIALS);
    expect_token(IDENTITY);
    ck_assert_ptr_null(minted.token.extra_name);
    BAD_JSON("{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}");
    mint_by(AUTH_GOOGLE_CREDENTIALS);
    expect_sentence(MINT_LOGIN_NEEDED, "invalid_grant: Invalid JWT Signature; check google_credentials");
    OK_JSON("{\"id_token\":\"nonsense\"}");
    mint_by(AUTH_GOOGLE_CREDENTIALS);
    expect_sentence(MINT_FAILED, "no identity token");
}
END_TEST

START_TEST(test_google_credentials_unusable)
{
    static const char *const CASES[][2] = {
        {"/nonexistent/key.json", "its file cannot be read: no such file or directory"},
        {"{\"type\":\"service_account\"", "neither JSON nor a file"},
        {"{\"type\":\"authorized_user\"}", "this is authorized_user"},
        {"{}", "this is of no type"},
        {"{\"type\":\"service_account\",\"client_email\":\"a\"}", "private_key is missing"},
        {"{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"" MARK "\"}",
         "not an RSA key"},
    };
    mint_by(AUTH_GOOGLE_CREDENTIALS);
    expect_sentence(MINT_NOT_CONFIGURED, "google_credentials");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        secret_free(profile.auth.google_credentials);
        profile.auth.google_credentials = secret_of(CASES[i][0]);
        mint_by(AUTH_GOOGLE_CREDENTIALS);
        expect_sentence(MINT_LOGIN_NEEDED, CASES[i][1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mint");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, mint_fixture_set_up, mint_fixture_tear_down);
    tcase_set_timeout(tests, 600); /* at idle priority beside benchmarks; it only ends what hangs */
    tcase_add_test(tests, test_pat);
    tcase_add_test(tests, test_pat_none);
    tcase_add_test(tests, test_pat_file);
    tcase_add_test(tests, test_pat_cancelled);
    tcase_add_test(tests, test_m2m);
    tcase_add_test(tests, test_m2m_places);
    tcase_add_test(tests, test_m2m_refused);
    tcase_add_test(tests, test_m2m_failures);
    tcase_add_test(tests, test_m2m_time_limit);
    tcase_add_test(tests, test_m2m_cancelled);
    tcase_add_test(tests, test_env_oidc);
    tcase_add_test(tests, test_file_oidc);
    tcase_add_test(tests, test_github_oidc);
    tcase_add_test(tests, test_metadata_service);
    tcase_add_test(tests, test_life_by_the_servers_clock);
    tcase_add_test(tests, test_azure_client_secret);
    tcase_add_test(tests, test_azure_client_secret_refused);
    tcase_add_test(tests, test_azure_msi);
    tcase_add_test(tests, test_google_credentials);
    tcase_add_test(tests, test_google_credentials_unusable);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
