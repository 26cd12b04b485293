#pragma once

/*
 * UpstreamUrl: `sc://host[:port]/;key=value;...`, the connection string of Spark Connect, as the address of
 * an upstream. Values are percent-decoded. Known keys: use_ssl, token, x-databricks-cluster-id; the others of
 * PySpark speak of the client, not of the server, and are refused by name. Pure; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"

#define UPSTREAM_DEFAULT_PORT 15002

typedef struct UpstreamUrl {
    char *host; /* lower case, without brackets */
    uint16_t port;
    bool use_ssl_is_set;
    bool use_ssl;
    Secret *token;    /* NULL: none */
    char *cluster_id; /* NULL: none */
} UpstreamUrl;

#define UPSTREAM_URL_NULL                                                                                    \
    {                                                                                                        \
        NULL, 0, false, false, NULL, NULL                                                                    \
    }

/* 0, or -EINVAL and what is wrong appended to `complaint`; no value is repeated there, it may be the token.
 */
int upstream_url_parse(UpstreamUrl *ret_url, const char *text, Text *complaint) _must_check_;
void upstream_url_deinit(UpstreamUrl *url);
