#pragma once

/*
 * ProfileRows: what `profiles` shows, as a JSON array of one object a profile, taken from the running
 * daemon's status or, when none runs, from the settings alone. Pure but for asking the daemon; main thread.
 *
 * Keys: name, is_default, host, auth_type, user, cluster_id, serverless, credential {state, expires_in_s,
 * problem, skew_s}, cluster {state, message}, problem; null where nothing is known.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "conf/settings.h"

typedef struct json_t json_t; /* jansson */

/* From GET /status; guests, whose names are nobody's business, are left out. A new reference. */
json_t *profile_rows_from_status(const json_t *status);
json_t *profile_rows_from_settings(const Settings *settings);

/* True when neither the credential nor the cluster of the status's profile is still being looked at. */
bool profile_is_settled(const json_t *profile);
/* Asks the daemon to look at the profile, at all for `name` NULL, and waits until that has been done, for at
 * most `timeout_ms`. `*status` is a document of before; it is replaced by that of after. */
void profile_rows_probe(const char *control_socket, const char *name, uint64_t timeout_ms, json_t **status);

/* For people, in lines of at most 80 columns. */
void profile_rows_append(Text *text, const json_t *rows);
