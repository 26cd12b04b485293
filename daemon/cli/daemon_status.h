#pragma once

/* DaemonStatus: the document of GET /status, fetched from the running daemon, and what the commands look for
 * in it. Blocking; main thread. */

#include <stdbool.h>

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
