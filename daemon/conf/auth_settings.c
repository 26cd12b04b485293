#include "conf/settings.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

static const char *const NAMES[] = {
    [AUTH_PAT] = "pat",
    [AUTH_OAUTH_M2M] = "oauth-m2m",
    [AUTH_DATABRICKS_CLI] = "databricks-cli",
    [AUTH_METADATA_SERVICE] = "metadata-service",
    [AUTH_GITHUB_OIDC] = "github-oidc",
    [AUTH_ENV_OIDC] = "env-oidc",
    [AUTH_FILE_OIDC] = "file-oidc",
    [AUTH_AZURE_MSI] = "azure-msi",
    [AUTH_AZURE_CLIENT_SECRET] = "azure-client-secret",
    [AUTH_AZURE_CLI] = "azure-cli",
    [AUTH_GOOGLE_CREDENTIALS] = "google-credentials",
    [AUTH_GOOGLE_ID] = "google-id",
    [AUTH_EXEC] = "exec",
};

const char *auth_type_name(AuthType type)
{
    return NAMES[type];
}

bool auth_type_from_name(const char *name, AuthType *ret_type)
{
    for (AuthType type = 0; type < N_AUTH_TYPES; type++)
        if (strcasecmp(NAMES[type], name) == 0) {
            *ret_type = type;
            return true;
        }
    return false;
}

/* The attributes of one kind, by their offset in AuthSettings. */
static const size_t TEXTS[] = {
    offsetof(AuthSettings, token_file),
    offsetof(AuthSettings, client_id),
    offsetof(AuthSettings, scopes),
    offsetof(AuthSettings, account_id),
    offsetof(AuthSettings, workspace_id),
    offsetof(AuthSettings, group_id),
    offsetof(AuthSettings, discovery_url),
    offsetof(AuthSettings, token_audience),
    offsetof(AuthSettings, oidc_token_filepath),
    offsetof(AuthSettings, github_request_url),
    offsetof(AuthSettings, azure_client_id),
    offsetof(AuthSettings, azure_tenant_id),
    offsetof(AuthSettings, azure_workspace_resource_id),
    offsetof(AuthSettings, azure_environment),
    offsetof(AuthSettings, databricks_cli_path),
    offsetof(AuthSettings, databricks_cli_profile),
    offsetof(AuthSettings, databricks_config_file),
    offsetof(AuthSettings, metadata_service_url),
    offsetof(AuthSettings, google_service_account),
    offsetof(AuthSettings, exec),
};
static const size_t SECRETS[] = {
    offsetof(AuthSettings, token),
    offsetof(AuthSettings, client_secret),
    offsetof(AuthSettings, oidc_token),
    offsetof(AuthSettings, github_request_token),
    offsetof(AuthSettings, azure_client_secret),
    offsetof(AuthSettings, google_credentials),
};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static void *field(const AuthSettings *auth, size_t offset)
{
    return *(void *const *)(const void *)((const char *)auth + offset);
}

bool auth_settings_equal(const AuthSettings *a, const AuthSettings *b)
{
    if (a->n_chain != b->n_chain || a->is_forced != b->is_forced ||
        memcmp(a->chain, b->chain, a->n_chain * sizeof a->chain[0]) != 0)
        return false;
    for (size_t i = 0; i < LENGTH(TEXTS); i++)
        if (!text_is_same(field(a, TEXTS[i]), field(b, TEXTS[i])))
            return false;
    for (size_t i = 0; i < LENGTH(SECRETS); i++)
        if (!secret_equal(field(a, SECRETS[i]), field(b, SECRETS[i])))
            return false;
    return true;
}

void auth_settings_deinit(AuthSettings *auth)
{
    for (size_t i = 0; i < LENGTH(TEXTS); i++)
        free(field(auth, TEXTS[i]));
    for (size_t i = 0; i < LENGTH(SECRETS); i++)
        secret_free(field(auth, SECRETS[i]));
    free(auth->token_place);
    *auth = (AuthSettings){0};
}
