#include "auth/mint_azure.h"

#include <string.h>

#define ADVICE "set azure_tenant_id in the profile"

bool mint_find_cloud(Mint *mint)
{
    const ProfileSettings *profile = mint->profile;
    mint->cloud = azure_cloud_find(profile->host, profile->auth.azure_environment, profile->auth.is_forced);
    if (mint->cloud)
        return true;
    mint_fail(mint, MINT_NOT_CONFIGURED,
              "%s: %s is no workspace of Azure; set azure_environment in the profile if it is, or another "
              "auth_type",
              auth_type_name(mint->type), profile->host);
    return false;
}

static void on_login_page(Mint *mint, const HttpsResponse *response)
{
    const char *begin = response->location ? strstr(response->location, "://") : NULL;
    begin = begin ? strchr(begin + 3, '/') : NULL;
    size_t length = begin ? strcspn(begin + 1, "/?#") : 0;
    if (length > 0) {
        mint->tenant = mem_copy_bytes_as_string(begin + 1, length);
        mint->on_tenant_known(mint);
    } else if (mint->is_tenant_optional) {
        mint->on_tenant_known(mint);
    } else if (response->failure) {
        mint_fail(mint, MINT_FAILED, "%s: the Azure tenant of %s is not known: %s; " ADVICE,
                  auth_type_name(mint->type), mint->asked, response->failure);
    } else {
        mint_fail(
            mint, response->status >= 500 ? MINT_FAILED : MINT_LOGIN_NEEDED,
            "%s: the Azure tenant of %s is not known: its /aad/auth answers HTTP %u and names none; " ADVICE,
            auth_type_name(mint->type), mint->asked, response->status);
    }
}

void mint_find_tenant(Mint *mint, bool is_optional, MintGoesOn on_tenant_known)
{
    const char *tenant = mint->profile->auth.azure_tenant_id;
    if (tenant) {
        mint->tenant = mem_copy_string(tenant);
        on_tenant_known(mint);
        return;
    }
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    Text url = TEXT_NULL;
    mint->on_tenant_known = on_tenant_known;
    mint->is_tenant_optional = is_optional;
    text_printf(&url, "%s/aad/auth", workspace);
    mint_ask(mint, &(HttpsRequest){.method = "GET", .url = text_string(&url)}, on_login_page);
    text_deinit(&url);
}

const char *mint_azure_resource(const Mint *mint)
{
    return mint->wants_extra ? mint->cloud->management : mint->cloud->application;
}

bool mint_azure_wants_extra(Mint *mint)
{
    bool was_first = !mint->wants_extra;
    mint->wants_extra = true;
    return was_first;
}

void mint_azure_succeed(Mint *mint)
{
    Token *token = &mint->outcome.token;
    token->extra_name = token->extra ? AZURE_MANAGEMENT_HEADER : NULL;
    token->resource_id = mint->profile->auth.azure_workspace_resource_id;
    mint_succeed(mint);
}
