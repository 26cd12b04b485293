#include <string.h>
#include <strings.h>

#include "conf/address.h"
#include "conf/profile_draft.h"

static const char *const AZURE_ENVIRONMENTS[] = {"PUBLIC", "USGOVERNMENT", "CHINA"};

/* "a, b" and "a b" are both written; what is kept has single blanks. free(). */
static char *normal_scopes(const char *text)
{
    Text scopes = TEXT_NULL;
    while (*(text += strspn(text, ", \t"))) {
        size_t length = strcspn(text, ", \t");
        text_append(&scopes, scopes.length ? " " : "");
        text_append_bytes(&scopes, text, length);
        text += length;
    }
    return text_take(&scopes);
}

/* AzurePublicCloud, as older SDKs had it, is PUBLIC. free(). */
static char *normal_azure_environment(Draft *draft, const Given *given)
{
    const char *start = given->text + (strncasecmp(given->text, "azure", 5) == 0 ? 5 : 0);
    size_t length = strlen(start);
    if (length > 5 && strcasecmp(start + length - 5, "cloud") == 0)
        length -= 5;
    for (size_t i = 0; i < sizeof AZURE_ENVIRONMENTS / sizeof AZURE_ENVIRONMENTS[0]; i++)
        if (strlen(AZURE_ENVIRONMENTS[i]) == length && strncasecmp(start, AZURE_ENVIRONMENTS[i], length) == 0)
            return mem_copy_string(AZURE_ENVIRONMENTS[i]);
    draft_fail_value(draft, "azure_environment", given, "write PUBLIC, USGOVERNMENT or CHINA");
    return mem_copy_string("");
}

/* https://, or http:// to this machine; `only_near` wants this machine either way. */
static void check_url(Draft *draft, AuthAttributeId id, bool only_near)
{
    const Given *given = &draft->attributes[id].given;
    _cleanup_(text_deinit) Text ignored = TEXT_NULL;
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    bool is_https = strncasecmp(given->text, "https://", 8) == 0;
    const char *start = given->text + (is_https ? 8 : strncasecmp(given->text, "http://", 7) == 0 ? 7 : 0);
    _cleanup_(mem_freep) char *authority = mem_copy_bytes_as_string(start, strcspn(start, "/?#"));
    bool is_url = start > given->text && address_parse(&address, authority, &ignored) == 0 && address.host;
    bool is_near = is_url && address_is_loopback(address.host);
    if (only_near && !is_near)
        draft_fail_value(draft, AUTH_ATTRIBUTES[id].name, given,
                         "write http://localhost:PORT/...; a metadata service runs on this machine");
    else if (!is_url || (!is_https && !is_near))
        draft_fail_value(draft, AUTH_ATTRIBUTES[id].name, given, "write a URL that starts with https://");
}

static char *text_field(Draft *draft, AuthAttributeId id)
{
    const Given *given = &draft->attributes[id].given;
    if (id == ATTRIBUTE_SCOPES)
        return normal_scopes(given->text);
    if (id == ATTRIBUTE_AZURE_ENVIRONMENT)
        return normal_azure_environment(draft, given);
    if (id == ATTRIBUTE_DISCOVERY_URL || id == ATTRIBUTE_METADATA_SERVICE_URL)
        check_url(draft, id, id == ATTRIBUTE_METADATA_SERVICE_URL);
    if (id != ATTRIBUTE_OIDC_TOKEN_FILEPATH && id != ATTRIBUTE_DATABRICKS_CLI_PATH)
        return mem_copy_string(given->text);
    char *path = path_expand(given->text, draft->loader->source->environment);
    if (id == ATTRIBUTE_OIDC_TOKEN_FILEPATH && *path != '/')
        draft_fail_value(draft, "oidc_token_filepath", given, "the path must be absolute");
    return path;
}

static Secret *secret_field(Draft *draft, AuthAttributeId id)
{
    const Given *given = &draft->attributes[id].given;
    if (id != ATTRIBUTE_GOOGLE_CREDENTIALS)
        return secret_new(given->text, strlen(given->text));
    char *expanded = path_expand(given->text, draft->loader->source->environment); /* it may be a path */
    Secret *secret = secret_new(expanded, strlen(expanded));
    secret_wipe(expanded, strlen(expanded));
    free(expanded);
    return secret;
}

/* Whether a way of the chain uses this secret; what nobody uses is not kept in memory. */
static bool is_used(const Draft *draft, AuthAttributeId id)
{
    switch (id) {
    case ATTRIBUTE_CLIENT_SECRET: return draft_has_in_chain(draft, AUTH_OAUTH_M2M);
    case ATTRIBUTE_AZURE_CLIENT_SECRET: return draft_has_in_chain(draft, AUTH_AZURE_CLIENT_SECRET);
    case ATTRIBUTE_GOOGLE_CREDENTIALS: return draft_has_in_chain(draft, AUTH_GOOGLE_CREDENTIALS);
    default: return false;
    }
}

static void take_attributes(Draft *draft)
{
    AuthSettings *auth = &draft->profile->auth;
    for (AuthAttributeId id = 0; id < N_AUTH_ATTRIBUTES; id++) {
        const AuthAttribute *attribute = &AUTH_ATTRIBUTES[id];
        const Given *given = &draft->attributes[id].given;
        if (!given->text || attribute->offset == ATTRIBUTE_HAS_NO_FIELD)
            continue;
        void *field = (char *)auth + attribute->offset;
        if (!attribute->is_secret)
            *(char **)field = text_field(draft, id);
        else if (is_used(draft, id))
            *(Secret **)field = secret_field(draft, id);
    }
}

static void take_variables(Draft *draft)
{
    AuthSettings *auth = &draft->profile->auth;
    Environment environment = draft->loader->source->environment;
    const Given *oidc = &draft->oidc_token.given;
    if (draft_has_in_chain(draft, AUTH_ENV_OIDC))
        auth->oidc_token = secret_new(oidc->text, strlen(oidc->text));
    if (!draft_has_in_chain(draft, AUTH_GITHUB_OIDC))
        return;
    const char *token = environment_get(environment, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    auth->github_request_url = mem_copy_string(environment_get(environment, "ACTIONS_ID_TOKEN_REQUEST_URL"));
    auth->github_request_token = secret_new(token, strlen(token));
}

/* The CLI reads the host of a profile by itself, so that it must be ours. */
static void take_cli_profile(Draft *draft)
{
    AuthSettings *auth = &draft->profile->auth;
    if (!draft->base || !draft_is_bound(draft, LAYER_FILE))
        return;
    auth->databricks_cli_profile = mem_copy_string(draft->profile->name);
    auth->databricks_config_file = mem_copy_string(draft->loader->databricks_path);
}

void draft_take_fields(Draft *draft)
{
    if (draft_has_in_chain(draft, AUTH_PAT))
        draft_take_token(draft);
    take_attributes(draft);
    take_variables(draft);
    take_cli_profile(draft);
}
