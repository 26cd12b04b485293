/*
 * Google's two ways: a service account's key signs a request for tokens here; impersonating an account is
 * left to gcloud, which has the login for it. Both give an identity token for the workspace and, if they may,
 * an access token of Google's as the second header.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "auth/jwt.h"
#include "auth/mint_way.h"

#define EXTRA_HEADER  "x-databricks-gcp-sa-access-token"
#define SCOPES        "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/compute"
#define GCLOUD_SCOPES "https://www.googleapis.com/auth/cloud-platform,https://www.googleapis.com/auth/compute"
#define TOKEN_URL     "https://oauth2.googleapis.com/token"
#define LIFE_S        3600
#define WHAT          "Google's token endpoint"

static void google_succeed(Mint *mint)
{
    Token *token = &mint->outcome.token;
    token->extra_name = token->extra ? EXTRA_HEADER : NULL;
    mint_succeed(mint);
}

/* Its end is in it. False when it is no JWT. */
static bool take_identity(Mint *mint, Secret *identity)
{
    int64_t ends_at_s = identity && secret_is_visible(identity) ? jwt_end(identity) : 0;
    mint->outcome.token.access = identity;
    if (ends_at_s)
        mint->outcome.token.lives_ms = mint_life_ms(ends_at_s, mint->skew_s);
    return ends_at_s != 0;
}

/* --- google-credentials --- */

static void ask_token(Mint *mint);

static void on_extra(Mint *mint, const HttpsResponse *response)
{
    TokenAnswer answer = TOKEN_ANSWER_NULL;
    Text problem = TEXT_NULL;
    /* Not every account may have it, and few calls need it. */
    if (!response->failure && response->status == 200 &&
        token_answer_parse(response->body, response->length, &answer, &problem))
        mint->outcome.token.extra = steal(answer.access);
    token_answer_deinit(&answer);
    text_deinit(&problem);
    google_succeed(mint);
}

static void on_identity(Mint *mint, const HttpsResponse *response)
{
    if (!mint_is_answered(mint, response, WHAT,
                          "check google_credentials: the service account or its key may have been deleted"))
        return;
    json_t *answer = answer_object(response->body, response->length);
    bool is_good = take_identity(mint, answer_secret(answer, "id_token"));
    json_decref(answer);
    if (!is_good) {
        mint_fail(mint, MINT_FAILED, "google-credentials: there is no identity token in what %s gives", WHAT);
        return;
    }
    mint->wants_extra = true;
    ask_token(mint);
}

static json_t *claims_of(const Mint *mint, const char *url)
{
    json_int_t now = (json_int_t)time(NULL) + mint->skew_s;
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    return json_pack("{s:s, s:s, s:I, s:I, s:s}", "iss", answer_string(mint->account, "client_email"), "aud",
                     url, "iat", now, "exp", now + LIFE_S, mint->wants_extra ? "scope" : "target_audience",
                     mint->wants_extra ? SCOPES : workspace);
}

static void ask_token(Mint *mint)
{
    const char *given = answer_string(mint->account, "token_uri");
    const char *url = given ? given : TOKEN_URL;
    const char *key_id = answer_string(mint->account, "private_key_id");
    Text problem = TEXT_NULL;
    json_t *claims = claims_of(mint, url);
    _cleanup_(secret_freep) Secret *key = answer_secret(mint->account, "private_key");
    _cleanup_(secret_freep) Secret *assertion = jwt_sign(claims, key_id ? key_id : "", key, &problem);
    json_decref(claims);
    if (assertion) {
        Form form = FORM_NULL;
        form_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
        form_add_secret(&form, "assertion", assertion);
        mint_post_form(mint, url, &form, NULL, mint->wants_extra ? on_extra : on_identity);
    } else {
        mint_fail(mint, MINT_LOGIN_NEEDED, "google-credentials: %s; get a new key for the service account",
                  text_string(&problem));
    }
    text_deinit(&problem);
}

static void begin(Mint *mint, const Secret *json)
{
    const char *type;
    mint->account = answer_object(secret_reveal(json), secret_length(json));
    type = answer_string(mint->account, "type");
    if (!mint->account)
        mint_fail(mint, MINT_LOGIN_NEEDED,
                  "google-credentials: it is neither JSON nor a file with JSON; set it to the path of a "
                  "service account's "
                  "key");
    else if (!type || strcmp(type, "service_account") != 0)
        mint_fail(
            mint, MINT_LOGIN_NEEDED,
            "google-credentials: only keys of type service_account can be used, this is %s; set auth_type = "
            "google-id and google_service_account, which goes by gcloud's login",
            type ? type : "of no type");
    else if (!answer_string(mint->account, "client_email") || !answer_string(mint->account, "private_key"))
        mint_fail(mint, MINT_LOGIN_NEEDED,
                  "google-credentials: client_email or private_key is missing in it");
    else
        ask_token(mint);
}

static void on_file(Mint *mint, Secret *content, int error)
{
    if (content)
        begin(mint, content);
    else
        mint_fail(mint, MINT_LOGIN_NEEDED, "google-credentials: its file cannot be read: %s",
                  uv_strerror(error));
    secret_free(content);
}

void mint_google_credentials_start(Mint *mint)
{
    const Secret *given = mint->profile->auth.google_credentials;
    _cleanup_(secret_freep) Secret *trimmed = given ? secret_trimmed(given) : NULL;
    if (!trimmed)
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "google-credentials: it needs google_credentials; add it to the profile");
    else if (secret_reveal(trimmed)[0] == '{')
        begin(mint, trimmed);
    else
        mint_read(mint, secret_reveal(trimmed), on_file); /* it is the path of a file */
}

/* --- google-id --- */

static Secret *printed_token(const ChildResult *result)
{
    _cleanup_(secret_freep) Secret *printed = secret_new(result->output, result->output_length);
    return secret_trimmed(printed);
}

static void on_access_token(Mint *mint, const ChildResult *result)
{
    Secret *token = child_succeeded(result) ? printed_token(result) : NULL;
    mint->outcome.token.extra = token && secret_is_visible(token) ? token : secret_free(token);
    google_succeed(mint);
}

static void run_gcloud(Mint *mint, const char *what, const char *argument, const char *more, MintRan on_ran)
{
    char account[512];
    (void)snprintf(account, sizeof account, "--impersonate-service-account=%s",
                   mint->profile->auth.google_service_account);
    const char *argv[] = {"gcloud", "auth", what, account, argument, more, NULL};
    mint_run(mint, argv, mint_dropped_variables, NULL, 0, on_ran);
}

static void on_identity_token(Mint *mint, const ChildResult *result)
{
    if (child_succeeded(result)) {
        if (take_identity(mint, printed_token(result)))
            run_gcloud(mint, "print-access-token", "--scopes=" GCLOUD_SCOPES, NULL, on_access_token);
        else
            mint_fail(mint, MINT_FAILED, "google-id: what gcloud prints is no identity token");
        return;
    }
    Text cause = TEXT_NULL;
    mint_describe_run(result, &cause);
    if (result->error == UV_ENOENT)
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "google-id: there is no `gcloud` in PATH; install Google's command line");
    else
        mint_fail(
            mint, strstr(result->errors, "gcloud auth login") ? MINT_LOGIN_NEEDED : MINT_FAILED,
            "google-id: gcloud gives no token for %s: %s; run `gcloud auth login`, and see that you may "
            "impersonate that account",
            mint->profile->auth.google_service_account, text_string(&cause));
    text_deinit(&cause);
}

void mint_google_id_start(Mint *mint)
{
    if (!mint->profile->auth.google_service_account) {
        mint_fail(mint, MINT_NOT_CONFIGURED,
                  "google-id: it needs google_service_account; add it to the profile");
        return;
    }
    _cleanup_(mem_freep) char *workspace = mint_workspace_url(mint);
    Text audience = TEXT_NULL;
    text_printf(&audience, "--audiences=%s", workspace);
    run_gcloud(mint, "print-identity-token", text_string(&audience), "--include-email", on_identity_token);
    text_deinit(&audience);
}
