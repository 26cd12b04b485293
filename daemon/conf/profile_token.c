#include <string.h>

#include "conf/file.h"
#include "conf/profile_draft.h"

#define TOKEN_FILE_LIMIT  (64 * 1024) /* more than any header list may have */
#define CREDENTIAL_PREFIX "credential:"

/* [profile X] may give the token in three ways, of which one is enough. */
static bool find_in_section(Draft *draft, DraftValue *value)
{
    _cleanup_(given_deinit) Given token = draft_find_in_section(draft, "token");
    _cleanup_(given_deinit) Given file = draft_find_in_section(draft, "token_file");
    const Given *destination = &draft->destination.given;
    if (!token.text && !file.text && !draft->url.token)
        return false;
    if ((token.text && file.text) || (draft->url.token && (token.text || file.text)))
        draft_fail(draft, "%s: %s: there is a token in line %s already; remove one",
                   file.text ? file.place : token.place, file.text ? "token_file" : "token",
                   strrchr(draft->url.token ? destination->place : token.place, ':') + 1);
    draft->token_kind = draft->url.token ? TOKEN_URL : token.text ? TOKEN_TEXT : TOKEN_FILE;
    if (draft->url.token)
        value->given = given_new(GIVEN_FILE, "", destination->place);
    else
        value->given = token.text ? given_take(&token) : given_take(&file);
    value->layer = LAYER_SECTION;
    return true;
}

void draft_find_token(Draft *draft)
{
    DraftValue *value = &draft->attributes[ATTRIBUTE_TOKEN];
    if (!find_in_section(draft, value) && !draft->leaves_base)
        *value = draft_find_in_base(draft, "token");
}

static void take(Draft *draft, const char *key, const Given *given, const char *token)
{
    if (*token == '\0') {
        draft_fail(draft, "%s: %s: the value is missing", given->place, key);
        return;
    }
    draft_check_text(draft, key, given, token);
    draft->profile->auth.token = secret_new(token, strlen(token));
}

/* The file that systemd's LoadCredential= or SetCredential= has put there; NULL after a failure. free(). */
static char *credential_path(Draft *draft, const Given *given)
{
    const char *directory = environment_get(draft->loader->source->environment, "CREDENTIALS_DIRECTORY");
    const char *name = given->text + strlen(CREDENTIAL_PREFIX);
    Text path = TEXT_NULL;
    if (*name == '\0' || strchr(name, '/')) {
        draft_fail_value(draft, "token_file", given,
                         "write credential:NAME, with the name that LoadCredential= gives it");
        return NULL;
    }
    if (!directory) {
        draft_fail_value(draft, "token_file", given,
                         "there is no $CREDENTIALS_DIRECTORY; add LoadCredential= to the unit and start the "
                         "daemon through it");
        return NULL;
    }
    text_printf(&path, "%s/%s", directory, name);
    return text_take(&path);
}

static char *token_path(Draft *draft, const Given *given)
{
    if (strncmp(given->text, CREDENTIAL_PREFIX, strlen(CREDENTIAL_PREFIX)) == 0)
        return credential_path(draft, given);
    char *path = path_expand(given->text, draft->loader->source->environment);
    if (*path == '/')
        return path;
    draft_fail_value(draft, "token_file", given, "the path must be absolute");
    free(path);
    return NULL;
}

static void take_from_file(Draft *draft, const Given *given)
{
    Problems *problems = draft->loader->problems;
    _cleanup_(file_content_deinit) FileContent content = FILE_CONTENT_NULL;
    char *path = token_path(draft, given);
    if (!path)
        return;
    draft->profile->auth.token_file = path;
    Problems found = PROBLEMS_NULL;
    int r = file_read(&content, path, TOKEN_FILE_LIMIT, &found);
    if (r == 0) {
        file_warn_if_shared(path, content.mode, problems);
        char *token = content.bytes + strspn(content.bytes, " \t\r\n");
        size_t length = strlen(token);
        while (length > 0 && strchr(" \t\r\n", token[length - 1]))
            length--;
        token[length] = '\0';
        take(draft, "token_file", given, token);
    } else {
        draft_fail_value(draft, "token_file", given,
                         r == FILE_MISSING ? "there is no such file" : found.entries[0].sentence);
    }
    problems_deinit(&found);
}

void draft_take_token(Draft *draft)
{
    AuthSettings *auth = &draft->profile->auth;
    const Given *given = &draft->attributes[ATTRIBUTE_TOKEN].given;
    if (draft->token_kind == TOKEN_URL)
        auth->token = steal(draft->url.token);
    else if (draft->token_kind == TOKEN_FILE)
        take_from_file(draft, given);
    else
        take(draft, "token", given, given->text);
    auth->token_place = mem_copy_string(auth->token_file ? auth->token_file : given->place);
}
