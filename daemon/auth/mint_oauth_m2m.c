/* OAuth of a service principal: client id and secret, sent once an hour to the workspace's token endpoint. */

#include <string.h>

#include "auth/basic.h"
#include "auth/mint_endpoint.h"

#define WHAT "the token endpoint"

static void on_token(Mint *mint, const HttpsResponse *response)
{
    if (mint_is_answered(
            mint, response, WHAT,
            "check client_id and client_secret: the secret may have expired, or the service principal may "
            "not be in this workspace") &&
        mint_take(mint, response->body, response->length, false, WHAT))
        mint_succeed(mint);
}

static void ask_token(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    _cleanup_(secret_freep) Secret *basic = basic_authorization(auth->client_id, auth->client_secret);
    Form form = FORM_NULL;
    form_add(&form, "grant_type", "client_credentials");
    form_add(&form, "scope", mint_scopes(mint));
    if (auth->group_id)
        form_add(&form, "assume_group", auth->group_id);
    mint_post_form(mint, mint->endpoint, &form, basic, on_token);
}

void mint_oauth_m2m_start(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    if (!auth->client_id || !auth->client_secret)
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "oauth-m2m: it needs client_id and client_secret; add them to the profile");
    else
        mint_find_endpoint(mint, ask_token);
}
