#pragma once

/* Form: a body of application/x-www-form-urlencoded, or the query of a URL, put together in memory that is
 * wiped. Any thread. */

#include <stddef.h>

#include "base/secret.h"

#define FORM_CONTENT_TYPE "application/x-www-form-urlencoded"

typedef struct Form {
    char *bytes;
    size_t length, capacity;
} Form;

#define FORM_NULL                                                                                            \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

void form_deinit(Form *form);
/* Appends name=value, encoded. */
void form_add(Form *form, const char *name, const char *value);
void form_add_secret(Form *form, const char *name, const Secret *value);
/* Its parts, for other uses of the encoding. */
void form_append(Form *form, const char *bytes, size_t length);
void form_append_separator(Form *form, char separator);
/* What has been put together; secret_free(). */
Secret *form_take(Form *form);
/* It as a string, for what is no secret; owned by the form. */
const char *form_string(const Form *form);
