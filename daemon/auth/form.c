#include "auth/form.h"

#include <stdbool.h>
#include <string.h>

void form_append_separator(Form *form, char separator)
{
    if (form->length + 1 >= form->capacity) {
        size_t capacity = form->capacity ? form->capacity * 2 : 256;
        char *grown = mem_alloc_zeroed(capacity, 1);
        if (form->bytes) {
            memcpy(grown, form->bytes, form->length);
            secret_wipe(form->bytes, form->capacity);
            free(form->bytes);
        }
        form->bytes = grown;
        form->capacity = capacity;
    }
    form->bytes[form->length++] = separator;
    form->bytes[form->length] = '\0';
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

void form_append(Form *form, const char *bytes, size_t length)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (is_plain(bytes[i])) {
            form_append_separator(form, bytes[i]);
            continue;
        }
        form_append_separator(form, '%');
        form_append_separator(form, DIGITS[byte >> 4]);
        form_append_separator(form, DIGITS[byte & 15]);
    }
}

static void add(Form *form, const char *name, const char *bytes, size_t length)
{
    if (form->length > 0)
        form_append_separator(form, '&');
    form_append(form, name, strlen(name));
    form_append_separator(form, '=');
    form_append(form, bytes, length);
}

void form_add(Form *form, const char *name, const char *value)
{
    add(form, name, value, strlen(value));
}

void form_add_secret(Form *form, const char *name, const Secret *value)
{
    add(form, name, secret_reveal(value), secret_length(value));
}

Secret *form_take(Form *form)
{
    Secret *secret = secret_new(form_string(form), form->length);
    form_deinit(form);
    return secret;
}

const char *form_string(const Form *form)
{
    return form->bytes ? form->bytes : "";
}

void form_deinit(Form *form)
{
    if (form->bytes)
        secret_wipe(form->bytes, form->capacity);
    free(form->bytes);
    *form = (Form)FORM_NULL;
}
