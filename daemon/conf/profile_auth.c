#include <string.h>
#include <strings.h>

#include "conf/profile_draft.h"
#include "conf/values.h"

/* The hosts of Azure, by their ends. */
static const char *const AZURE_ZONES[] = {".azuredatabricks.net", ".databricks.azure.us",
                                          ".databricks.azure.cn"};

static Given *given_of(Draft *draft, AuthAttributeId id)
{
    return &draft->attributes[id].given;
}

/* In [profile X] an empty value is a slip; elsewhere it is none, as in the SDK for Go. */
static void find_attribute(Draft *draft, AuthAttributeId id)
{
    const AuthAttribute *attribute = &AUTH_ATTRIBUTES[id];
    DraftValue *value = &draft->attributes[id];
    value->given = draft_find_in_section(draft, attribute->name);
    if (value->given.text && *value->given.text == '\0')
        draft_fail_value(draft, attribute->name, &value->given, "the value is missing");
    if (!value->given.text && !draft->leaves_base)
        *value = draft_find_in_base(draft, attribute->name);
}

static void find_attributes(Draft *draft)
{
    for (AuthAttributeId id = 0; id < N_AUTH_ATTRIBUTES; id++) {
        if (id == ATTRIBUTE_TOKEN)
            draft_find_token(draft);
        else
            find_attribute(draft, id);
        if (!draft->leaves_base || !AUTH_ATTRIBUTES[id].is_secret || draft->left_behind.text)
            continue;
        DraftValue left = draft_find_in_base(draft, AUTH_ATTRIBUTES[id].name);
        if (left.given.text)
            draft->left_behind = given_new(GIVEN_FILE, AUTH_ATTRIBUTES[id].name, left.given.place);
        given_deinit(&left.given);
    }
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* Copied from a browser's address bar, a host may say which workspace it is: ?o=123. As in the SDK for Go. */
static void find_in_query(Draft *draft, AuthAttributeId id, const char *const *names, bool is_numeric)
{
    const Given *host = &draft->destination.given;
    const char *query = draft->profile->databricks && host->text ? strchr(host->text, '?') : NULL;
    DraftValue *value = &draft->attributes[id];
    for (; query && !value->given.text; query = strchr(query + 1, '&')) {
        size_t length = strcspn(query + 1, "=&#");
        const char *start = query + 1 + length + (query[1 + length] == '=');
        _cleanup_(mem_freep) char *text = mem_copy_bytes_as_string(start, strcspn(start, "&#"));
        for (size_t i = 0; names[i]; i++)
            if (strlen(names[i]) == length && strncmp(query + 1, names[i], length) == 0 && *text &&
                (!is_numeric || is_number(text)))
                *value = (DraftValue){given_new(host->kind, text, host->place), draft->destination.layer};
    }
}

/* A profile that names the variable asks for it; DATABRICKS_OIDC_TOKEN is for the default profile, or for one
 * that says auth_type = env-oidc. */
static void find_oidc_token(Draft *draft)
{
    const DraftValue *named = &draft->attributes[ATTRIBUTE_OIDC_TOKEN_ENV];
    const Given *auth_type = given_of(draft, ATTRIBUTE_AUTH_TYPE);
    Environment environment = draft->loader->source->environment;
    bool is_forced = auth_type->text && strcasecmp(auth_type->text, "env-oidc") == 0;
    if (named->given.text) {
        draft->oidc_token = (DraftValue){given_from_variable(environment, named->given.text), named->layer};
        if (!draft->oidc_token.given.text && (is_forced || !auth_type->text))
            draft_fail_value(draft, "oidc_token_env", &named->given,
                             "there is no such variable in the environment of the daemon");
    } else if (is_forced) {
        draft->oidc_token = (DraftValue){given_from_variable(environment, "DATABRICKS_OIDC_TOKEN"),
                                         draft->attributes[ATTRIBUTE_AUTH_TYPE].layer};
    } else if (draft->has_environment) {
        draft->oidc_token =
            (DraftValue){given_from_variable(environment, "DATABRICKS_OIDC_TOKEN"), LAYER_ENVIRONMENT};
    }
}

static void find_azure(Draft *draft)
{
    const char *host = draft->profile->host;
    Given *msi = given_of(draft, ATTRIBUTE_AZURE_USE_MSI);
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    draft->is_azure = given_of(draft, ATTRIBUTE_AZURE_WORKSPACE_RESOURCE_ID)->text != NULL;
    for (size_t i = 0; host && i < sizeof AZURE_ZONES / sizeof AZURE_ZONES[0]; i++) {
        size_t length = strlen(host), end = strlen(AZURE_ZONES[i]);
        draft->is_azure =
            draft->is_azure || (length > end && strcmp(host + length - end, AZURE_ZONES[i]) == 0);
    }
    if (msi->text && *msi->text && value_parse_boolean(msi->text, &draft->uses_msi, &complaint) < 0)
        draft_fail_value(draft, "azure_use_msi", msi, text_string(&complaint));
    if (!draft->uses_msi) /* no attribute of a family then, as in the SDK for Go */
        given_deinit(msi);
}

static void sort(const char **names, const Given **givens, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && strcmp(names[j - 1], names[j]) > 0; j--) {
            const char *name = names[j];
            const Given *given = givens[j];
            names[j] = names[j - 1];
            givens[j] = givens[j - 1];
            names[j - 1] = name;
            givens[j - 1] = given;
        }
}

/* As the SDKs have it: without auth_type all attributes must be of one family. */
static void check_families(Draft *draft)
{
    const char *names[N_AUTH_ATTRIBUTES];
    const Given *givens[N_AUTH_ATTRIBUTES];
    size_t n = 0;
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++) {
        const char *family = AUTH_ATTRIBUTES[i].family;
        size_t known = 0;
        if (!family || !draft->attributes[i].given.text)
            continue;
        while (known < n && strcmp(names[known], family) != 0)
            known++;
        names[known] = family;
        if (known == n)
            givens[n++] = &draft->attributes[i].given;
    }
    if (n < 2)
        return;
    _cleanup_(text_deinit) Text families = TEXT_NULL, places = TEXT_NULL;
    sort(names, givens, n);
    for (size_t i = 0; i < n; i++) {
        text_printf(&families, "%s%s", i ? " and " : "", names[i]);
        text_printf(&places, "%s%s", i ? " and " : "", givens[i]->place);
    }
    draft_fail(draft,
               "profile %s: more than one authorization method configured: %s (%s); keep one of them, or say "
               "with auth_type which to use",
               draft->profile->name, text_string(&families), text_string(&places));
}

static void check_basic(Draft *draft)
{
    const Given *username = given_of(draft, ATTRIBUTE_USERNAME);
    const Given *password = given_of(draft, ATTRIBUTE_PASSWORD);
    const Given *either = username->text ? username : password;
    if (either->text)
        draft_fail(draft,
                   "%s: Databricks has ended logins by username and password; put token = ... or auth_type = "
                   "databricks-cli in their place",
                   either->place);
}

/* The token of a local server is its own. */
static void check_local(Draft *draft)
{
    for (AuthAttributeId id = 0; id < N_AUTH_ATTRIBUTES; id++)
        if (draft->attributes[id].given.text)
            draft_fail(draft, "%s: %s has no use with upstream = local (%s); remove one",
                       draft->attributes[id].given.place, AUTH_ATTRIBUTES[id].name,
                       draft->destination.given.place);
}

/* Upstreams that are not Databricks know a token, and nothing else. */
static void check_foreign(Draft *draft)
{
    for (AuthAttributeId id = 0; id < N_AUTH_ATTRIBUTES; id++)
        if (draft->attributes[id].given.text && id != ATTRIBUTE_TOKEN && id != ATTRIBUTE_EXEC)
            draft_fail(draft, "%s: %s is for a Databricks host, not for an upstream (%s); remove one",
                       draft->attributes[id].given.place, AUTH_ATTRIBUTES[id].name,
                       draft->destination.given.place);
}

static void choose_for_upstream(Draft *draft)
{
    AuthSettings *auth = &draft->profile->auth;
    check_foreign(draft);
    if (given_of(draft, ATTRIBUTE_TOKEN)->text)
        auth->chain[auth->n_chain++] = AUTH_PAT;
    else if (given_of(draft, ATTRIBUTE_EXEC)->text)
        auth->chain[auth->n_chain++] = AUTH_EXEC;
    else if (draft->left_behind.text && strcmp(draft->left_behind.text, "token") == 0)
        draft_refuse_left_behind(draft);
}

static bool has_family(const Draft *draft)
{
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++)
        if (draft->attributes[i].given.text && (AUTH_ATTRIBUTES[i].family || i == ATTRIBUTE_AUTH_TYPE))
            return true;
    return false;
}

static void choose_for_databricks(Draft *draft)
{
    find_in_query(draft, ATTRIBUTE_WORKSPACE_ID, (const char *const[]){"o", "w", "workspace_id", NULL}, true);
    find_in_query(draft, ATTRIBUTE_ACCOUNT_ID, (const char *const[]){"a", "account_id", NULL}, false);
    find_oidc_token(draft);
    find_azure(draft);
    if (!given_of(draft, ATTRIBUTE_AUTH_TYPE)->text) {
        check_families(draft);
        check_basic(draft);
    }
    if (!has_family(draft))
        draft_refuse_left_behind(draft);
    if (!draft->profile->problem)
        draft_choose_chain(draft);
    if (!draft->profile->problem)
        draft_check_bindings(draft);
}

void draft_resolve_auth(Draft *draft)
{
    ProfileSettings *profile = draft->profile;
    find_attributes(draft);
    if (!profile->host)
        return;
    if (profile->databricks)
        choose_for_databricks(draft);
    else if (profile->is_local)
        check_local(draft);
    else
        choose_for_upstream(draft);
    if (profile->problem)
        return;
    draft_take_fields(draft);
}

/* What decided: auth_type, else the attribute of a family. */
static const Given *deciding(const Draft *draft)
{
    static const Given NOBODY = GIVEN_NULL;
    const AuthSettings *auth = &draft->profile->auth;
    if (draft->attributes[ATTRIBUTE_AUTH_TYPE].given.text)
        return &draft->attributes[ATTRIBUTE_AUTH_TYPE].given;
    if (draft_has_in_chain(draft, AUTH_ENV_OIDC))
        return &draft->oidc_token.given;
    for (size_t i = 0; auth->n_chain == 1 && i < N_AUTH_ATTRIBUTES; i++)
        if (AUTH_ATTRIBUTES[i].family && draft->attributes[i].given.text)
            return &draft->attributes[i].given;
    return &NOBODY;
}

void draft_note_auth(const Draft *draft)
{
    const AuthSettings *auth = &draft->profile->auth;
    _cleanup_(text_deinit) Text chain = TEXT_NULL;
    for (size_t i = 0; i < auth->n_chain; i++)
        text_printf(&chain, "%s%s", i ? ", " : "", auth_type_name(auth->chain[i]));
    draft_note(draft, "auth_type", chain.length ? text_string(&chain) : NULL, deciding(draft));
    for (AuthAttributeId id = ATTRIBUTE_TOKEN; id < N_AUTH_ATTRIBUTES; id++) {
        const AuthAttribute *attribute = &AUTH_ATTRIBUTES[id];
        const Given *given = &draft->attributes[id].given;
        /* The path in the URL of a metadata service is its password. */
        bool is_hidden = attribute->is_secret || id == ATTRIBUTE_METADATA_SERVICE_URL || id == ATTRIBUTE_EXEC;
        if (given->text)
            draft_note(draft, attribute->name, is_hidden ? "set" : given->text, given);
    }
}
