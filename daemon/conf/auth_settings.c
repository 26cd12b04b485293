#include "conf/settings.h"

#include <string.h>

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
        if (strcmp(NAMES[type], name) == 0) {
            *ret_type = type;
            return true;
        }
    return false;
}

void auth_settings_deinit(AuthSettings *auth)
{
    secret_free(auth->token);
    free(auth->token_file);
    free(auth->token_place);
    free(auth->client_id);
    secret_free(auth->client_secret);
    free(auth->scopes);
    free(auth->account_id);
    free(auth->workspace_id);
    free(auth->group_id);
    free(auth->discovery_url);
    free(auth->token_audience);
    secret_free(auth->oidc_token);
    free(auth->oidc_token_filepath);
    free(auth->github_request_url);
    secret_free(auth->github_request_token);
    free(auth->azure_client_id);
    free(auth->azure_tenant_id);
    free(auth->azure_workspace_resource_id);
    free(auth->azure_environment);
    secret_free(auth->azure_client_secret);
    free(auth->databricks_cli_path);
    free(auth->databricks_cli_profile);
    free(auth->metadata_service_url);
    free(auth->google_service_account);
    secret_free(auth->google_credentials);
    free(auth->exec);
    *auth = (AuthSettings){0};
}
