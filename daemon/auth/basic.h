#pragma once

/* Basic: the value of an authorization header of HTTP's Basic scheme, as OAuth's clients send it. Any thread.
 */

#include "base/secret.h"

/* Both are form-encoded before they are put together (RFC 6749, 2.3.1). secret_free(). */
Secret *basic_authorization(const char *user, const Secret *password);
