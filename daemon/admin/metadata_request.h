#pragma once

/*
 * MetadataRequest: what a program asks in the dialect of the Databricks SDKs' auth_type metadata-service, and
 * whether it may. Whoever knows the secret path may; a browser may not, whatever it knows: a page must not
 * read a token by a name that resolves to this machine. Pure; any thread.
 */

#include <stdint.h>

#include "conf/settings.h"

#define METADATA_SECRET_SIZE (32 + 1) /* 128 bits in hexadecimal */

/* NULL where the request has no such header. */
typedef struct MetadataRequest {
    const char *method, *path;
    const char *host, *origin, *fetch_site; /* Host, Origin, Sec-Fetch-Site */
    const char *version;                    /* X-Databricks-Metadata-Version */
    const char *workspace;                  /* X-Databricks-Host */
} MetadataRequest;

/* 200, or the status of HTTP and why (a sentence). On 200 *ret_profile is the rest of the path, the name of a
 * profile, or NULL: whichever has that workspace. */
unsigned metadata_request_check(const MetadataRequest *request, const char *secret, uint16_t port,
                                const char **ret_profile, const char **ret_reason);
/* Whether the workspace, "https://host", is the profile's. */
bool metadata_request_is_for(const char *workspace, const ProfileSettings *profile);
/* The profile for the workspace: the one of that name, else the default, else the first. NULL: none. */
const ProfileSettings *metadata_request_find(const Settings *settings, const char *workspace,
                                             const char *name);
