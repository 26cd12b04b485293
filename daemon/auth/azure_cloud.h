#pragma once

/* AzureCloud: the clouds of Azure and what differs between them. Pure. Any thread. */

#include <stdbool.h>

typedef struct AzureCloud {
    const char *environment; /* as azure_environment spells it */
    const char *host_suffix; /* of its workspaces */
    const char *login;       /* base URL of Entra ID */
    const char *management;  /* the resource that the second token is for */
    const char *application; /* id of Databricks, the resource that the first token is for */
} AzureCloud;

/*
 * By the workspace's host; when that says nothing, by azure_environment (any case; NULL: not given), and when
 * that says nothing either, the public one if `is_certain` that it is Azure. NULL: it is none.
 */
const AzureCloud *azure_cloud_find(const char *host, const char *environment, bool is_certain);
