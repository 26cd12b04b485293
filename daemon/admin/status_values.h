#pragma once

/* Values in the documents of the control socket: what comes from clients and files may be any bytes, JSON has
 * only UTF-8. Loop thread only. */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "relay/destination.h"

/* NULL gives null. A new reference. */
json_t *status_text_value(const char *bytes, size_t length);
void status_add_text(json_t *object, const char *key, const char *text);
void status_add_count(json_t *object, const char *key, uint64_t count);
void status_add_boolean(json_t *object, const char *key, bool boolean);
/* What may be shown of where a session's calls go, never the name of a guest, which is a secret. Borrowed;
 * NULL for NULL. */
const char *status_profile_label(const Destination *destination);
