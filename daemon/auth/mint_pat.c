/* A token as it is: from the settings, or from its file, which is read each time, as people rotate them. */

#include <uv.h>

#include "auth/mint_way.h"

static void on_file(Mint *mint, Secret *content, int error)
{
    const char *path = mint->profile->auth.token_file;
    Secret *token = content ? secret_trimmed(content) : NULL;
    secret_free(content);
    mint->outcome.token.access = token;
    if (!token)
        mint_fail(mint, MINT_LOGIN_NEEDED, "token_file = %s cannot be read: %s", path, uv_strerror(error));
    else if (!secret_is_visible(token))
        mint_fail(mint, MINT_LOGIN_NEEDED,
                  "token_file = %s: there must be one token in it and nothing else; write a new one into it",
                  path);
    else
        mint_succeed(mint);
}

void mint_pat_start(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    if (auth->token_file) {
        mint_read(mint, auth->token_file, on_file);
    } else if (auth->token) {
        mint->outcome.token.access = secret_copy(auth->token);
        mint_succeed(mint);
    } else {
        mint_fail(mint, MINT_NOT_CONFIGURED, "pat: it needs a token; add `token` to the profile");
    }
}
