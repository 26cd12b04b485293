#include "auth/mint_endpoint.h"

#include <string.h>

#define PLACEHOLDER  "{account_id}"
#define DOCUMENT     "/.well-known/oauth-authorization-server"
#define CONFIG_PARTS 6 /* of the mint's time: it can go on without */

static void on_document(Mint *mint, const HttpsResponse *response)
{
    static const char WHAT[] = "the OAuth discovery document";
    if (!mint_is_answered(
            mint, response, WHAT,
            "check the profile's host: OAuth may not be enabled there, or discovery_url may be wrong"))
        return;
    json_t *document = answer_object(response->body, response->length);
    const char *endpoint = answer_string(document, "token_endpoint");
    if (endpoint)
        mint->endpoint = mem_copy_string(endpoint);
    json_decref(document);
    if (mint->endpoint)
        mint->on_endpoint_known(mint);
    else
        mint_fail(mint, MINT_LOGIN_NEEDED,
                  "%s: %s at %s names no token_endpoint; check the profile's host and discovery_url",
                  auth_type_name(mint->type), WHAT, mint->asked);
}

static void ask_document(Mint *mint, const char *url)
{
    mint_ask(mint, &(HttpsRequest){.method = "GET", .url = url}, on_document);
}

static void ask_usual_document(Mint *mint)
{
    const char *account_id = mint->profile->auth.account_id;
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    Text url = TEXT_NULL;
    if (account_id && strncmp(mint->profile->host, "accounts", strlen("accounts")) == 0)
        text_printf(&url, "%s/oidc/accounts/%s" DOCUMENT, workspace, account_id);
    else
        text_printf(&url, "%s/oidc" DOCUMENT, workspace);
    ask_document(mint, text_string(&url));
    text_deinit(&url);
}

/* The URL of the document below what databricks-config says, with the account put in; NULL: not possible. */
static char *document_url(const char *oidc_endpoint, const char *account_id)
{
    const char *placeholder = strstr(oidc_endpoint, PLACEHOLDER);
    size_t length = strlen(oidc_endpoint);
    Text url = TEXT_NULL;
    if (placeholder && !account_id)
        return NULL;
    while (length > 0 && oidc_endpoint[length - 1] == '/')
        length--;
    if (placeholder) {
        text_append_bytes(&url, oidc_endpoint, (size_t)(placeholder - oidc_endpoint));
        text_append(&url, account_id);
        placeholder += strlen(PLACEHOLDER);
        text_append_bytes(&url, placeholder, length - (size_t)(placeholder - oidc_endpoint));
    } else {
        text_append_bytes(&url, oidc_endpoint, length);
    }
    text_append(&url, DOCUMENT);
    return text_take(&url);
}

static void on_config(Mint *mint, const HttpsResponse *response)
{
    const AuthSettings *auth = &mint->profile->auth;
    bool is_good = !response->failure && response->status == 200;
    json_t *config = is_good ? answer_object(response->body, response->length) : NULL;
    const char *oidc_endpoint = answer_string(config, "oidc_endpoint");
    const char *account_id = auth->account_id ? auth->account_id : answer_string(config, "account_id");
    const char *audience = json_string_value(
        json_array_get(json_object_get(config, "token_federation_default_oidc_audiences"), 0));
    _cleanup_(mem_freep) char *url = oidc_endpoint ? document_url(oidc_endpoint, account_id) : NULL;
    if (audience)
        mint->audience = mem_copy_string(audience);
    json_decref(config);
    if (url)
        ask_document(mint, url);
    else
        ask_usual_document(mint);
}

void mint_find_endpoint(Mint *mint, MintGoesOn on_endpoint_known)
{
    const char *discovery_url = mint->profile->auth.discovery_url;
    mint->on_endpoint_known = on_endpoint_known;
    if (discovery_url) {
        ask_document(mint, discovery_url);
        return;
    }
    Text url = TEXT_NULL;
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    text_printf(&url, "%s/.well-known/databricks-config", workspace);
    mint_ask(mint,
             &(HttpsRequest){
                 .method = "GET", .url = text_string(&url), .timeout_ms = mint_part_ms(mint, CONFIG_PARTS)},
             on_config);
    text_deinit(&url);
}
