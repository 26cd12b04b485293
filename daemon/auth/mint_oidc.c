/*
 * Token exchange: a token that somebody else has signed (a CI system, a cluster's service account) for one of
 * the workspace. The ways differ in where the first one comes from.
 */

#include <string.h>
#include <uv.h>

#include "auth/mint_endpoint.h"

#define WHAT "the token endpoint"

static void on_exchanged(Mint *mint, const HttpsResponse *response)
{
    if (mint_is_answered(
            mint, response, WHAT,
            "check the federation policy: issuer, subject and audience must be those of the token") &&
        mint_take(mint, response->body, response->length, false, WHAT))
        mint_succeed(mint);
}

static void exchange(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    Form form = FORM_NULL;
    form_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    form_add_secret(&form, "subject_token", mint->subject);
    form_add(&form, "subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
    form_add(&form, "scope", mint_scopes(mint));
    if (auth->client_id)
        form_add(&form, "client_id", auth->client_id);
    if (auth->group_id)
        form_add(&form, "assume_group", auth->group_id);
    mint_post_form(mint, mint->endpoint, &form, NULL, on_exchanged);
}

void mint_env_oidc_start(Mint *mint)
{
    const Secret *token = mint->profile->auth.oidc_token;
    if (!token) {
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "env-oidc: the variable that should hold the token (DATABRICKS_OIDC_TOKEN, or the one that "
                  "oidc_token_env names) was not set when the daemon started; set it and restart");
        return;
    }
    mint->subject = secret_copy(token);
    mint_find_endpoint(mint, exchange);
}

/* --- file-oidc --- */

static void on_file(Mint *mint, Secret *content, int error)
{
    const char *path = mint->profile->auth.oidc_token_filepath;
    mint->subject = content ? secret_trimmed(content) : NULL;
    secret_free(content);
    if (!mint->subject)
        mint_fail(mint, MINT_LOGIN_NEEDED, "file-oidc: oidc_token_filepath = %s cannot be read: %s", path,
                  uv_strerror(error));
    else if (!secret_is_visible(mint->subject))
        mint_fail(mint, MINT_FAILED, "file-oidc: there is no token in oidc_token_filepath = %s", path);
    else
        mint_find_endpoint(mint, exchange);
}

void mint_file_oidc_start(Mint *mint)
{
    const char *path = mint->profile->auth.oidc_token_filepath;
    if (path)
        mint_read(mint, path, on_file);
    else
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "file-oidc: it needs oidc_token_filepath; add it to the profile");
}

/* --- github-oidc --- */

static void on_github(Mint *mint, const HttpsResponse *response)
{
    if (!mint_is_answered(mint, response, "GitHub's token service",
                          "the job needs `permissions: id-token: write`, and the daemon must run within it"))
        return;
    json_t *answer = answer_object(response->body, response->length);
    mint->subject = answer_secret(answer, "value");
    json_decref(answer);
    if (mint->subject)
        exchange(mint);
    else
        mint_fail(mint, MINT_FAILED,
                  "github-oidc: there is no token in what GitHub's token service (%s) gives", mint->asked);
}

static void ask_github(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    const char *audience = auth->token_audience ? auth->token_audience
                           : mint->audience     ? mint->audience
                                                : mint->endpoint;
    _cleanup_(secret_freep) Secret *bearer = secret_prefixed("Bearer ", auth->github_request_token);
    Form query = FORM_NULL;
    Text url = TEXT_NULL;
    form_add(&query, "audience", audience);
    text_printf(&url, "%s%c%s", auth->github_request_url, strchr(auth->github_request_url, '?') ? '&' : '?',
                form_string(&query));
    mint_ask(mint, &(HttpsRequest){.method = "GET", .url = text_string(&url), .authorization = bearer},
             on_github);
    form_deinit(&query);
    text_deinit(&url);
}

void mint_github_oidc_start(Mint *mint)
{
    const AuthSettings *auth = &mint->profile->auth;
    if (auth->github_request_url && auth->github_request_token)
        mint_find_endpoint(mint, ask_github);
    else
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "github-oidc: ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN are not set; this works within "
                  "GitHub Actions "
                  "only, in jobs with `permissions: id-token: write`");
}
