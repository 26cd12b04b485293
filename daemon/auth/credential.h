#pragma once

/*
 * Credential: the headers that the calls of one profile are stamped with. Counted by reference, because a
 * header that waits to be written must outlive a change of token. Loop thread only.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "conf/settings.h"
#include "http2/header.h"

typedef struct Credential {
    uint32_t n_references;
    Secret *authorization; /* "Bearer …"; NULL: none */
    char *cluster_id;      /* NULL: none */
} Credential;

/* From the profile's own token and cluster id. One reference, the caller's. */
Credential *credential_new(const ProfileSettings *profile);
Credential *credential_ref(Credential *credential);
/* Takes NULL; returns NULL. */
Credential *credential_unref(Credential *credential);
/* Appends its headers; `with_cluster`: the profile's cluster id too. The strings live as long as the
 * credential. */
void credential_stamp(const Credential *credential, HeaderList *headers, bool with_cluster);
