#pragma once

/*
 * Draft: a profile being put together from layers: [profile X] of config.ini over the environment (for the
 * default profile only, see settings.h) over [X] of ~/.databrickscfg. The lower two are the base: what the
 * SDKs' own Config would see. A secret is bound to the host of the layer that it comes from. Private to conf;
 * lives for one profile of one settings_load().
 */

#include "conf/auth_attribute.h"
#include "conf/loader.h"
#include "conf/upstream_url.h"

typedef enum DraftLayer { LAYER_SECTION, LAYER_ENVIRONMENT, LAYER_FILE } DraftLayer;

typedef struct DraftValue {
    Given given; /* what counts; a GIVEN_NULL when nobody says anything */
    DraftLayer layer;
} DraftValue;

/* Which of the spellings of a static token was found. */
typedef enum TokenKind { TOKEN_TEXT, TOKEN_FILE, TOKEN_URL } TokenKind;

typedef struct Draft {
    Loader *loader;
    const IniSection *section; /* [profile X]; NULL: none */
    const IniSection *base;    /* [X] of ~/.databrickscfg; NULL: none, or the environment replaces it */
    bool has_environment;      /* the variables of Databricks' tools speak for this profile */
    ProfileSettings *profile;

    DraftValue destination; /* the host or upstream that counts */
    UpstreamUrl url;        /* when it is an upstream */
    bool leaves_base;       /* goes elsewhere than to the base's host: nothing of the base is used */

    DraftValue attributes[N_AUTH_ATTRIBUTES];
    TokenKind token_kind;
    DraftValue oidc_token; /* the value behind oidc_token_env; its place is the variable */
    Given left_behind;     /* the first secret of a base that is left, its text being the key's name */
    bool is_azure;
    bool uses_msi;

    Given cluster;    /* the cluster_id that counts */
    Given serverless; /* the serverless_compute_id that counts */
} Draft;

void draft_deinit(Draft *draft);

/* Makes the sentence the profile's problem. The first counts; the others often follow from it. */
void draft_fail(Draft *draft, const char *format, ...) _printf_(2, 3);
/* The same, the sentence being about a value. */
void draft_fail_value(Draft *draft, const char *key, const Given *given, const char *complaint);
/* Fails when the value cannot be sent in a header. */
void draft_check_text(Draft *draft, const char *key, const Given *given, const char *value);

/* A GIVEN_NULL when the layer says nothing. Deinit. */
Given draft_find_in_section(const Draft *draft, const char *key);
Given draft_find_in_environment(const Draft *draft, const char *key);
Given draft_find_in_file(const Draft *draft, const char *key);
/* The environment, then the file. */
DraftValue draft_find_in_base(const Draft *draft, const char *key);

/* Whether `text` is the address of a Databricks workspace, and that of the profile. */
bool draft_is_host(const Draft *draft, const char *text);
/* Whether a secret of this layer was written for the profile's host. */
bool draft_is_bound(const Draft *draft, DraftLayer layer);

/* Records value and origin for `check`; `given` may be a GIVEN_NULL. */
void draft_note(const Draft *draft, const char *key, const char *value, const Given *given);
/* Where a value for this profile belongs, in words. free(). */
char *draft_where_to_write(const Draft *draft);

/* profile_destination.c: host, port; TLS of a Databricks host. Comes first. */
void draft_resolve_destination(Draft *draft);
/* profile_auth.c: AuthSettings, from the attributes. */
void draft_resolve_auth(Draft *draft);
void draft_note_auth(const Draft *draft);
/* profile_chain.c: fills the chain, or fails. */
void draft_choose_chain(Draft *draft);
/* Whether one of the ways to be tried is this one. */
bool draft_has_in_chain(const Draft *draft, AuthType type);
/* profile_fields.c: puts what the chain uses into AuthSettings, checked and in one spelling. */
void draft_take_fields(Draft *draft);
/* profile_token.c: finds a static token, wherever it may be given; takes the one that was found. */
void draft_find_token(Draft *draft);
void draft_take_token(Draft *draft);
/* profile_binding.c: fails when a secret that the chain uses was written for another host. */
void draft_check_bindings(Draft *draft);
/* Fails when the base that is left holds the only secret there is. */
void draft_refuse_left_behind(Draft *draft);
/* profile_cluster.c: the cluster, or serverless. */
void draft_resolve_cluster(Draft *draft);
void draft_note_cluster(const Draft *draft);
