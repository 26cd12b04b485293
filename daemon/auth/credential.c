#include "auth/credential.h"

#include <string.h>

#include "base/mem.h"

#define SCHEME "Bearer "

static Header header_of(const char *name, const char *value, size_t value_length)
{
    return (Header){name, value, (uint32_t)strlen(name), (uint32_t)value_length, NULL, NULL};
}

static Header header_of_secret(const char *name, const Secret *value)
{
    return header_of(name, secret_reveal(value), secret_length(value));
}

static void make_headers(Credential *credential)
{
    Header *headers = credential->headers;
    size_t n = 0;
    if (credential->authorization)
        headers[n++] = header_of_secret("authorization", credential->authorization);
    if (credential->extra)
        headers[n++] = header_of_secret(credential->extra_name, credential->extra);
    if (credential->resource_id)
        headers[n++] = header_of("x-databricks-azure-workspace-resource-id", credential->resource_id,
                                 strlen(credential->resource_id));
    if (credential->cluster_id)
        headers[n] =
            header_of("x-databricks-cluster-id", credential->cluster_id, strlen(credential->cluster_id));
    credential->n_headers = n;
}

Credential *credential_new(const Token *token, const ProfileSettings *profile)
{
    Credential *credential = mem_new(Credential);
    credential->n_references = 1;
    credential->authorization = token->access ? secret_prefixed(SCHEME, token->access) : NULL;
    if (token->extra_name && token->extra) {
        credential->extra_name = token->extra_name;
        credential->extra = secret_copy(token->extra);
    }
    credential->resource_id = token->resource_id ? mem_copy_string(token->resource_id) : NULL;
    /* a serverless session is named by the call instead */
    if (profile->cluster_id && !profile->is_serverless)
        credential->cluster_id = mem_copy_string(profile->cluster_id);
    make_headers(credential);
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
        secret_free(credential->extra);
        free(credential->resource_id);
        free(credential->cluster_id);
        free(credential);
    }
    return NULL;
}

void credential_stamp(const Credential *credential, HeaderList *headers, bool with_cluster)
{
    size_t n = credential->n_headers + (with_cluster && credential->cluster_id ? 1 : 0);
    for (size_t i = 0; i < n; i++)
        header_list_add(headers, credential->headers[i]);
}

bool credential_is_of(const Credential *credential, const Token *token)
{
    _cleanup_(secret_freep) Secret *authorization =
        token->access ? secret_prefixed(SCHEME, token->access) : NULL;
    return secret_equal(credential->authorization, authorization) &&
           secret_equal(credential->extra, token->extra);
}
