#pragma once

/*
 * Answer: what token endpoints and command lines print: JSON with a token and its end, or with an error. All
 * JSON that is read here is wiped when it is freed. Pure. Loop thread only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/text.h"

/* A JSON object; NULL when it is none. json_decref(). */
json_t *answer_object(const char *bytes, size_t length);
/* A member that is a string and not empty; NULL otherwise. Borrowed. */
const char *answer_string(const json_t *object, const char *name);
/* The same as a secret; NULL otherwise. */
Secret *answer_secret(const json_t *object, const char *name);

/* A token and when it ends, under any of the names that are in use. */
typedef struct TokenAnswer {
    Secret *access;    /* access_token, accessToken */
    int64_t lives_s;   /* expires_in; 0: not said */
    int64_t ends_at_s; /* expires_on, expiry, expiresOn (local time), since 1970; 0: not said */
} TokenAnswer;

#define TOKEN_ANSWER_NULL                                                                                    \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

/* False, with part of a sentence in `problem`, when there is no token in it, or an end that is not one. */
bool token_answer_parse(const char *bytes, size_t length, TokenAnswer *ret_answer, Text *problem);
void token_answer_deinit(TokenAnswer *answer);

/* What an error answer says, as part of a sentence: OAuth's error and error_description, Databricks'
 * error_code and message, Azure's and Google's error object; "HTTP 503" when it says nothing that is
 * understood. */
void answer_describe_error(const char *bytes, size_t length, unsigned status, Text *text);
