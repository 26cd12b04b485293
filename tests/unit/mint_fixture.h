#pragma once

/*
 * For the tests of mints: a profile made by hand, whose host is the scripted server, and one mint at a time
 * with what came of it. Each sentence is looked at for the marked secrets.
 */

#include "http_server.h"

#include "auth/mint.h"
#include "base/clock.h"

#define MARK "MARKED-SECRET"

static ProfileSettings profile;
static MintContext mint_context;
static const Log silent = {.fd = -1, .level = LOG_LEVEL_ERROR};

static struct {
    unsigned n_done;
    MintResult result;
    Token token;
    Text sentence;
} minted;

static inline Secret *secret_of(const char *text)
{
    return secret_new(text, strlen(text));
}

static inline void on_minted(void *context, MintOutcome *outcome)
{
    ck_assert_ptr_eq(context, &minted);
    uv_stop(&loop);
    minted.n_done++;
    minted.result = outcome->result;
    token_deinit(&minted.token);
    text_clear(&minted.sentence);
    if (outcome->result == MINT_OK) {
        minted.token = outcome->token;
        outcome->token = (Token)TOKEN_NULL;
    } else {
        text_append(&minted.sentence, outcome->sentence);
        ck_assert_ptr_null(strstr(outcome->sentence, MARK));
        ck_assert_ptr_null(strchr(outcome->sentence, '\n'));
        ck_assert_ptr_eq(strstr(outcome->sentence, "profile dev: "), outcome->sentence);
    }
}

static inline void mint_fixture_set_up(void)
{
    static const char *const VARIABLES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY",    "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++)
        ck_assert_int_eq(unsetenv(VARIABLES[i]), 0);
    http_server_start();
    profile = (ProfileSettings){.name = mem_copy_string("dev"),
                                .host = mem_copy_string("127.0.0.1"),
                                .port = (uint16_t)tls_port(),
                                .use_tls = true,
                                .databricks = true,
                                .ca_file = mem_copy_string(tls_end.ca_file)};
    /* Far more than the test has: the limits of single steps are parts of it, and a busy machine must not
     * reach one. */
    mint_context = (MintContext){&loop, https_new(&loop), &silent, &profile, 3600 * 1000};
    minted.token = (Token)TOKEN_NULL;
}

static inline void mint_fixture_tear_down(void)
{
    mint_context.https = https_close(mint_context.https);
    http_server_stop();
    auth_settings_deinit(&profile.auth);
    free(profile.name);
    free(profile.host);
    free(profile.ca_file);
    free(profile.proxy);
    token_deinit(&minted.token);
    text_deinit(&minted.sentence);
}

/* Every host is the scripted server from now on. */
static inline void be_elsewhere(const char *host)
{
    Text proxy = TEXT_NULL;
    text_printf(&proxy, "http://127.0.0.1:%u", plain_port());
    profile.proxy = text_take(&proxy);
    free(profile.host);
    profile.host = mem_copy_string(host);
    profile.port = 443;
}

static inline void mint_by(AuthType type)
{
    unsigned before = minted.n_done;
    (void)mint_start(&mint_context, type, on_minted, &minted);
    ck_assert_uint_eq(minted.n_done, before);
    run_until(minted.n_done > before);
}

static inline void expect_token(const char *access)
{
    ck_assert_msg(minted.result == MINT_OK, "%s", text_string(&minted.sentence));
    ck_assert_str_eq(secret_reveal(minted.token.access), access);
}

static inline void expect_extra(const char *name, const char *value)
{
    ck_assert_str_eq(minted.token.extra_name, name);
    ck_assert_str_eq(secret_reveal(minted.token.extra), value);
}

/* Of what a whole number of seconds was said, with room for the time that the test takes. */
static inline void expect_life(int64_t seconds)
{
    ck_assert_uint_le(minted.token.lives_ms, (uint64_t)seconds * 1000);
    ck_assert_uint_ge(minted.token.lives_ms, (uint64_t)(seconds - 60) * 1000);
}

static inline void expect_sentence(MintResult result, const char *part)
{
    ck_assert_msg(minted.result == result, "%d: %s", (int)minted.result, text_string(&minted.sentence));
    ck_assert_msg(strstr(text_string(&minted.sentence), part), "\"%s\" is not in: %s", part,
                  text_string(&minted.sentence));
}

static inline void expect_asked(size_t index, const char *part)
{
    ck_assert_msg(strstr(text_string(&asked[index]), part), "\"%s\" is not in: %s", part,
                  text_string(&asked[index]));
}

/* A server's answers. */
#define OK_JSON(body)  script_add("200 OK", "Content-Type: application/json\r\n", body)
#define BAD_JSON(body) script_add("401 Unauthorized", "Content-Type: application/json\r\n", body)

/* Where the workspace's tokens come from, as most workspaces say it: two requests. */
static inline void script_discovery(void)
{
    static char document[128];
    (void)snprintf(document, sizeof document, "{\"token_endpoint\":\"https://127.0.0.1:%u/oidc/v1/token\"}",
                   tls_port());
    script_add("404 Not Found", NULL, "");
    OK_JSON(document);
}
