#pragma once

/*
 * Credential: the headers that the calls of one profile are stamped with. Counted by reference, because a
 * header that waits to be written must outlive a change of token. Loop thread only.
 */

#include <stddef.h>
#include <stdint.h>

#include "auth/mint.h"
#include "base/secret.h"
#include "conf/settings.h"
#include "http2/header.h"

#define CREDENTIAL_MAX_HEADERS 4 /* authorization, the token's two others, the cluster id */

typedef struct Credential {
    uint32_t n_references;
    bool was_accepted;                      /* a call that had it was answered: the server knows it */
    Secret *authorization;                  /* "Bearer …"; NULL: none */
    const char *extra_name;                 /* of the header that goes with it, a literal; NULL: none */
    Secret *extra;                          /* its value */
    char *resource_id;                      /* x-databricks-azure-workspace-resource-id; NULL: none */
    char *cluster_id;                       /* NULL: none */
    Header headers[CREDENTIAL_MAX_HEADERS]; /* made of these once, not for each call; the cluster id last */
    size_t n_headers;                       /* without the cluster id */
} Credential;

/* From what was minted (an `access` of NULL: nothing to show) and the profile's cluster id; both are only
 * read. One reference, the caller's. */
Credential *credential_new(const Token *token, const ProfileSettings *profile);
Credential *credential_ref(Credential *credential);
/* Takes NULL; returns NULL. */
Credential *credential_unref(Credential *credential);
/* Appends its headers; `with_cluster`: the profile's cluster id too. The strings live as long as the
 * credential. */
void credential_stamp(const Credential *credential, HeaderList *headers, bool with_cluster);
/* Whether it was made of the same bytes. */
bool credential_is_of(const Credential *credential, const Token *token);
