/*
 * A person's login, kept and renewed by Databricks' command line tool: its version decides what it may be
 * asked, then it prints a token. Its cache is not read: asked for a token it may give one that is nearly
 * over, so newer ones are told to get a fresh one.
 */

#include <stdlib.h>
#include <string.h>

#include "auth/databricks_cli.h"
#include "auth/jwt.h"
#include "auth/mint_way.h"
#include "auth/quote.h"

#define WHAT          "the databricks CLI"
#define VERSION_PARTS 6 /* of the mint's time: it can go on without */

static const char *const KEPT[] = {"DATABRICKS_CONFIG_FILE", "DATABRICKS_AUTH_STORAGE", NULL};

/* "databricks auth login --profile P": the command that mends most things. */
static void append_login(const Mint *mint, Text *text)
{
    const char *profile = mint->profile->auth.databricks_cli_profile;
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    text_printf(text, "databricks auth login %s %s", profile ? "--profile" : "--host",
                profile ? profile : workspace);
}

/* --- scopes --- */

static bool has_word(const char *words, const char *word, size_t length)
{
    for (const char *at = words; (at = strstr(at, word)); at++) {
        bool begins = at == words || strchr(" ,", at[-1]),
             ends = at[length] == '\0' || strchr(" ,", at[length]);
        if (begins && ends)
            return true;
    }
    return false;
}

/* Every word of `some` is in `all`. */
static bool are_within(const char *some, const char *all)
{
    while (*(some += strspn(some, " ,"))) {
        size_t length = strcspn(some, " ,");
        _cleanup_(mem_freep) char *word = mem_copy_bytes_as_string(some, length);
        if (strcmp(word, "offline_access") != 0 && !has_word(all, word, length))
            return false;
        some += length;
    }
    return true;
}

/* The login decides about scopes, so those of the profile can only be compared. False: the mint has failed.
 */
static bool check_scopes(Mint *mint)
{
    const char *wanted = mint->profile->auth.scopes;
    json_t *claims = wanted && *wanted ? jwt_claims(mint->outcome.token.access) : NULL;
    const char *granted = answer_string(claims, "scope");
    bool is_good = !granted || (are_within(wanted, granted) && are_within(granted, wanted));
    if (!is_good) {
        Text login = TEXT_NULL, quoted = TEXT_NULL;
        append_login(mint, &login);
        quote_append(&quoted, granted, 200);
        mint_fail(mint, MINT_LOGIN_NEEDED,
                  "databricks-cli: the login has the scopes \"%s\", the profile wants \"%s\"; run `%s "
                  "--scopes ...`, or "
                  "change `scopes` of the profile",
                  text_string(&quoted), wanted, text_string(&login));
        text_deinit(&login);
        text_deinit(&quoted);
    }
    json_decref(claims);
    return is_good;
}

/* --- the token --- */

static void fail_run(Mint *mint, const ChildResult *result)
{
    Text cause = TEXT_NULL, advice = TEXT_NULL;
    DatabricksCliComplaint complaint = DATABRICKS_CLI_OTHER;
    mint_describe_run(result, &cause);
    if (!result->error && !result->timed_out && !result->is_too_long && !result->signal)
        complaint = databricks_cli_complaint(result->errors, &advice);
    if (advice.length == 0)
        append_login(mint, &advice);
    if (complaint == DATABRICKS_CLI_NO_LOGIN)
        mint_fail(mint, MINT_NOT_CONFIGURED, "databricks-cli: nobody has logged in to %s (%s); run `%s`",
                  mint->profile->host, text_string(&cause), text_string(&advice));
    else if (complaint == DATABRICKS_CLI_LAPSED)
        mint_fail(mint, MINT_LOGIN_NEEDED, "databricks-cli: the login to %s has lapsed (%s); run `%s`",
                  mint->profile->host, text_string(&cause), text_string(&advice));
    else
        mint_fail(mint, MINT_FAILED, "databricks-cli: %s gives no token for %s: %s; if it stays so, run `%s`",
                  mint->program, mint->profile->host, text_string(&cause), text_string(&advice));
    text_deinit(&cause);
    text_deinit(&advice);
}

static void on_token(Mint *mint, const ChildResult *result)
{
    if (!child_succeeded(result))
        fail_run(mint, result);
    else if (mint_take(mint, result->output, result->output_length, true, WHAT) && check_scopes(mint))
        mint_succeed(mint);
}

static void on_version(Mint *mint, const ChildResult *result)
{
    const AuthSettings *auth = &mint->profile->auth;
    DatabricksCliVersion version = {0, 0, 0};
    if (child_succeeded(result))
        version = databricks_cli_version(result->output);
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    const char *argv[10] = {mint->program, "auth", "token"};
    size_t n = 3;
    if (auth->databricks_cli_profile && databricks_cli_is_at_least(version, 0, 207, 1)) {
        argv[n++] = "--profile";
        argv[n++] = auth->databricks_cli_profile;
    } else {
        argv[n++] = "--host";
        argv[n++] = workspace;
        if (auth->account_id && strncmp(mint->profile->host, "accounts", strlen("accounts")) == 0) {
            argv[n++] = "--account-id";
            argv[n++] = auth->account_id;
        }
    }
    if (databricks_cli_is_at_least(version, 0, 296, 0))
        argv[n++] = "--force-refresh";
    argv[n] = NULL;
    mint_run(mint, argv, mint_dropped_variables, KEPT, 0, on_token);
}

static char *given_path(const Mint *mint)
{
    const char *given = mint->profile->auth.databricks_cli_path;
    return given ? mint_expanded_path(given) : NULL;
}

static void on_found(Mint *mint, DatabricksCliFound found)
{
    _cleanup_(mem_freep) char *path = given_path(mint);
    const char *place = path && strchr(path, '/') ? path : "PATH";
    switch (found) {
    case DATABRICKS_CLI_MISSING:
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "databricks-cli: there is no databricks CLI in %s; install it "
                  "(docs.databricks.com/dev-tools/cli), or set "
                  "databricks_cli_path",
                  place);
        return;
    case DATABRICKS_CLI_LEGACY:
        mint_fail(
            mint, MINT_NOT_CONFIGURED,
            "databricks-cli: the databricks CLI in %s is the old one (before 0.100); install the current one "
            "(docs.databricks.com/dev-tools/cli), or set databricks_cli_path",
            place);
        return;
    case DATABRICKS_CLI_FOUND: break;
    }
    const char *argv[] = {mint->program, "version", "--output", "json", NULL};
    mint_run(mint, argv, mint_dropped_variables, KEPT, mint_part_ms(mint, VERSION_PARTS), on_version);
}

void mint_databricks_cli_start(Mint *mint)
{
    _cleanup_(mem_freep) char *path = given_path(mint);
    mint_find_cli(mint, path, on_found);
}
