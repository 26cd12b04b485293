#pragma once

/*
 * Draft: a profile being put together from two layers, [profile X] of config.ini over the base, which is [X]
 * of
 * ~/.databrickscfg or, for DEFAULT, the environment. What the base says of token and cluster is bound to the
 * base's host. Private to conf; lives for one profile of one settings_load().
 */

#include "conf/loader.h"
#include "conf/upstream_url.h"

typedef struct Draft {
    Loader *loader;
    const IniSection *section; /* [profile X]; NULL: none */
    const IniSection *base;    /* [X] of ~/.databrickscfg; NULL: none */
    bool base_is_environment;
    ProfileSettings *profile;

    Given destination; /* the host or upstream that counts */
    Given token;       /* the token that counts */
    Given cluster;     /* the cluster_id that counts */
    UpstreamUrl url;   /* when it is an upstream */
    bool leaves_base;  /* goes elsewhere than to the base's host */
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
Given draft_find_in_base(const Draft *draft, const char *key);

/* Records value and origin for `check`; `given` may be a GIVEN_NULL. */
void draft_note(const Draft *draft, const char *key, const char *value, const Given *given);
/* Where a value for this profile belongs, in words. free(). */
char *draft_where_to_write(const Draft *draft);

/* profile_destination.c: host, port; TLS of a Databricks host. */
void draft_resolve_destination(Draft *draft);
/* profile_token.c: the token, from one place; to be called after the above. */
void draft_resolve_token(Draft *draft);
