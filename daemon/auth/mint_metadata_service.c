/* A service of this machine that hands out tokens by HTTP, as VS Code has one. */

#define WHAT  "the metadata service"
#define PARTS 3 /* of the mint's time: the service is near, and answers soon or never */

#include "auth/mint_way.h"

static void on_token(Mint *mint, const HttpsResponse *response)
{
    if (mint_is_answered(mint, response, WHAT, "check metadata_service_url and that it serves this host") &&
        mint_take(mint, response->body, response->length, true, WHAT))
        mint_succeed(mint);
}

void mint_metadata_service_start(Mint *mint)
{
    const char *url = mint->profile->auth.metadata_service_url;
    if (!url) {
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "metadata-service: it needs metadata_service_url; add it to the profile");
        return;
    }
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    Text host = TEXT_NULL;
    text_printf(&host, "X-Databricks-Host: %s", workspace);
    const char *headers[] = {"X-Databricks-Metadata-Version: 1", text_string(&host), NULL};
    mint_ask(mint,
             &(HttpsRequest){
                 .method = "GET", .url = url, .headers = headers, .timeout_ms = mint_part_ms(mint, PARTS)},
             on_token);
    text_deinit(&host);
}
