#include "auth/credential.h"

#include <string.h>

#include "base/mem.h"

static Secret *bearer(const Secret *token)
{
    static const char SCHEME[] = "Bearer ";
    size_t length = sizeof SCHEME - 1 + secret_length(token);
    char *bytes = mem_alloc(length);
    memcpy(bytes, SCHEME, sizeof SCHEME - 1);
    memcpy(bytes + sizeof SCHEME - 1, secret_reveal(token), secret_length(token));
    Secret *secret = secret_new(bytes, length);
    secret_wipe(bytes, length);
    free(bytes);
    return secret;
}

Credential *credential_new(const ProfileSettings *profile)
{
    Credential *credential = mem_new(Credential);
    credential->n_references = 1;
    credential->authorization = profile->auth.token ? bearer(profile->auth.token) : NULL;
    credential->cluster_id = profile->cluster_id ? mem_copy_string(profile->cluster_id) : NULL;
    return credential;
}

Credential *credential_ref(Credential *credential)
{
    credential->n_references++;
    return credential;
}

Credential *credential_unref(Credential *credential)
{
    if (credential && --credential->n_references == 0) {
        secret_free(credential->authorization);
        free(credential->cluster_id);
        free(credential);
    }
    return NULL;
}

static void add(HeaderList *headers, const char *name, const char *value, size_t value_length)
{
    header_list_add(headers,
                    (Header){name, value, (uint32_t)strlen(name), (uint32_t)value_length, NULL, NULL});
}

void credential_stamp(const Credential *credential, HeaderList *headers, bool with_cluster)
{
    if (credential->authorization)
        add(headers, "authorization", secret_reveal(credential->authorization),
            secret_length(credential->authorization));
    if (with_cluster && credential->cluster_id)
        add(headers, "x-databricks-cluster-id", credential->cluster_id, strlen(credential->cluster_id));
}
