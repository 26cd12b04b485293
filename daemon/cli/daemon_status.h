#pragma once

/* DaemonStatus: the document of GET /status, fetched from the running daemon, and what the commands look for
 * in it. Blocking; main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

typedef struct json_t json_t; /* jansson */

/* 0 and a new reference; a negative errno with a sentence in `reason`: -ENOENT or -ECONNREFUSED when no
 * daemon runs. */
int daemon_status_fetch(const char *control_socket, json_t **ret_document, Text *reason) _must_check_;
/* For `_cleanup_`: gives the reference back. */
void daemon_status_release(json_t **document);

/* The address for clients: the first TCP listener's, else an abstract socket's that the stock client can
 * reach. Borrowed; NULL when there is none. */
const char *daemon_status_address(const json_t *document);
/* The port of such an address, 0 when it has none. */
unsigned daemon_address_port(const char *address);
/* The profile of that name; of `name` NULL: the default one. Borrowed; NULL when there is none. */
const json_t *daemon_status_profile(const json_t *document, const char *name);
/* "dev, prod"; not those of guests, which are secret. */
void daemon_status_append_names(Text *text, const json_t *document);
/* The string of that key; NULL when there is none or it is empty. */
const char *daemon_status_text(const json_t *object, const char *key);

/* How a profile's credential is got: NULL when none is needed. Takes NULL, like the others. */
const char *daemon_credential_type(const json_t *credential);
/* There is a token; none is there yet, and somebody is getting it. */
bool daemon_credential_is_ready(const json_t *credential);
bool daemon_credential_is_pending(const json_t *credential);
/* Seconds that our clock is behind the server's; false when that is not known. */
bool daemon_credential_skew(const json_t *credential, int64_t *ret_seconds);
/* The profile's cluster; NULL: none. */
const char *daemon_cluster_id(const json_t *profile);
/* As the workspace spells it; NULL: not known. */
const char *daemon_cluster_state(const json_t *profile);
