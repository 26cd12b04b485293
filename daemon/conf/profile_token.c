#include <string.h>

#include "conf/databrickscfg.h"
#include "conf/file.h"
#include "conf/ini.h"
#include "conf/profile_draft.h"

#define TOKEN_FILE_LIMIT (64 * 1024) /* more than any header list may have */

/* Takes the token as the profile's, whatever its source. */
static void take_token(Draft *draft, const char *key, const Given *given, const char *token)
{
    if (*token == '\0') {
        draft_fail(draft, "%s: %s: the value is missing", given->place, key);
        return;
    }
    draft_check_text(draft, key, given, token);
    draft->profile->auth.token = secret_new(token, strlen(token));
}

static void read_token_file(Draft *draft, const Given *given)
{
    Problems *problems = draft->loader->problems;
    _cleanup_(file_content_deinit) FileContent content = FILE_CONTENT_NULL;
    _cleanup_(mem_freep) char *path = path_expand(given->text, draft->loader->source->environment);
    if (*path != '/') {
        draft_fail_value(draft, "token_file", given, "the path must be absolute");
        return;
    }
    free(draft->profile->auth.token_file);
    draft->profile->auth.token_file = mem_copy_string(path);
    Problems found = PROBLEMS_NULL;
    int r = file_read(&content, path, TOKEN_FILE_LIMIT, &found);
    if (r == 0) {
        file_warn_if_shared(path, content.mode, problems);
        char *token = content.bytes + strspn(content.bytes, " \t\r\n");
        size_t length = strlen(token);
        while (length > 0 && strchr(" \t\r\n", token[length - 1]))
            length--;
        token[length] = '\0';
        take_token(draft, "token_file", given, token);
    } else {
        draft_fail_value(draft, "token_file", given,
                         r == FILE_MISSING ? "there is no such file" : found.entries[0].sentence);
    }
    problems_deinit(&found);
}

/* [profile X] may give the token in three ways, of which one is enough. */
static bool take_from_section(Draft *draft, Given *ret_given)
{
    _cleanup_(given_deinit) Given token = draft_find_in_section(draft, "token");
    _cleanup_(given_deinit) Given file = draft_find_in_section(draft, "token_file");
    const Given *destination = &draft->destination;
    if (!token.text && !file.text && !draft->url.token)
        return false;
    if ((token.text && file.text) || (draft->url.token && (token.text || file.text)))
        draft_fail(draft, "%s: %s: there is a token in line %s already; remove one",
                   file.text ? file.place : token.place, file.text ? "token_file" : "token",
                   strrchr(draft->url.token ? destination->place : token.place, ':') + 1);
    if (draft->url.token) {
        draft->profile->auth.token = steal(draft->url.token);
        *ret_given = given_new(GIVEN_FILE, "", destination->place);
    } else if (token.text) {
        take_token(draft, "token", &token, token.text);
        *ret_given = token;
        token = (Given)GIVEN_NULL;
    } else {
        read_token_file(draft, &file);
        *ret_given = file;
        file = (Given)GIVEN_NULL;
    }
    return true;
}

/* A token goes only to the host that it was written beside. */
static void refuse_moved_token(Draft *draft, const Given *token)
{
    draft_fail(draft,
               "%s: the host of profile %s is changed here, but its token (%s) was made for another; put a "
               "token into [profile %s] as well",
               draft->destination.place, draft->profile->name, token->place, draft->profile->name);
}

static void complain_about_login(Draft *draft)
{
    const char *name = draft->profile->name;
    _cleanup_(text_deinit) Text login = TEXT_NULL;
    _cleanup_(mem_freep) char *where = draft_where_to_write(draft);
    if (!draft->base_is_environment && draft->base && databrickscfg_other_login(draft->base, &login))
        draft_fail(draft,
                   "profile %s: %s is not supported yet; put token = ... into [profile %s] of config.ini",
                   name, text_string(&login), name);
    else if (draft->base_is_environment)
        draft_fail(draft, "profile %s: there is no token; set DATABRICKS_TOKEN beside DATABRICKS_HOST", name);
    else
        draft_fail(draft, "profile %s: there is no token; put token = ... into %s", name, where);
}

static void take_from_base(Draft *draft, Given *ret_given)
{
    ProfileSettings *profile = draft->profile;
    _cleanup_(text_deinit) Text login = TEXT_NULL;
    bool logs_in_otherwise =
        !draft->base_is_environment && draft->base && databrickscfg_other_login(draft->base, &login);
    Given token = draft_find_in_base(draft, "token");
    if (token.text && draft->leaves_base) {
        refuse_moved_token(draft, &token);
    } else if (token.text && !logs_in_otherwise) {
        take_token(draft, "token", &token, token.text);
        *ret_given = token;
        return;
    } else if (profile->databricks) {
        complain_about_login(draft);
    }
    given_deinit(&token);
}

void draft_resolve_token(Draft *draft)
{
    if (!take_from_section(draft, &draft->token))
        take_from_base(draft, &draft->token);
}
