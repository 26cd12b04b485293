/* A command of the user's own, which prints a token, or JSON with one and its end. */

#include <string.h>

#include "auth/jwt.h"
#include "auth/mint_way.h"

/* How much of the command may be shown: what follows its first word may be anything. */
static int shown_length(const char *command)
{
    return (int)strcspn(command, " \t\r\n=;|&<>");
}

/* The whole output is the token. */
static void take_plain(Mint *mint, const ChildResult *result)
{
    Secret *printed = secret_new(result->output, result->output_length);
    Token *token = &mint->outcome.token;
    token->access = secret_trimmed(printed);
    secret_free(printed);
    if (!secret_is_visible(token->access)) {
        mint_fail(mint, MINT_FAILED,
                  "exec: the command (%.*s …) must print one token, or JSON with access_token, and nothing "
                  "else; it printed %s",
                  shown_length(mint->profile->auth.exec), mint->profile->auth.exec,
                  secret_length(token->access) ? "more" : "nothing");
        return;
    }
    int64_t ends_at_s = jwt_end(token->access);
    token->lives_ms = ends_at_s ? mint_life_ms(ends_at_s, 0) : 0;
    mint_succeed(mint);
}

static void on_ran(Mint *mint, const ChildResult *result)
{
    const char *command = mint->profile->auth.exec;
    if (!child_succeeded(result)) {
        Text cause = TEXT_NULL;
        mint_describe_run(result, &cause);
        mint_fail(mint, MINT_FAILED,
                  "exec: the command (%.*s …) gives no token: %s; run the command in a shell to see why",
                  shown_length(command), command, text_string(&cause));
        text_deinit(&cause);
    } else if (result->output[strspn(result->output, " \t\r\n")] != '{') {
        take_plain(mint, result);
    } else if (mint_take(mint, result->output, result->output_length, true, "the command")) {
        mint_succeed(mint);
    }
}

void mint_exec_start(Mint *mint)
{
    const char *command = mint->profile->auth.exec;
    if (!command) {
        mint_fail(mint, MINT_NOT_CONFIGURED, "exec: it needs a command; add `exec` to the profile");
        return;
    }
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    mint_run(mint, argv, NULL, NULL, 0, on_ran);
}
