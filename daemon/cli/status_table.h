#pragma once

/* StatusTable: the document of GET /status for people, in lines of at most 80 columns. What clients have
 * named comes out as plain text, whatever it contains. Pure; any thread. */

#include "base/text.h"

typedef struct json_t json_t; /* jansson */

/* Whatever is missing in the document shows as "-" or 0. */
void status_table_append(Text *text, const json_t *document);
