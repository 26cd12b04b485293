#pragma once

/*
 * Mint: one attempt to get a token for a profile, by one of the ways that Databricks' SDKs know (unified
 * auth) or by `exec`. Asynchronous: HTTPS exchanges and helper programs on the loop. Who calls it when, and
 * what happens to the token, is the refresher's business. Loop thread only.
 */

#include <stdint.h>
#include <uv.h>

#include "auth/https.h"
#include "base/log.h"
#include "base/secret.h"
#include "conf/settings.h"

/* What has been minted. */
typedef struct Token {
    Secret *access;          /* for "authorization: Bearer …" */
    const char *extra_name;  /* of a second header that goes with it, lower case, a literal; NULL: none */
    Secret *extra;           /* its value: Azure's management token, Google's access token; NULL: none */
    const char *resource_id; /* of x-databricks-azure-workspace-resource-id; the profile's; NULL: none */
    uint64_t lives_ms;       /* from now on; 0: not known, it lives until it is refused */
    int64_t skew_s;          /* how far our clock is behind the server's, where it said; 0 else */
} Token;

#define TOKEN_NULL                                                                                           \
    {                                                                                                        \
        NULL, NULL, NULL, NULL, 0, 0                                                                         \
    }

void token_deinit(Token *token);

typedef enum MintResult {
    MINT_OK,
    MINT_NOT_CONFIGURED, /* this way is not set up here (no CLI, no login for this host): the next one may be
                          */
    MINT_LOGIN_NEEDED,   /* it is, but a person must do something first; trying again changes nothing */
    MINT_FAILED,         /* network, server, time limit: trying again may help */
} MintResult;

/* How it went. Valid only during the callback; a token may be taken out of it (steal). */
typedef struct MintOutcome {
    MintResult result;
    Token token;          /* with MINT_OK */
    const char *sentence; /* else: what is wrong, where, and the command that mends it */
} MintOutcome;

typedef void (*MintDone)(void *context, MintOutcome *outcome);

typedef struct Mint Mint;

/* What minting takes; outlives every mint. */
typedef struct MintContext {
    uv_loop_t *loop;
    Https *https;
    const Log *log;
    const ProfileSettings *profile;
    uint64_t timeout_ms; /* for one attempt */
} MintContext;

/* `type` is one of profile->auth.chain. `done` is called once, never before this returns. Never NULL. */
Mint *mint_start(const MintContext *context, AuthType type, MintDone done, void *done_context);
/* Ends it (a helper program is killed); `done` will not be called. Not from within `done`: it is over then.
 */
void mint_cancel(Mint *mint);
