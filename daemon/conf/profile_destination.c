#include <string.h>

#include "conf/databrickscfg.h"
#include "conf/profile_draft.h"

static void use_upstream(Draft *draft, const Given *given)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    ProfileSettings *profile = draft->profile;
    draft->leaves_base = true;
    if (strcmp(given->text, "local") == 0) {
        profile->is_local = true;
        profile->host = mem_copy_string("local");
        return;
    }
    if (upstream_url_parse(&draft->url, given->text, &complaint) < 0) {
        draft_fail_value(draft, "upstream", given, text_string(&complaint));
        return;
    }
    profile->host = mem_copy_string(draft->url.host);
    profile->port = draft->url.port;
}

bool draft_is_host(const Draft *draft, const char *text)
{
    _cleanup_(text_deinit) Text ignored = TEXT_NULL;
    _cleanup_(databricks_host_deinit) DatabricksHost host = DATABRICKS_HOST_NULL;
    const ProfileSettings *profile = draft->profile;
    return profile->host && databricks_host_parse(&host, text, &ignored) == 0 &&
           strcmp(host.host, profile->host) == 0 && host.port == profile->port;
}

static void use_databricks(Draft *draft, const Given *given)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    _cleanup_(databricks_host_deinit) DatabricksHost host = DATABRICKS_HOST_NULL;
    ProfileSettings *profile = draft->profile;
    profile->databricks = true;
    if (databricks_host_parse(&host, given->text, &complaint) < 0) {
        draft_fail(draft, "%s: host: %s", given->place, text_string(&complaint));
        return;
    }
    if (host.lacks_scheme)
        problems_add_warning(draft->loader->problems, "%s: host has no scheme; taken for https://%s",
                             given->place, host.host);
    profile->host = steal(host.host);
    profile->port = host.port;
    profile->use_tls = host.use_tls;
    DraftValue base = draft_find_in_base(draft, "host");
    draft->leaves_base = !base.given.text || !draft_is_host(draft, base.given.text);
    given_deinit(&base.given);
}

static void complain_about_host(Draft *draft)
{
    const Loader *loader = draft->loader;
    const char *name = draft->profile->name;
    const char *variable = auth_attribute_login_variable(loader->source->environment);
    _cleanup_(mem_freep) char *where = draft_where_to_write(draft);
    if (draft->has_environment && loader->environment_is_on)
        draft_fail(draft,
                   "profile %s: %s is set and DATABRICKS_HOST is not, and then the file is not looked at, as "
                   "in the SDKs; set DATABRICKS_HOST, or unset %s",
                   name, variable, variable);
    else
        draft_fail(draft, "profile %s: there is no host; put host = https://... into %s", name, where);
}

void draft_resolve_destination(Draft *draft)
{
    _cleanup_(given_deinit) Given upstream = draft_find_in_section(draft, "upstream");
    DraftValue host = {draft_find_in_section(draft, "host"), LAYER_SECTION};
    if (upstream.text && host.given.text)
        draft_fail(draft, "%s: host and upstream (%s) exclude each other; remove one", host.given.place,
                   upstream.place);
    if (!host.given.text)
        host = draft_find_in_base(draft, "host");
    draft->destination = host;
    if (upstream.text) {
        given_deinit(&draft->destination.given);
        draft->destination = (DraftValue){upstream, LAYER_SECTION};
        upstream = (Given)GIVEN_NULL;
        use_upstream(draft, &draft->destination.given);
    } else if (host.given.text) {
        use_databricks(draft, &draft->destination.given);
    } else {
        complain_about_host(draft);
    }
}
