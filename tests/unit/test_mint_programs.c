/* Mints that run programs: what each is asked, what is made of what it prints, and what is said when it
 * fails. The programs are scripts made here. */

#include "mint_fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#define PADDED (1200 * 1024) /* beyond what tells the current databricks CLI from the old one */

static char folder[] = "/tmp/test_programs.XXXXXX";

static void set_up(void)
{
    char path[128];
    mint_fixture_set_up();
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s:/usr/bin:/bin", folder);
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
    ck_assert_int_eq(setenv("LOG", folder, 1), 0);
}

static void tear_down(void)
{
    char path[600];
    DIR *entries = opendir(folder);
    for (const struct dirent *entry; (entry = readdir(entries));) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    ck_assert_int_eq(closedir(entries), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    mint_fixture_tear_down();
}

/* A script of that name; its arguments are noted. */
static void make_program(const char *name, const char *commands, size_t size)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "#!/bin/sh\necho \"$*\" >>\"$LOG/arguments\"\n%s\nexit 0\n", commands);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0755), 0);
    if (size > 0)
        ck_assert_int_eq(truncate(path, (off_t)size), 0);
}

/* What the programs were asked so far; the next call begins anew. */
static const char *arguments(void)
{
    static char bytes[8192];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/arguments", folder);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(bytes, 1, sizeof bytes - 1, file) : 0;
    if (file)
        ck_assert_int_eq(fclose(file), 0);
    (void)unlink(path);
    bytes[n] = '\0';
    return bytes;
}

/* ---- databricks-cli */

#define VERSION(minor)                                                                                       \
    "case $1 in version) echo '{\"Major\":0,\"Minor\":" minor ",\"Patch\":0}'; exit;; esac\n"
#define FUTURE                                                                                               \
    "printf "                                                                                                \
    "'{\"access_token\":\"token-1\",\"token_type\":\"Bearer\",\"expiry\":\"%s\",\"expires_in\":99999}' "
/* An hour from now, in the spelling of the CLI and in another time zone. */
#define IN_AN_HOUR "\"$(TZ=UTC-2 date -d '+1 hour' +%Y-%m-%dT%H:%M:%S.123456789+02:00)\""

static void be_cli(const char *commands)
{
    free(profile.auth.databricks_cli_profile);
    profile.auth.databricks_cli_profile = mem_copy_string("DEV");
    make_program("databricks", commands, PADDED);
}

START_TEST(test_cli)
{
    be_cli(VERSION("296") FUTURE IN_AN_HOUR);
    mint_by(AUTH_DATABRICKS_CLI);
    expect_token("token-1");
    expect_life(3600);
    ck_assert_str_eq(arguments(), "version --output json\nauth token --profile DEV --force-refresh\n");
}
END_TEST

START_TEST(test_cli_of_other_versions)
{
    char expected[256];
    be_cli(VERSION("230") FUTURE IN_AN_HOUR);
    mint_by(AUTH_DATABRICKS_CLI);
    expect_token("token-1");
    ck_assert_str_eq(arguments(), "version --output json\nauth token --profile DEV\n");
    (void)snprintf(expected, sizeof expected,
                   "version --output json\nauth token --host https://127.0.0.1:%u\n", tls_port());
    be_cli(VERSION("100") FUTURE IN_AN_HOUR);
    mint_by(AUTH_DATABRICKS_CLI);
    ck_assert_str_eq(arguments(), expected);
    be_cli("case $1 in version) exit 1;; esac\n" FUTURE IN_AN_HOUR);
    mint_by(AUTH_DATABRICKS_CLI);
    expect_token("token-1");
    ck_assert_str_eq(arguments(), expected);
    /* Nothing but the host is known. */
    be_cli(VERSION("296") FUTURE IN_AN_HOUR);
    free(steal(profile.auth.databricks_cli_profile));
    (void)snprintf(expected, sizeof expected,
                   "version --output json\nauth token --host https://127.0.0.1:%u --force-refresh\n",
                   tls_port());
    mint_by(AUTH_DATABRICKS_CLI);
    ck_assert_str_eq(arguments(), expected);
}
END_TEST

START_TEST(test_cli_is_the_right_file)
{
    char path[128];
    ck_assert_int_eq(setenv("PATH", folder, 1), 0);
    mint_by(AUTH_DATABRICKS_CLI);
    expect_sentence(MINT_NOT_CONFIGURED, "there is no databricks CLI in PATH; install it");
    make_program("databricks", "echo old", 0);
    mint_by(AUTH_DATABRICKS_CLI);
    expect_sentence(MINT_NOT_CONFIGURED, "the databricks CLI in PATH is the old one");
    ck_assert_str_eq(arguments(), "");
    (void)snprintf(path, sizeof path, "/nonexistent::%s:/usr/bin:/bin", folder);
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
    make_program("other", VERSION("296") FUTURE IN_AN_HOUR, PADDED);
    profile.auth.databricks_cli_path = mem_copy_string("other");
    mint_by(AUTH_DATABRICKS_CLI);
    expect_token("token-1");
    (void)snprintf(path, sizeof path, "%s/databricks", folder);
    free(profile.auth.databricks_cli_path);
    profile.auth.databricks_cli_path = mem_copy_string(path);
    mint_by(AUTH_DATABRICKS_CLI);
    expect_sentence(MINT_NOT_CONFIGURED, path);
}
END_TEST

/* It is asked for one profile, whatever the shell that started the daemon had set. */
START_TEST(test_cli_environment)
{
    ck_assert_int_eq(setenv("DATABRICKS_TOKEN", MARK, 1), 0);
    ck_assert_int_eq(setenv("DATABRICKS_HOST", "https://other", 1), 0);
    ck_assert_int_eq(setenv("ARM_CLIENT_SECRET", MARK, 1), 0);
    ck_assert_int_eq(setenv("DATABRICKS_CONFIG_FILE", "/some/where", 1), 0);
    ck_assert_int_eq(setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/bus", 1), 0);
    be_cli(
        VERSION("296") "echo \"$DATABRICKS_TOKEN,$DATABRICKS_HOST,$ARM_CLIENT_SECRET,$DATABRICKS_CONFIG_FILE,"
                       "$DBUS_SESSION_BUS_ADDRESS\" >&2; exit 1");
    mint_by(AUTH_DATABRICKS_CLI);
    expect_sentence(MINT_FAILED, ": ,,,/some/where,unix:path=/bus; if it stays so");
}
END_TEST

START_TEST(test_cli_complaints)
{
    static const struct {
        const char *commands, *part;
        MintResult result;
    } CASES[] = {
        {"echo 'Error: databricks OAuth is not configured for this host' >&2; exit 1",
         "nobody has logged in to 127.0.0.1 (databricks OAuth is not configured for this host); run "
         "`databricks auth "
         "login --profile DEV`",
         MINT_NOT_CONFIGURED},
        {"printf 'A new access token could not be retrieved because the refresh token is invalid. To "
         "reauthenticate, "
         "run the following command:\\n  $ databricks auth login --profile OWN\\n' >&2; exit 1",
         "; run `databricks auth login --profile OWN`", MINT_LOGIN_NEEDED},
        {"echo 'Error: dial tcp: lookup x: no such host' >&2; exit 1",
         "gives no token for 127.0.0.1: dial tcp: lookup x", MINT_FAILED},
        {"exit 7", "it ended with status 7 and said nothing", MINT_FAILED},
        {"echo '{}'", "no access_token", MINT_FAILED},
        {"echo " MARK, "it is not a JSON object", MINT_FAILED},
        {"echo '{\"access_token\":\"t\",\"expiry\":\"x\"}'", "\"expiry\" is no time", MINT_FAILED},
        {"echo '{\"access_token\":\"t\",\"expiry\":\"2020-01-01T00:00:00Z\"}'", "has ended already",
         MINT_FAILED},
        {"yes", "printed more than 128 KiB", MINT_FAILED},
        {"kill -9 $$", "ended by signal 9", MINT_FAILED},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char commands[1024];
        (void)snprintf(commands, sizeof commands, VERSION("296") "%s", CASES[i].commands);
        be_cli(commands);
        mint_by(AUTH_DATABRICKS_CLI);
        expect_sentence(CASES[i].result, CASES[i].part);
    }
}
END_TEST

START_TEST(test_cli_scopes)
{
    /* {"scope":"sql offline_access jobs"} */
    be_cli(VERSION(
        "296") "echo '{\"access_token\":\"e30.eyJzY29wZSI6InNxbCBvZmZsaW5lX2FjY2VzcyBqb2JzIn0.c2ln\"}'");
    profile.auth.scopes = mem_copy_string("jobs sql");
    mint_by(AUTH_DATABRICKS_CLI);
    ck_assert_int_eq(minted.result, MINT_OK);
    static const char *const OTHERS[] = {"sql", "jobs sql all-apis", "job sql"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        free(profile.auth.scopes);
        profile.auth.scopes = mem_copy_string(OTHERS[i]);
        mint_by(AUTH_DATABRICKS_CLI);
        expect_sentence(MINT_LOGIN_NEEDED, "the login has the scopes \"sql offline_access jobs\"");
    }
}
END_TEST

START_TEST(test_cli_time_limit)
{
    be_cli(VERSION("296") "sleep 300");
    mint_context.timeout_ms = 500;
    mint_by(AUTH_DATABRICKS_CLI);
    expect_sentence(MINT_FAILED, "it did not end in time; if it stays so");
}
END_TEST

START_TEST(test_cli_cancelled)
{
    be_cli("sleep 300");
    Mint *mint = mint_start(&mint_context, AUTH_DATABRICKS_CLI, on_minted, &minted);
    /* Its first words would be read with the next event. */
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    mint_cancel(mint);
    ck_assert_uint_eq(minted.n_done, 0);
}
END_TEST

/* ---- azure-cli */

#define PERSON      "'{\"user\":{\"name\":\"me@example.com\",\"type\":\"user\"}}'"
#define SERVICE     "'{\"user\":{\"name\":\"1-2\",\"type\":\"servicePrincipal\"}}'"
#define IDENTITY    "'{\"user\":{\"name\":\"systemAssignedIdentity\",\"type\":\"servicePrincipal\"}}'"
#define ACCOUNT(of) "case $2 in show) echo " of "; exit;; esac\n"
#define AZ_TOKEN                                                                                             \
    "printf '{\"accessToken\":\"%s\",\"expiresOn\":\"%s\",\"tokenType\":\"Bearer\"}' \"$(echo \"$4\" | cut " \
    "-c 1-9)\" "                                                                                             \
    "\"$(date -d '+1 hour' '+%Y-%m-%d %H:%M:%S.000000')\"\n"
#define ASKED_FOR  "account get-access-token --resource "
#define DATABRICKS "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d --output json"
#define MANAGEMENT "https://management.core.windows.net/ --output json"

static void be_az(const char *commands)
{
    free(profile.auth.azure_tenant_id);
    profile.auth.azure_tenant_id = mem_copy_string("tenant-1");
    free(profile.host);
    profile.host = mem_copy_string("adb-1.2.azuredatabricks.net");
    make_program("az", commands, 0);
}

START_TEST(test_az_person)
{
    ck_assert_int_eq(setenv("TZ", "America/New_York", 1), 0);
    tzset();
    be_az(ACCOUNT(PERSON) AZ_TOKEN);
    mint_by(AUTH_AZURE_CLI);
    expect_token("2ff814a6-");
    expect_life(3600);
    ck_assert_ptr_null(minted.token.extra_name);
    ck_assert_str_eq(arguments(), "account show --output json\n" ASKED_FOR DATABRICKS " --tenant tenant-1\n");
}
END_TEST

START_TEST(test_az_service)
{
    be_az(ACCOUNT(SERVICE) AZ_TOKEN);
    mint_by(AUTH_AZURE_CLI);
    expect_token("2ff814a6-");
    expect_extra("x-databricks-azure-sp-management-token", "https://m");
    ck_assert_str_eq(arguments(), "account show --output json\n" ASKED_FOR DATABRICKS
                                  " --tenant tenant-1\n" ASKED_FOR MANAGEMENT " --tenant tenant-1\n");
    /* A federated one may name no tenant; the second token is not everybody's. */
    be_az(ACCOUNT(SERVICE) "case \"$*\" in *--tenant*|*management*) echo no >&2; exit 1;; esac\n" AZ_TOKEN);
    mint_by(AUTH_AZURE_CLI);
    expect_token("2ff814a6-");
    ck_assert_ptr_null(minted.token.extra_name);
    /* An identity never does. */
    be_az(ACCOUNT(IDENTITY) "case \"$*\" in *--tenant*) echo no >&2; exit 1;; esac\n" AZ_TOKEN);
    (void)arguments();
    mint_by(AUTH_AZURE_CLI);
    expect_extra("x-databricks-azure-sp-management-token", "https://m");
    ck_assert_str_eq(arguments(),
                     "account show --output json\n" ASKED_FOR DATABRICKS "\n" ASKED_FOR MANAGEMENT "\n");
}
END_TEST

/* The tenant is not known, the subscription is, and may not be theirs to see. */
START_TEST(test_az_subscription)
{
    be_az(ACCOUNT(PERSON) "case \"$*\" in *--subscription*) exit 1;; esac\n" AZ_TOKEN);
    free(steal(profile.auth.azure_tenant_id));
    profile.auth.azure_workspace_resource_id = mem_copy_string("/subscriptions/sub-1/resourceGroups/r");
    be_elsewhere("adb-1.2.azuredatabricks.net");
    script_add("200 OK", NULL, "");
    mint_by(AUTH_AZURE_CLI);
    expect_token("2ff814a6-");
    ck_assert_str_eq(arguments(), "account show --output json\n" ASKED_FOR DATABRICKS
                                  " --subscription sub-1\n" ASKED_FOR DATABRICKS "\n");
    ck_assert_str_eq(minted.token.resource_id, "/subscriptions/sub-1/resourceGroups/r");
}
END_TEST

START_TEST(test_az_complaints)
{
    be_az("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1");
    mint_by(AUTH_AZURE_CLI);
    expect_sentence(MINT_NOT_CONFIGURED,
                    "nobody is logged in (Please run 'az login' to setup account); run `az login`");
    profile.auth.is_forced = true;
    mint_by(AUTH_AZURE_CLI);
    expect_sentence(MINT_LOGIN_NEEDED, "nobody is logged in");
    be_az(ACCOUNT(PERSON) "echo 'ERROR: AADSTS700082: The refresh token has expired.' >&2; exit 1");
    mint_by(AUTH_AZURE_CLI);
    expect_sentence(MINT_LOGIN_NEEDED,
                    "AADSTS700082: The refresh token has expired; run `az login --tenant tenant-1`");
    be_az(ACCOUNT(PERSON) "echo nonsense");
    mint_by(AUTH_AZURE_CLI);
    expect_sentence(MINT_FAILED, "it is not a JSON object");
    be_az(ACCOUNT(PERSON) "echo boom >&2; exit 1");
    mint_by(AUTH_AZURE_CLI);
    expect_sentence(MINT_FAILED, "boom");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/az", folder);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(setenv("PATH", folder, 1), 0);
    mint_by(AUTH_AZURE_CLI);
    expect_sentence(MINT_NOT_CONFIGURED, "there is no `az` in PATH");
}
END_TEST

/* ---- google-id */

/* {"exp":4102444800} */
#define GOOGLE_TOKEN "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"

START_TEST(test_google_id)
{
    char expected[512];
    mint_by(AUTH_GOOGLE_ID);
    expect_sentence(MINT_NOT_CONFIGURED, "google_service_account");
    profile.auth.google_service_account = mem_copy_string("me@p.example");
    make_program("gcloud", "case $2 in print-identity-token) echo " GOOGLE_TOKEN ";; *) echo ya29;; esac", 0);
    mint_by(AUTH_GOOGLE_ID);
    expect_token(GOOGLE_TOKEN);
    expect_extra("x-databricks-gcp-sa-access-token", "ya29");
    (void)snprintf(expected, sizeof expected,
                   "auth print-identity-token --impersonate-service-account=me@p.example "
                   "--audiences=https://127.0.0.1:%u --include-email\nauth print-access-token "
                   "--impersonate-service-account=me@p.example --scopes=https://www.googleapis.com/auth/"
                   "cloud-platform,https://www.googleapis.com/auth/compute\n",
                   tls_port());
    ck_assert_str_eq(arguments(), expected);
    make_program("gcloud", "case $2 in print-identity-token) echo " GOOGLE_TOKEN ";; *) exit 1;; esac", 0);
    mint_by(AUTH_GOOGLE_ID);
    expect_token(GOOGLE_TOKEN);
    ck_assert_ptr_null(minted.token.extra_name);
    make_program("gcloud", "echo 'ERROR: please run: gcloud auth login' >&2; exit 1", 0);
    mint_by(AUTH_GOOGLE_ID);
    expect_sentence(MINT_LOGIN_NEEDED, "gcloud gives no token for me@p.example");
    make_program("gcloud", "echo nonsense", 0);
    mint_by(AUTH_GOOGLE_ID);
    expect_sentence(MINT_FAILED, "no identity token");
    ck_assert_int_eq(setenv("PATH", "/nonexistent", 1), 0);
    mint_by(AUTH_GOOGLE_ID);
    expect_sentence(MINT_NOT_CONFIGURED, "there is no `gcloud` in PATH");
}
END_TEST

/* ---- exec */

static void be_exec(const char *command)
{
    free(profile.auth.exec);
    profile.auth.exec = mem_copy_string(command);
}

START_TEST(test_exec)
{
    mint_by(AUTH_EXEC);
    expect_sentence(MINT_NOT_CONFIGURED, "add `exec` to the profile");
    be_exec("printf ' token-%s \\n' 1");
    mint_by(AUTH_EXEC);
    expect_token("token-1");
    ck_assert_uint_eq(minted.token.lives_ms, 0);
    be_exec("echo '{\"access_token\":\"token-2\",\"expires_on\":'$(date -d '+2 hours' +%s)'}'");
    mint_by(AUTH_EXEC);
    expect_token("token-2");
    expect_life(7200);
    be_exec("echo; echo '{\"access_token\":\"token-3\",\"expiry\":\"'$(date -d '+1 hour' "
            "+%Y-%m-%dT%H:%M:%S%:z)'\"}'");
    mint_by(AUTH_EXEC);
    expect_token("token-3");
    expect_life(3600);
    be_exec("echo " GOOGLE_TOKEN); /* its end is in it */
    mint_by(AUTH_EXEC);
    ck_assert_uint_gt(minted.token.lives_ms, 1000);
}
END_TEST

START_TEST(test_exec_failures)
{
    static const char *const CASES[][2] = {
        {"exit 3", "it ended with status 3 and said nothing; run the command in a shell"},
        {"echo vault is sealed >&2; exit 2", "vault is sealed; run"},
        {"exit 0", "it printed nothing"},
        {"echo two words", "it printed more"},
        {"echo one; echo two", "it printed more"},
        {"echo '{\"access_token\":'", "it is not a JSON object"},
        {"echo '{\"token\":\"" MARK "\"}'", "no access_token"},
        {"tr '\\0' x </dev/zero", "printed more than 128 KiB"},
        {"kill -9 $$", "ended by signal 9"},
        {"no-such-program --token=" MARK, "(no-such-program …) gives no token: "},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        be_exec(CASES[i][0]);
        mint_by(AUTH_EXEC);
        expect_sentence(MINT_FAILED, CASES[i][1]);
    }
    mint_context.timeout_ms = 300;
    be_exec("sleep 300");
    mint_by(AUTH_EXEC);
    expect_sentence(MINT_FAILED, "it did not end in time");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mint_programs");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 600); /* at idle priority beside benchmarks; it only ends what hangs */
    tcase_add_test(tests, test_cli);
    tcase_add_test(tests, test_cli_of_other_versions);
    tcase_add_test(tests, test_cli_is_the_right_file);
    tcase_add_test(tests, test_cli_environment);
    tcase_add_test(tests, test_cli_complaints);
    tcase_add_test(tests, test_cli_scopes);
    tcase_add_test(tests, test_cli_time_limit);
    tcase_add_test(tests, test_cli_cancelled);
    tcase_add_test(tests, test_az_person);
    tcase_add_test(tests, test_az_service);
    tcase_add_test(tests, test_az_subscription);
    tcase_add_test(tests, test_az_complaints);
    tcase_add_test(tests, test_google_id);
    tcase_add_test(tests, test_exec);
    tcase_add_test(tests, test_exec_failures);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
