#pragma once

/* MintAzure: what the three ways of Azure share: which cloud, which tenant, and how they end. Loop thread
 * only. */

#include "auth/mint_way.h"

#define AZURE_MANAGEMENT_HEADER "x-databricks-azure-sp-management-token"

/* Sets mint->cloud. False: the mint has failed, as the host is none of Azure's. */
bool mint_find_cloud(Mint *mint);
/* Sets mint->tenant, from the profile or from where the workspace sends people to log in, and goes on. When
 * it is not to be found it fails the mint, unless it is_optional: then it stays NULL. */
void mint_find_tenant(Mint *mint, bool is_optional, MintGoesOn on_tenant_known);
/* The token being got is for this resource: Databricks, then Azure's management. */
const char *mint_azure_resource(const Mint *mint);
/* After a good token: true when it was the first, and the second is to be got now. */
bool mint_azure_wants_extra(Mint *mint);
/* With what there is. */
void mint_azure_succeed(Mint *mint);
