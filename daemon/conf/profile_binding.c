#include "conf/profile_draft.h"

static bool is_host_of(const Draft *draft, Given host)
{
    bool is_same = host.text && draft_is_host(draft, host.text);
    given_deinit(&host);
    return is_same;
}

/* [profile X] adds to [X] of the file: what stands in it without a host of its own is for the host there. */
bool draft_is_bound(const Draft *draft, DraftLayer layer)
{
    if (layer == LAYER_ENVIRONMENT)
        return is_host_of(draft, draft_find_in_environment(draft, "host"));
    if (layer == LAYER_SECTION && draft->destination.layer != LAYER_ENVIRONMENT)
        return true;
    return is_host_of(draft, draft_find_in_file(draft, "host"));
}

static void refuse(Draft *draft, const char *key, const DraftValue *secret)
{
    const char *name = draft->profile->name;
    const Given *destination = &draft->destination.given;
    const AuthAttribute *attribute = auth_attribute_find(key);
    if (secret->layer == LAYER_ENVIRONMENT)
        draft_fail(draft,
                   "%s: this %s may not be for the host of profile %s, which comes from %s; set "
                   "DATABRICKS_HOST beside it, or unset it",
                   secret->given.place, key, name, destination->place);
    else if (draft->destination.layer == LAYER_ENVIRONMENT && attribute && attribute->variable)
        draft_fail(draft,
                   "%s: the host of profile %s is changed here, but its %s (%s) was made for another; set "
                   "%s as well, or unset DATABRICKS_HOST",
                   destination->place, name, key, secret->given.place, attribute->variable);
    else
        draft_fail(draft,
                   "%s: the host of profile %s is changed here, but its %s (%s) was made for another; put "
                   "a %s into [profile %s] as well",
                   destination->place, name, key, secret->given.place, key, name);
}

void draft_check_bindings(Draft *draft)
{
    static const struct {
        AuthType type;
        AuthAttributeId secret;
    } SECRETS[] = {
        {AUTH_PAT, ATTRIBUTE_TOKEN},
        {AUTH_OAUTH_M2M, ATTRIBUTE_CLIENT_SECRET},
        {AUTH_AZURE_CLIENT_SECRET, ATTRIBUTE_AZURE_CLIENT_SECRET},
        {AUTH_GOOGLE_CREDENTIALS, ATTRIBUTE_GOOGLE_CREDENTIALS},
    };
    for (size_t i = 0; i < sizeof SECRETS / sizeof SECRETS[0]; i++) {
        const DraftValue *secret = &draft->attributes[SECRETS[i].secret];
        if (draft_has_in_chain(draft, SECRETS[i].type) && !draft_is_bound(draft, secret->layer))
            refuse(draft, AUTH_ATTRIBUTES[SECRETS[i].secret].name, secret);
    }
    if (draft_has_in_chain(draft, AUTH_ENV_OIDC) && !draft_is_bound(draft, draft->oidc_token.layer))
        refuse(draft, "token", &draft->oidc_token);
}

void draft_refuse_left_behind(Draft *draft)
{
    const Given *secret = &draft->left_behind;
    if (!secret->text)
        return;
    DraftValue value = {*secret, LAYER_SECTION};
    refuse(draft, secret->text, &value);
}
