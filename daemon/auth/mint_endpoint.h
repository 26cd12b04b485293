#pragma once

/*
 * MintEndpoint: where a workspace gives tokens: its own discovery_url, or what the host says of itself
 * (/.well-known/databricks-config, best effort), or the place where it has always been; then the document
 * that is found there. Loop thread only.
 */

#include "auth/mint_way.h"

/* Goes on with on_endpoint_known, when mint->endpoint is set; or fails the mint. */
void mint_find_endpoint(Mint *mint, MintGoesOn on_endpoint_known);
