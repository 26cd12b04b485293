#include <string.h>

#include "conf/profile_draft.h"
#include "conf/suggestion.h"

#define NEEDS_MOST 2

/* What a way needs besides a host, as far as attributes can give it. */
typedef struct Way {
    AuthAttributeId needs[NEEDS_MOST];
    size_t n_needs;
    bool needs_azure; /* an Azure workspace */
    bool takes_group; /* can log in as a member of group_id */
} Way;

static const Way WAYS[N_AUTH_TYPES] = {
    [AUTH_PAT] = {{ATTRIBUTE_TOKEN}, 1, false, false},
    [AUTH_OAUTH_M2M] = {{ATTRIBUTE_CLIENT_ID, ATTRIBUTE_CLIENT_SECRET}, 2, false, true},
    [AUTH_DATABRICKS_CLI] = {{0}, 0, false, false},
    [AUTH_METADATA_SERVICE] = {{ATTRIBUTE_METADATA_SERVICE_URL}, 1, false, false},
    [AUTH_GITHUB_OIDC] = {{0}, 0, false, true},
    [AUTH_ENV_OIDC] = {{0}, 0, false, true},
    [AUTH_FILE_OIDC] = {{ATTRIBUTE_OIDC_TOKEN_FILEPATH}, 1, false, true},
    [AUTH_AZURE_MSI] = {{0}, 0, true, false},
    [AUTH_AZURE_CLIENT_SECRET] = {{ATTRIBUTE_AZURE_CLIENT_ID, ATTRIBUTE_AZURE_CLIENT_SECRET}, 2, true, false},
    [AUTH_AZURE_CLI] = {{0}, 0, true, false},
    [AUTH_GOOGLE_CREDENTIALS] = {{ATTRIBUTE_GOOGLE_CREDENTIALS}, 1, false, false},
    [AUTH_GOOGLE_ID] = {{ATTRIBUTE_GOOGLE_SERVICE_ACCOUNT}, 1, false, false},
    [AUTH_EXEC] = {{ATTRIBUTE_EXEC}, 1, false, false},
};

/* Auth types of the SDKs that make no sense here, and what to do instead. */
static const struct {
    const char *name;
    const char *advice;
} REFUSED[] = {
    {"basic", "Databricks has ended logins by password; use a token or auth_type = databricks-cli"},
    {"external-browser",
     "a daemon opens no browser; run databricks auth login and write auth_type = databricks-cli"},
    {"github-oidc-azure", "use github-oidc, with a federation policy in Databricks"},
    {"azure-devops-oidc", "let the pipeline write its token into a file and use file-oidc"},
    {"runtime", "that is for notebooks; use oauth-m2m or a token"},
    {"runtime-oauth", "that is for notebooks; use oauth-m2m or a token"},
    {"model-serving", "that is for served models; use oauth-m2m or a token"},
};

static bool has(const Draft *draft, AuthAttributeId id)
{
    return draft->attributes[id].given.text != NULL;
}

bool draft_has_in_chain(const Draft *draft, AuthType type)
{
    const AuthSettings *auth = &draft->profile->auth;
    for (size_t i = 0; i < auth->n_chain; i++)
        if (auth->chain[i] == type)
            return true;
    return false;
}

static bool has_github(const Draft *draft)
{
    Environment environment = draft->loader->source->environment;
    return environment_get(environment, "ACTIONS_ID_TOKEN_REQUEST_URL") &&
           environment_get(environment, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
}

static bool has_azure_family(const Draft *draft)
{
    return has(draft, ATTRIBUTE_AZURE_WORKSPACE_RESOURCE_ID) || has(draft, ATTRIBUTE_AZURE_CLIENT_ID) ||
           has(draft, ATTRIBUTE_AZURE_CLIENT_SECRET) || has(draft, ATTRIBUTE_AZURE_TENANT_ID) ||
           draft->uses_msi;
}

/* Whether all that it needs is there. What is tried at run time, the two CLIs, always is. */
static bool is_ready(const Draft *draft, AuthType type)
{
    const Way *way = &WAYS[type];
    if (way->needs_azure && !draft->is_azure)
        return false;
    for (size_t i = 0; i < way->n_needs; i++)
        if (!has(draft, way->needs[i]))
            return false;
    if (type == AUTH_AZURE_MSI)
        return draft->uses_msi;
    if (type == AUTH_ENV_OIDC)
        return draft->oidc_token.given.text != NULL;
    return type != AUTH_GITHUB_OIDC || (draft->has_environment && has_github(draft));
}

static void add(Draft *draft, AuthType type)
{
    AuthSettings *auth = &draft->profile->auth;
    if (has(draft, ATTRIBUTE_GROUP_ID) && !WAYS[type].takes_group)
        return;
    if (!draft_has_in_chain(draft, type))
        auth->chain[auth->n_chain++] = type;
}

/* What is configured is used alone; else what can be found out when a token is needed is tried. */
static void choose_by_attributes(Draft *draft)
{
    static const AuthType SURE[] = {
        AUTH_PAT,       AUTH_OAUTH_M2M, AUTH_METADATA_SERVICE,    AUTH_ENV_OIDC,           AUTH_FILE_OIDC,
        AUTH_AZURE_MSI, AUTH_EXEC,      AUTH_AZURE_CLIENT_SECRET, AUTH_GOOGLE_CREDENTIALS, AUTH_GOOGLE_ID,
    };
    AuthSettings *auth = &draft->profile->auth;
    for (size_t i = 0; i < sizeof SURE / sizeof SURE[0] && auth->n_chain == 0; i++)
        if (is_ready(draft, SURE[i]))
            add(draft, SURE[i]);
    if (auth->n_chain > 0)
        return;
    if (is_ready(draft, AUTH_GITHUB_OIDC))
        add(draft, AUTH_GITHUB_OIDC);
    if (draft->is_azure && has_azure_family(draft))
        add(draft, AUTH_AZURE_CLI);
    add(draft, AUTH_DATABRICKS_CLI);
    if (draft->is_azure)
        add(draft, AUTH_AZURE_CLI);
}

/* Half of a pair is a slip; the SDKs pass over it and then complain about something else. */
static void check_halves(Draft *draft)
{
    static const AuthAttributeId PAIRS[][2] = {
        {ATTRIBUTE_CLIENT_SECRET, ATTRIBUTE_CLIENT_ID},
        {ATTRIBUTE_AZURE_CLIENT_SECRET, ATTRIBUTE_AZURE_CLIENT_ID},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++)
        if (has(draft, PAIRS[i][0]) && !has(draft, PAIRS[i][1]))
            draft_fail(draft, "%s: %s needs %s beside it", draft->attributes[PAIRS[i][0]].given.place,
                       AUTH_ATTRIBUTES[PAIRS[i][0]].name, AUTH_ATTRIBUTES[PAIRS[i][1]].name);
    if (has(draft, ATTRIBUTE_AZURE_CLIENT_SECRET) && !draft->is_azure)
        draft_fail(draft,
                   "%s: azure_client_secret is for Azure, and %s is not there; give "
                   "azure_workspace_resource_id if it is",
                   draft->attributes[ATTRIBUTE_AZURE_CLIENT_SECRET].given.place, draft->profile->host);
}

static void complain_about_type(Draft *draft, const Given *given)
{
    Suggestion suggestion = SUGGESTION_FOR(given->text);
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        if (strcmp(given->text, REFUSED[i].name) == 0)
            draft_fail_value(draft, "auth_type", given, REFUSED[i].advice);
    text_append(&complaint, "unknown auth type; there are: ");
    for (AuthType type = 0; type < N_AUTH_TYPES; type++) {
        suggestion_offer(&suggestion, auth_type_name(type));
        text_printf(&complaint, "%s%s", type ? ", " : "", auth_type_name(type));
    }
    if (suggestion.name) {
        text_clear(&complaint);
        text_printf(&complaint, "unknown auth type; did you mean %s?", suggestion.name);
    }
    draft_fail_value(draft, "auth_type", given, text_string(&complaint));
}

static void complain_about_needs(Draft *draft, AuthType type, const Given *given)
{
    const Way *way = &WAYS[type];
    const char *name = auth_type_name(type);
    _cleanup_(mem_freep) char *where = draft_where_to_write(draft);
    if (way->needs_azure && !draft->is_azure)
        draft_fail(draft,
                   "%s: auth_type %s is for Azure, and %s is not there; give azure_workspace_resource_id if "
                   "it is",
                   given->place, name, draft->profile->host);
    if (type == AUTH_ENV_OIDC)
        draft_fail(draft,
                   "%s: auth_type env-oidc needs a token in the variable DATABRICKS_OIDC_TOKEN, or in the "
                   "one that oidc_token_env names, when the daemon starts",
                   given->place);
    if (type == AUTH_GITHUB_OIDC)
        draft_fail(draft,
                   "%s: auth_type github-oidc needs the variables ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN; "
                   "GitHub sets them for jobs with the permission id-token: write",
                   given->place);
    for (size_t i = 0; i < way->n_needs; i++)
        if (!has(draft, way->needs[i]))
            draft_fail(draft, "%s: auth_type %s needs %s; put %s = ... into %s", given->place, name,
                       AUTH_ATTRIBUTES[way->needs[i]].name, AUTH_ATTRIBUTES[way->needs[i]].name, where);
}

static void choose_forced(Draft *draft, const Given *given)
{
    AuthSettings *auth = &draft->profile->auth;
    AuthType type;
    if (!auth_type_from_name(given->text, &type)) {
        complain_about_type(draft, given);
        return;
    }
    auth->is_forced = true;
    /* It asks for these itself, so that they count for any profile. */
    bool is_there = type == AUTH_GITHUB_OIDC ? has_github(draft)
                    : type == AUTH_AZURE_MSI ? draft->is_azure
                                             : is_ready(draft, type);
    if (!is_there) {
        complain_about_needs(draft, type, given);
        return;
    }
    add(draft, type);
    if (auth->n_chain == 0)
        draft_fail(draft, "%s: auth_type %s cannot log in as a group (group_id, %s); use oauth-m2m",
                   given->place, auth_type_name(type), draft->attributes[ATTRIBUTE_GROUP_ID].given.place);
}

void draft_choose_chain(Draft *draft)
{
    const Given *auth_type = &draft->attributes[ATTRIBUTE_AUTH_TYPE].given;
    const Given *group = &draft->attributes[ATTRIBUTE_GROUP_ID].given;
    if (auth_type->text) {
        choose_forced(draft, auth_type);
        return;
    }
    check_halves(draft);
    choose_by_attributes(draft);
    if (draft->profile->auth.n_chain == 0)
        draft_fail(draft,
                   "%s: group_id needs a login by OAuth: client_id and client_secret, or a token of an "
                   "identity provider",
                   group->place);
}
