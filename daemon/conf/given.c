#include "conf/given.h"

#include <string.h>

#include "base/secret.h"

Given given_new(GivenKind kind, const char *text, const char *place)
{
    return (Given){kind, mem_copy_string(text), mem_copy_string(place)};
}

Given given_from_entry(const IniDocument *document, const IniEntry *entry)
{
    _cleanup_(text_deinit) Text place = TEXT_NULL;
    if (!entry)
        return (Given)GIVEN_NULL;
    text_printf(&place, "%s:%u", document->path, entry->line);
    return given_new(GIVEN_FILE, entry->value, text_string(&place));
}

Given given_from_variable(Environment environment, const char *name)
{
    const char *text = environment_get(environment, name);
    return text ? given_new(GIVEN_VARIABLE, text, name) : (Given)GIVEN_NULL;
}

void given_deinit(Given *given)
{
    if (given->text)
        secret_wipe(given->text, strlen(given->text));
    free(given->text);
    free(given->place);
    *given = (Given)GIVEN_NULL;
}

Given given_take(Given *given)
{
    Given taken = *given;
    *given = (Given)GIVEN_NULL;
    return taken;
}

char *given_label(const Given *given, const ConfigKey *key)
{
    static const char *const JOINTS[] = {
        [GIVEN_BUILT_IN] = " ", [GIVEN_FLAG] = " ", [GIVEN_VARIABLE] = "=", [GIVEN_FILE] = " = "};
    Text label = TEXT_NULL;
    text_append(&label, given->place);
    if (given->kind == GIVEN_FILE)
        text_printf(&label, ": %s", key->name);
    if (!key->type->is_secret && *given->text)
        text_printf(&label, "%s%.200s", JOINTS[given->kind], given->text);
    return text_take(&label);
}
