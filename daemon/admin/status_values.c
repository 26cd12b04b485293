#include "admin/status_values.h"

#include <string.h>

#include "base/text.h"

json_t *status_text_value(const char *bytes, size_t length)
{
    if (!bytes)
        return json_null();
    json_t *value = json_stringn(bytes, length);
    if (value)
        return value;
    _cleanup_(text_deinit) Text ascii = TEXT_NULL;
    for (size_t i = 0; i < length; i++)
        text_append_bytes(&ascii, (unsigned char)bytes[i] < 0x80 ? &bytes[i] : "?", 1);
    return json_stringn(text_string(&ascii), ascii.length);
}

void status_add_text(json_t *object, const char *key, const char *text)
{
    (void)json_object_set_new(object, key, status_text_value(text, text ? strlen(text) : 0));
}

void status_add_count(json_t *object, const char *key, uint64_t count)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)count));
}

void status_add_boolean(json_t *object, const char *key, bool boolean)
{
    (void)json_object_set_new(object, key, json_boolean(boolean));
}

const char *status_profile_label(const Destination *destination)
{
    if (!destination)
        return NULL;
    if (destination->profile)
        return destination->profile->name;
    return destination->is_guest ? "(a guest that is gone)" : destination->name;
}
