/* The identity that Azure gives a virtual machine: asked from an address that only the machine itself
 * reaches. */

#include <stdlib.h>

#include "auth/mint_azure.h"

#define WHAT  "Azure's instance metadata service"
#define PARTS 3 /* of the mint's time: the service is near, and answers soon or never */

static void ask_token(Mint *mint);

static void on_token(Mint *mint, const HttpsResponse *response)
{
    if (response->failure) {
        mint_fail(mint, MINT_FAILED,
                  "azure-msi: there is no instance metadata service here (%s); a managed identity works on "
                  "machines of "
                  "Azure only: set another auth_type elsewhere",
                  response->failure);
        return;
    }
    if (!mint_is_answered(
            mint, response, WHAT,
            "assign a managed identity to this machine, and check azure_client_id if there are several") ||
        !mint_take(mint, response->body, response->length, true, WHAT))
        return;
    if (mint_azure_wants_extra(mint))
        ask_token(mint);
    else
        mint_azure_succeed(mint);
}

static void ask_token(Mint *mint)
{
    static const char *const HEADERS[] = {"Metadata: true", NULL};
    const char *client_id = mint->profile->auth.azure_client_id;
    /* Azure's own libraries let containers name another one by this variable. */
    const char *base = getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    Form query = FORM_NULL;
    Text url = TEXT_NULL;
    form_add(&query, "api-version", "2018-02-01");
    form_add(&query, "resource", mint_azure_resource(mint));
    if (client_id)
        form_add(&query, "client_id", client_id);
    text_printf(&url, "%s/metadata/identity/oauth2/token?%s", base && *base ? base : "http://169.254.169.254",
                form_string(&query));
    mint_ask(mint,
             &(HttpsRequest){.method = "GET",
                             .url = text_string(&url),
                             .headers = HEADERS,
                             .timeout_ms = mint_part_ms(mint, PARTS)},
             on_token);
    form_deinit(&query);
    text_deinit(&url);
}

void mint_azure_msi_start(Mint *mint)
{
    if (mint_find_cloud(mint))
        ask_token(mint);
}
