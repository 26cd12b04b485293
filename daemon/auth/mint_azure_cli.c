/*
 * Whoever is logged in by `az login`. Whether it is a person, a service principal or a managed identity
 * decides what `az` may be asked: identities have no tenant to name, and only those that are not persons need
 * Azure's second token.
 */

#include <string.h>
#include <strings.h>
#include <uv.h>

#include "auth/mint_azure.h"

#define WHAT "`az account get-access-token`"

static void ask_token(Mint *mint);

static bool says(const ChildResult *result, const char *words)
{
    return strstr(result->errors, words) != NULL;
}

static void fail_run(Mint *mint, const ChildResult *result, const char *command)
{
    Text cause = TEXT_NULL;
    mint_describe_run(result, &cause);
    if (result->error == UV_ENOENT)
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "azure-cli: there is no `az` in PATH; install Azure's command line");
    else if (says(result, "No subscription found") || says(result, "Please run 'az login'"))
        mint_fail(mint, mint->profile->auth.is_forced ? MINT_LOGIN_NEEDED : MINT_NOT_CONFIGURED,
                  "azure-cli: nobody is logged in (%s); run `az login`", text_string(&cause));
    else if (says(result, "az login") || says(result, "AADSTS"))
        mint_fail(mint, MINT_LOGIN_NEEDED, "azure-cli: `%s` fails: %s; run `az login%s%s`", command,
                  text_string(&cause), mint->tenant ? " --tenant " : "", mint->tenant ? mint->tenant : "");
    else
        mint_fail(mint, MINT_FAILED, "azure-cli: `%s` fails: %s; run it in a shell to see why", command,
                  text_string(&cause));
    text_deinit(&cause);
}

/* The third part of /subscriptions/X/…; NULL: none. free(). */
static char *subscription_of(const char *resource_id)
{
    static const char BEGINNING[] = "/subscriptions/";
    if (!resource_id || strncasecmp(resource_id, BEGINNING, sizeof BEGINNING - 1) != 0)
        return NULL;
    const char *begin = resource_id + sizeof BEGINNING - 1;
    size_t length = strcspn(begin, "/");
    return length > 0 ? mem_copy_bytes_as_string(begin, length) : NULL;
}

static void on_token(Mint *mint, const ChildResult *result)
{
    if (!child_succeeded(result)) {
        bool may_be_plainer = !result->error && !result->timed_out && !mint->is_plain_retry;
        if (may_be_plainer && (mint->is_service || mint->has_subscription)) {
            mint->is_plain_retry = true; /* without a tenant, or a subscription that is not theirs to see */
            ask_token(mint);
        } else if (mint->wants_extra) {
            mint_azure_succeed(mint); /* not everybody may have the second token, nor needs it */
        } else {
            fail_run(mint, result, "az account get-access-token");
        }
        return;
    }
    if (!mint_take(mint, result->output, result->output_length, true, WHAT))
        return;
    if (mint->is_service && mint_azure_wants_extra(mint))
        ask_token(mint);
    else
        mint_azure_succeed(mint);
}

static void ask_token(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    const char *argv[12] = {
        "az", "account", "get-access-token", "--resource", mint_azure_resource(mint), "--output", "json"};
    size_t n = 7;
    _cleanup_(mem_freep) char *subscription = subscription_of(auth->azure_workspace_resource_id);
    mint->has_subscription = subscription && !auth->azure_tenant_id;
    if (mint->tenant && !mint->is_identity && !mint->is_plain_retry) {
        argv[n++] = "--tenant";
        argv[n++] = mint->tenant;
    } else if (mint->has_subscription && !mint->is_plain_retry) {
        argv[n++] = "--subscription";
        argv[n++] = subscription;
    }
    argv[n] = NULL;
    mint_run(mint, argv, mint_dropped_variables, NULL, 0, on_token);
}

static void on_account(Mint *mint, const ChildResult *result)
{
    if (!child_succeeded(result)) {
        fail_run(mint, result, "az account show");
        return;
    }
    json_t *account = answer_object(result->output, result->output_length);
    const json_t *user = json_object_get(account, "user");
    const char *type = answer_string(user, "type"), *name = answer_string(user, "name");
    mint->is_service = type && strcmp(type, "servicePrincipal") == 0;
    mint->is_identity =
        mint->is_service && name &&
        (strcmp(name, "systemAssignedIdentity") == 0 || strcmp(name, "userAssignedIdentity") == 0);
    json_decref(account);
    ask_token(mint);
}

static void ask_account(Mint *mint)
{
    static const char *const ARGV[] = {"az", "account", "show", "--output", "json", NULL};
    mint_run(mint, ARGV, mint_dropped_variables, NULL, 0, on_account);
}

void mint_azure_cli_start(Mint *mint)
{
    if (mint_find_cloud(mint))
        mint_find_tenant(mint, true, ask_account);
}
