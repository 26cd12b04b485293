/* A service principal of Azure: a secret for a token of Databricks and one of Azure's management. */

#include "auth/mint_azure.h"

#define WHAT "Azure's token endpoint"

static void ask_token(Mint *mint);

static void on_token(Mint *mint, const HttpsResponse *response)
{
    if (!mint_is_answered(
            mint, response, WHAT,
            "check azure_client_id, azure_client_secret (it may have expired) and azure_tenant_id") ||
        !mint_take(mint, response->body, response->length, false, WHAT))
        return;
    if (mint_azure_wants_extra(mint))
        ask_token(mint);
    else
        mint_azure_succeed(mint);
}

static void ask_token(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    Form form = FORM_NULL;
    Text url = TEXT_NULL;
    form_add(&form, "grant_type", "client_credentials");
    form_add(&form, "client_id", auth->azure_client_id);
    form_add_secret(&form, "client_secret", auth->azure_client_secret);
    form_add(&form, "resource", mint_azure_resource(mint));
    text_printf(&url, "%s%s/oauth2/token", mint->cloud->login, mint->tenant);
    mint_post_form(mint, text_string(&url), &form, NULL, on_token);
    text_deinit(&url);
}

void mint_azure_client_secret_start(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    if (!auth->azure_client_id || !auth->azure_client_secret)
        mint_fail(
            mint, MINT_NOT_CONFIGURED,
            "azure-client-secret: it needs azure_client_id and azure_client_secret; add them to the profile");
    else if (mint_find_cloud(mint))
        mint_find_tenant(mint, false, ask_token);
}
