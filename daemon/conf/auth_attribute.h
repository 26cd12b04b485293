#pragma once

/*
 * AuthAttribute: the attributes of unified auth by which Databricks' SDKs know how to log in: their keys in
 * files, their variables, and the family that each belongs to. Our own `exec` is one of them. Pure; any
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "conf/paths.h"

typedef enum AuthAttributeId {
    ATTRIBUTE_AUTH_TYPE,
    ATTRIBUTE_TOKEN,
    ATTRIBUTE_USERNAME,
    ATTRIBUTE_PASSWORD,
    ATTRIBUTE_CLIENT_ID,
    ATTRIBUTE_CLIENT_SECRET,
    ATTRIBUTE_SCOPES,
    ATTRIBUTE_ACCOUNT_ID,
    ATTRIBUTE_WORKSPACE_ID,
    ATTRIBUTE_GROUP_ID,
    ATTRIBUTE_DISCOVERY_URL,
    ATTRIBUTE_TOKEN_AUDIENCE,
    ATTRIBUTE_OIDC_TOKEN_ENV,
    ATTRIBUTE_OIDC_TOKEN_FILEPATH,
    ATTRIBUTE_AZURE_WORKSPACE_RESOURCE_ID,
    ATTRIBUTE_AZURE_USE_MSI,
    ATTRIBUTE_AZURE_CLIENT_ID,
    ATTRIBUTE_AZURE_CLIENT_SECRET,
    ATTRIBUTE_AZURE_TENANT_ID,
    ATTRIBUTE_AZURE_ENVIRONMENT,
    ATTRIBUTE_DATABRICKS_CLI_PATH,
    ATTRIBUTE_METADATA_SERVICE_URL,
    ATTRIBUTE_GOOGLE_SERVICE_ACCOUNT,
    ATTRIBUTE_GOOGLE_CREDENTIALS,
    ATTRIBUTE_EXEC,
    N_AUTH_ATTRIBUTES
} AuthAttributeId;

#define ATTRIBUTE_HAS_NO_FIELD ((size_t)-1)

typedef struct AuthAttribute {
    const char *name;           /* in files */
    const char *alias;          /* what one of the SDKs calls it there instead, or NULL */
    const char *variable;       /* NULL: there is none */
    const char *variable_alias; /* or NULL */
    const char *family;         /* of which only one may be used at a time; NULL: says nothing about that */
    bool is_secret;
    size_t offset; /* of the `char *` (or `Secret *`) in AuthSettings, or ATTRIBUTE_HAS_NO_FIELD */
} AuthAttribute;

extern const AuthAttribute AUTH_ATTRIBUTES[N_AUTH_ATTRIBUTES];

/* Under its name or alias; NULL when there is none. */
const AuthAttribute *auth_attribute_find(const char *key);
/* The variable that makes the SDKs leave ~/.databrickscfg alone when nothing names a profile: a host or what
 * belongs to a family. NULL: none is set. */
const char *auth_attribute_login_variable(Environment environment);
