#pragma once

/*
 * MetadataService: the daemon's logins for the other programs of the laptop, in the dialect of the Databricks
 * SDKs' auth_type metadata-service: HTTP on loopback behind a secret path, off unless metadata_service says
 * so. A program asks for the token of one workspace and waits, as a call does, while there is none. While it
 * is on libmicrohttpd stays loaded. Loop thread only.
 */

#include "relay/relay.h"

typedef struct MetadataService MetadataService;

/* `address` is 127.0.0.1:PORT, or localhost:PORT; port 0 takes any. NULL after the reason has been logged. */
MetadataService *metadata_service_new(Relay *relay, const char *address);
/* Before relay_close(). Freed when the loop has run. Takes NULL; returns NULL. */
MetadataService *metadata_service_close(MetadataService *service);
/* What DATABRICKS_METADATA_SERVICE_URL is to be; with "/PROFILE" after it: only that one. It is as secret as
 * a token. Takes NULL and gives NULL. */
const char *metadata_service_url(const MetadataService *service);
