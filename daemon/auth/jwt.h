#pragma once

/* Jwt: reads the claims of a JSON web token (not its signature: whoever accepts it checks that), and signs
 * one with a service account's key. Pure. Loop thread only. */

#include <jansson.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/text.h"

/* Its payload; NULL when it is no JWT. json_decref(). */
json_t *jwt_claims(const Secret *token);
/* Its "exp", seconds since 1970; 0: none. */
int64_t jwt_end(const Secret *token);
/* `claims` signed with RS256. NULL, with part of a sentence in `problem`, when the key (PEM) is not usable.
 */
Secret *jwt_sign(const json_t *claims, const char *key_id, const Secret *key, Text *problem);
