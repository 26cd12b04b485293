#include <string.h>

#include "conf/databrickscfg.h"
#include "conf/profile_draft.h"

static void use_upstream(Draft *draft, Given *given)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    ProfileSettings *profile = draft->profile;
    draft->leaves_base = true;
    if (upstream_url_parse(&draft->url, given->text, &complaint) < 0) {
        draft_fail_value(draft, "upstream", given, text_string(&complaint));
        return;
    }
    profile->host = mem_copy_string(draft->url.host);
    profile->port = draft->url.port;
}

static bool is_same_host(const ProfileSettings *profile, const char *text)
{
    _cleanup_(text_deinit) Text ignored = TEXT_NULL;
    _cleanup_(databricks_host_deinit) DatabricksHost host = DATABRICKS_HOST_NULL;
    return databricks_host_parse(&host, text, &ignored) == 0 && strcmp(host.host, profile->host) == 0 &&
           host.port == profile->port;
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
    _cleanup_(given_deinit) Given base = draft_find_in_base(draft, "host");
    draft->leaves_base = !base.text || !is_same_host(profile, base.text);
}

void draft_resolve_destination(Draft *draft)
{
    _cleanup_(given_deinit) Given upstream = draft_find_in_section(draft, "upstream");
    Given host = draft_find_in_section(draft, "host");
    if (upstream.text && host.text)
        draft_fail(draft, "%s: host and upstream (%s) exclude each other; remove one", host.place,
                   upstream.place);
    if (!host.text)
        host = draft_find_in_base(draft, "host");
    draft->destination = host;
    if (upstream.text) {
        given_deinit(&draft->destination);
        draft->destination = upstream;
        upstream = (Given)GIVEN_NULL;
        use_upstream(draft, &draft->destination);
    } else if (host.text) {
        use_databricks(draft, &draft->destination);
    } else {
        _cleanup_(mem_freep) char *where = draft_where_to_write(draft);
        draft_fail(draft, "profile %s: there is no host; put host = https://... into %s",
                   draft->profile->name, where);
    }
}
