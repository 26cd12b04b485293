#include <string.h>

#include "conf/profile_draft.h"

static void check_cluster(Draft *draft)
{
    Given *given = &draft->cluster;
    if (*given->text == '\0')
        draft_fail_value(draft, "cluster_id", given, "the value is missing");
    if (strpbrk(given->text, " \t"))
        draft_fail_value(draft, "cluster_id", given,
                         "a cluster id has no blanks; a comment takes a line of its own");
    draft_check_text(draft, "cluster_id", given, given->text);
}

static void check_serverless(Draft *draft)
{
    if (strcmp(draft->serverless.text, "auto") != 0)
        draft_fail_value(draft, "serverless_compute_id", &draft->serverless, "write auto");
    else if (!draft->profile->databricks)
        draft_fail(draft, "%s: serverless_compute_id is for a Databricks host, not for an upstream",
                   draft->serverless.place);
}

static void find_in_section(Draft *draft)
{
    draft->cluster = draft_find_in_section(draft, "cluster_id");
    draft->serverless = draft_find_in_section(draft, "serverless_compute_id");
    if (draft->cluster.text && draft->url.cluster_id)
        draft_fail_value(draft, "cluster_id", &draft->cluster,
                         "the upstream names a cluster already; remove one");
    if (!draft->cluster.text && draft->url.cluster_id)
        draft->cluster = given_new(GIVEN_FILE, draft->url.cluster_id, draft->destination.given.place);
}

/* Where [profile X] names either, it has chosen; the SDKs' sources, environment and file, count together. */
void draft_resolve_cluster(Draft *draft)
{
    ProfileSettings *profile = draft->profile;
    find_in_section(draft);
    if (!draft->cluster.text && !draft->serverless.text && !draft->leaves_base) {
        draft->cluster = draft_find_in_base(draft, "cluster_id").given;
        draft->serverless = draft_find_in_base(draft, "serverless_compute_id").given;
    }
    if (draft->cluster.text && draft->serverless.text)
        draft_fail(
            draft,
            "profile %s: cluster_id (%s) and serverless_compute_id (%s) exclude each other; remove one",
            profile->name, draft->cluster.place, draft->serverless.place);
    if (draft->cluster.text) {
        check_cluster(draft);
        profile->cluster_id = mem_copy_string(draft->cluster.text);
    }
    if (draft->serverless.text) {
        check_serverless(draft);
        profile->is_serverless = true;
    }
}

void draft_note_cluster(const Draft *draft)
{
    draft_note(draft, "cluster_id", draft->cluster.text, &draft->cluster);
    if (draft->serverless.text)
        draft_note(draft, "serverless_compute_id", draft->serverless.text, &draft->serverless);
}
