#pragma once

/*
 * MintWay: what a way of getting a token is made of, and what its steps may do: ask a server, run a program,
 * read a file, and end with a token or a sentence. Each step is a function that starts one thing and names
 * the function that goes on when that is done; a step that has called mint_succeed() or mint_fail() returns
 * at once, as the mint is gone. For mint_*.c only. Loop thread only.
 */

#include "auth/answer.h"
#include "auth/azure_cloud.h"
#include "auth/databricks_cli.h"
#include "auth/form.h"
#include "auth/mint.h"
#include "base/child.h"

typedef void (*MintAnswered)(Mint *mint, const HttpsResponse *response);
typedef void (*MintGoesOn)(Mint *mint);
typedef void (*MintRan)(Mint *mint, const ChildResult *result);
/* `content` NULL: not readable, `error` says why. The mint's to keep (secret_free). */
typedef void (*MintRead)(Mint *mint, Secret *content, int error);

/* mint->program is set when it was found. */
typedef void (*MintFound)(Mint *mint, DatabricksCliFound found);

typedef struct MintFile MintFile;

struct Mint {
    const MintContext *context;
    const ProfileSettings *profile; /* context->profile */
    AuthType type;
    MintDone done;
    void *done_context;
    uint64_t ends_at_ns; /* monotonic */

    uv_timer_t timer;
    HttpsExchange *exchange; /* at most one of these three */
    Child *child;
    MintFile *file;
    MintAnswered on_answered;
    MintRan on_ran;
    MintRead on_read;
    MintFound on_found;
    char *asked; /* host of the URL asked last, for sentences */

    int64_t skew_s;
    MintOutcome outcome;
    Text sentence;

    /* What ways keep between their steps. */
    char *endpoint;  /* URL that gives tokens */
    char *audience;  /* that the host says it expects of tokens to be exchanged */
    char *tenant;    /* Azure's */
    char *program;   /* path of the command line tool */
    Secret *subject; /* what is exchanged for a token, or signed with */
    json_t *account; /* Google's service account */
    const AzureCloud *cloud;
    bool is_tenant_optional;
    bool is_service;       /* az: a service principal is logged in */
    bool is_identity;      /* az: a managed one, which has no tenant */
    bool has_subscription; /* az: it may be asked for it */
    bool is_plain_retry;   /* the more special question was refused */
    bool wants_extra;      /* the second token is being got */
    MintGoesOn on_endpoint_known, on_tenant_known;
};

/* One way: its first step. */
typedef void (*MintStart)(Mint *mint);
void mint_pat_start(Mint *mint);
void mint_oauth_m2m_start(Mint *mint);
void mint_databricks_cli_start(Mint *mint);
void mint_metadata_service_start(Mint *mint);
void mint_github_oidc_start(Mint *mint);
void mint_env_oidc_start(Mint *mint);
void mint_file_oidc_start(Mint *mint);
void mint_azure_msi_start(Mint *mint);
void mint_azure_client_secret_start(Mint *mint);
void mint_azure_cli_start(Mint *mint);
void mint_google_credentials_start(Mint *mint);
void mint_google_id_start(Mint *mint);
void mint_exec_start(Mint *mint);

/* --- steps --- */

/* ca_file, proxy and timeout are the profile's; timeout_ms of the request, when not 0, may shorten it. */
void mint_ask(Mint *mint, const HttpsRequest *request, MintAnswered on_answered);
/* One of so many equal parts of the time that the whole mint has. */
uint64_t mint_part_ms(const Mint *mint, unsigned n_parts);
/* A POST of a form; it is wiped. `basic`: value of the authorization header; NULL: none. */
void mint_post_form(Mint *mint, const char *url, Form *form, const Secret *basic, MintAnswered on_answered);
/* Variables that hold secrets, or would make a command line tool answer for somebody else. */
extern const char *const mint_dropped_variables[];
/* Time and output are bounded; `max_ms`, when not 0, may shorten the time. */
void mint_run(Mint *mint, const char *const *argv, const char *const *dropped, const char *const *kept,
              uint64_t max_ms, MintRan on_ran);
void mint_file_forget(MintFile *file);
/* With the "~/" at its beginning replaced; free(). */
char *mint_expanded_path(const char *path);
/* `path` may begin with "~/". */
void mint_read(Mint *mint, const char *path, MintRead on_read);
/* The databricks CLI, at `path` or in the folders of PATH, of which some may be far away. `path` may be NULL.
 */
void mint_find_cli(Mint *mint, const char *path, MintFound on_found);

/* --- ends --- */

/* With outcome.token. */
void mint_succeed(Mint *mint);
/* The sentence gets "profile X: " before it. */
void mint_fail(Mint *mint, MintResult result, const char *format, ...) _printf_(3, 4);

/* --- what answers say --- */

/* True: 200. False: the mint has failed, with `what` ("the token endpoint") and `advice` in the sentence. */
bool mint_is_answered(Mint *mint, const HttpsResponse *response, const char *what, const char *advice);
/*
 * Takes the token, or the second one if wants_extra, and its life out of what a server or a program gave;
 * `what` names it ("the token endpoint"). `end_counts`: the time of its end, not expires_in, as that may
 * count from long ago. False: the mint has failed.
 */
bool mint_take(Mint *mint, const char *bytes, size_t length, bool end_counts, const char *what);
/* How long something lives that ends at a time of a clock that is `skew_s` ahead of ours; at least 1 ms. */
uint64_t mint_life_ms(int64_t ends_at_s, int64_t skew_s);
/* Why a program did not do it: part of a sentence, from its last words. */
void mint_describe_run(const ChildResult *result, Text *text);
/* What is asked for: the profile's scopes, or all of them. */
const char *mint_scopes(const Mint *mint);
/* "https://HOST[:PORT]" of the workspace; free(). */
char *mint_workspace_url(const Mint *mint);
