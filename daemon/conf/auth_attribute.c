#include "conf/auth_attribute.h"

#include <string.h>

#include "conf/settings.h"

#define FIELD(member) offsetof(AuthSettings, member)
#define NO_FIELD      ATTRIBUTE_HAS_NO_FIELD

const AuthAttribute AUTH_ATTRIBUTES[N_AUTH_ATTRIBUTES] = {
    [ATTRIBUTE_AUTH_TYPE] = {"auth_type", NULL, "DATABRICKS_AUTH_TYPE", NULL, NULL, false, NO_FIELD},
    [ATTRIBUTE_TOKEN] = {"token", NULL, "DATABRICKS_TOKEN", NULL, "pat", true, NO_FIELD},
    [ATTRIBUTE_USERNAME] = {"username", NULL, "DATABRICKS_USERNAME", NULL, "basic", false, NO_FIELD},
    [ATTRIBUTE_PASSWORD] = {"password", NULL, "DATABRICKS_PASSWORD", NULL, "basic", true, NO_FIELD},
    [ATTRIBUTE_CLIENT_ID] = {"client_id", NULL, "DATABRICKS_CLIENT_ID", NULL, "oauth", false,
                             FIELD(client_id)},
    [ATTRIBUTE_CLIENT_SECRET] = {"client_secret", NULL, "DATABRICKS_CLIENT_SECRET", NULL, "oauth", true,
                                 FIELD(client_secret)},
    [ATTRIBUTE_SCOPES] = {"scopes", NULL, NULL, NULL, NULL, false, FIELD(scopes)},
    [ATTRIBUTE_ACCOUNT_ID] = {"account_id", NULL, "DATABRICKS_ACCOUNT_ID", NULL, NULL, false,
                              FIELD(account_id)},
    [ATTRIBUTE_WORKSPACE_ID] = {"workspace_id", NULL, "DATABRICKS_WORKSPACE_ID", NULL, NULL, false,
                                FIELD(workspace_id)},
    [ATTRIBUTE_GROUP_ID] = {"group_id", NULL, "DATABRICKS_GROUP_ID", NULL, NULL, false, FIELD(group_id)},
    [ATTRIBUTE_DISCOVERY_URL] = {"discovery_url", NULL, "DATABRICKS_DISCOVERY_URL", NULL, NULL, false,
                                 FIELD(discovery_url)},
    [ATTRIBUTE_TOKEN_AUDIENCE] = {"token_audience", "audience", "DATABRICKS_TOKEN_AUDIENCE", NULL, NULL,
                                  false, FIELD(token_audience)},
    [ATTRIBUTE_OIDC_TOKEN_ENV] = {"oidc_token_env", NULL, "DATABRICKS_OIDC_TOKEN_ENV", NULL, "env-oidc",
                                  false, NO_FIELD},
    [ATTRIBUTE_OIDC_TOKEN_FILEPATH] = {"oidc_token_filepath", "databricks_id_token_filepath",
                                       "DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE",
                                       "file-oidc", false, FIELD(oidc_token_filepath)},
    [ATTRIBUTE_AZURE_WORKSPACE_RESOURCE_ID] = {"azure_workspace_resource_id", NULL,
                                               "DATABRICKS_AZURE_RESOURCE_ID", NULL, "azure", false,
                                               FIELD(azure_workspace_resource_id)},
    [ATTRIBUTE_AZURE_USE_MSI] = {"azure_use_msi", NULL, "ARM_USE_MSI", NULL, "azure", false, NO_FIELD},
    [ATTRIBUTE_AZURE_CLIENT_ID] = {"azure_client_id", NULL, "ARM_CLIENT_ID", NULL, "azure", false,
                                   FIELD(azure_client_id)},
    [ATTRIBUTE_AZURE_CLIENT_SECRET] = {"azure_client_secret", NULL, "ARM_CLIENT_SECRET", NULL, "azure", true,
                                       FIELD(azure_client_secret)},
    [ATTRIBUTE_AZURE_TENANT_ID] = {"azure_tenant_id", NULL, "ARM_TENANT_ID", NULL, "azure", false,
                                   FIELD(azure_tenant_id)},
    [ATTRIBUTE_AZURE_ENVIRONMENT] = {"azure_environment", NULL, "ARM_ENVIRONMENT", NULL, NULL, false,
                                     FIELD(azure_environment)},
    [ATTRIBUTE_DATABRICKS_CLI_PATH] = {"databricks_cli_path", NULL, "DATABRICKS_CLI_PATH", NULL, NULL, false,
                                       FIELD(databricks_cli_path)},
    [ATTRIBUTE_METADATA_SERVICE_URL] = {"metadata_service_url", NULL, "DATABRICKS_METADATA_SERVICE_URL", NULL,
                                        "metadata-service", false, FIELD(metadata_service_url)},
    [ATTRIBUTE_GOOGLE_SERVICE_ACCOUNT] = {"google_service_account", NULL, "DATABRICKS_GOOGLE_SERVICE_ACCOUNT",
                                          NULL, "google", false, FIELD(google_service_account)},
    [ATTRIBUTE_GOOGLE_CREDENTIALS] = {"google_credentials", NULL, "GOOGLE_CREDENTIALS", NULL, "google", true,
                                      FIELD(google_credentials)},
    [ATTRIBUTE_EXEC] = {"exec", NULL, NULL, NULL, "exec", false, FIELD(exec)},
};

const AuthAttribute *auth_attribute_find(const char *key)
{
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++) {
        const AuthAttribute *attribute = &AUTH_ATTRIBUTES[i];
        if (strcmp(attribute->name, key) == 0 || (attribute->alias && strcmp(attribute->alias, key) == 0))
            return attribute;
    }
    return NULL;
}

const char *auth_attribute_login_variable(Environment environment)
{
    if (environment_get(environment, "DATABRICKS_HOST"))
        return "DATABRICKS_HOST";
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++) {
        const AuthAttribute *attribute = &AUTH_ATTRIBUTES[i];
        if (!attribute->family || !attribute->variable)
            continue;
        if (environment_get(environment, attribute->variable))
            return attribute->variable;
        if (attribute->variable_alias && environment_get(environment, attribute->variable_alias))
            return attribute->variable_alias;
    }
    return NULL;
}
