#include "auth/mint.h"

#include <errno.h>
#include <string.h>

#include "auth/mint_way.h"
#include "base/clock.h"

static const MintStart WAYS[] = {
    [AUTH_PAT] = mint_pat_start,
    [AUTH_OAUTH_M2M] = mint_oauth_m2m_start,
    [AUTH_DATABRICKS_CLI] = mint_databricks_cli_start,
    [AUTH_METADATA_SERVICE] = mint_metadata_service_start,
    [AUTH_GITHUB_OIDC] = mint_github_oidc_start,
    [AUTH_ENV_OIDC] = mint_env_oidc_start,
    [AUTH_FILE_OIDC] = mint_file_oidc_start,
    [AUTH_AZURE_MSI] = mint_azure_msi_start,
    [AUTH_AZURE_CLIENT_SECRET] = mint_azure_client_secret_start,
    [AUTH_AZURE_CLI] = mint_azure_cli_start,
    [AUTH_GOOGLE_CREDENTIALS] = mint_google_credentials_start,
    [AUTH_GOOGLE_ID] = mint_google_id_start,
    [AUTH_EXEC] = mint_exec_start,
};

void token_deinit(Token *token)
{
    secret_free(token->access);
    secret_free(token->extra);
    *token = (Token)TOKEN_NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, Mint, timer));
}

static void mint_free(Mint *mint)
{
    token_deinit(&mint->outcome.token);
    text_deinit(&mint->sentence);
    free(mint->asked);
    free(mint->endpoint);
    free(mint->audience);
    free(mint->tenant);
    free(mint->program);
    secret_free(mint->subject);
    json_decref(mint->account);
    uv_close((uv_handle_t *)&mint->timer, on_timer_closed);
}

static void on_start(uv_timer_t *timer)
{
    Mint *mint = container_of(timer, Mint, timer);
    WAYS[mint->type](mint);
}

Mint *mint_start(const MintContext *context, AuthType type, MintDone done, void *done_context)
{
    Mint *mint = mem_new(Mint);
    mint->context = context;
    mint->profile = context->profile;
    mint->type = type;
    mint->done = done;
    mint->done_context = done_context;
    mint->outcome.token = (Token)TOKEN_NULL;
    mint->ends_at_ns = clock_now_ns() + context->timeout_ms * NS_PER_MS;
    (void)uv_timer_init(context->loop, &mint->timer);
    (void)uv_timer_start(&mint->timer, on_start, 0, 0);
    return mint;
}

void mint_cancel(Mint *mint)
{
    if (mint->exchange)
        https_cancel(mint->exchange);
    if (mint->child)
        child_cancel(mint->child);
    if (mint->file)
        mint_file_forget(mint->file);
    mint_free(mint);
}

void mint_succeed(Mint *mint)
{
    mint->outcome.result = MINT_OK;
    mint->outcome.token.skew_s = mint->skew_s;
    mint->done(mint->done_context, &mint->outcome);
    mint_free(mint);
}

/* Whatever a server or a program has echoed. */
static void redact(const AuthSettings *auth, const Mint *mint, char *sentence)
{
    const Secret *secrets[] = {auth->token,
                               auth->client_secret,
                               auth->oidc_token,
                               auth->github_request_token,
                               auth->azure_client_secret,
                               auth->google_credentials,
                               mint->subject,
                               mint->outcome.token.access};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        secret_redact(secrets[i], sentence);
}

void mint_fail(Mint *mint, MintResult result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_printf(&mint->sentence, "profile %s: ", mint->profile->name);
    text_vprintf(&mint->sentence, format, arguments);
    va_end(arguments);
    redact(&mint->profile->auth, mint, mint->sentence.bytes);
    mint->outcome.result = result;
    mint->outcome.sentence = text_string(&mint->sentence);
    mint->done(mint->done_context, &mint->outcome);
    mint_free(mint);
}
