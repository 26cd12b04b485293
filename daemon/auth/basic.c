#include "auth/basic.h"

#include <string.h>

#include "auth/form.h"
#include "base/base64.h"

Secret *basic_authorization(const char *user, const Secret *password)
{
    static const char SCHEME[] = "Basic ";
    Form pair = FORM_NULL;
    form_append(&pair, user, strlen(user));
    form_append_separator(&pair, ':');
    form_append(&pair, secret_reveal(password), secret_length(password));
    size_t length = sizeof SCHEME - 1 + base64_length(pair.length);
    char *value = mem_alloc(length);
    memcpy(value, SCHEME, sizeof SCHEME - 1);
    (void)base64_encode((const unsigned char *)form_string(&pair), pair.length, false,
                        value + sizeof SCHEME - 1);
    Secret *secret = secret_new(value, length);
    secret_wipe(value, length);
    free(value);
    form_deinit(&pair);
    return secret;
}
