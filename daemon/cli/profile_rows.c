#include "cli/profile_rows.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/control_client.h"
#include "cli/daemon_status.h"
#include "cli/table.h"

#define RETRY_MS 100

/* ---- from the daemon */

static json_t *part(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

static json_t *row_from_status(const json_t *profile)
{
    const json_t *credential = json_object_get(profile, "credential");
    json_t *user = json_object_get(profile, "user");
    return json_pack("{s:o, s:o, s:o, s:s?, s:O*, s:s?, s:o, s:o, s:o, s:o}", "name", part(profile, "name"),
                     "is_default", part(profile, "is_default"), "host", part(profile, "host"), "auth_type",
                     daemon_credential_type(credential), "user",
                     user ? user : json_object_get(credential, "user"), "cluster_id",
                     daemon_cluster_id(profile), "serverless", part(profile, "serverless"), "credential",
                     part(profile, "credential"), "cluster", part(profile, "cluster"), "problem",
                     part(profile, "problem"));
}

json_t *profile_rows_from_status(const json_t *status)
{
    const json_t *profiles = json_object_get(status, "profiles");
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const json_t *profile = json_array_get(profiles, i);
        if (!json_is_true(json_object_get(profile, "is_guest")))
            (void)json_array_append_new(rows, row_from_status(profile));
    }
    return rows;
}

/* ---- from the settings */

/* How the profile may log in; NULL: in no way. free(). */
static char *describe_auth(const AuthSettings *auth)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < auth->n_chain; i++)
        text_printf(&text, "%s%s", i > 0 ? ", " : "", auth_type_name(auth->chain[i]));
    return auth->n_chain > 0 ? text_take(&text) : NULL;
}

static json_t *row_from_settings(const Settings *settings, const ProfileSettings *profile)
{
    _cleanup_(mem_freep) char *auth = describe_auth(&profile->auth);
    bool is_default = settings->default_profile && strcmp(settings->default_profile, profile->name) == 0;
    return json_pack("{s:s, s:b, s:s?, s:s?, s:n, s:s?, s:b, s:n, s:n, s:s?}", "name", profile->name,
                     "is_default", is_default, "host", profile->host, "auth_type", auth, "user", "cluster_id",
                     profile->cluster_id, "serverless", profile->is_serverless, "credential", "cluster",
                     "problem", profile->problem);
}

json_t *profile_rows_from_settings(const Settings *settings)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < settings->n_profiles; i++)
        (void)json_array_append_new(rows, row_from_settings(settings, &settings->profiles[i]));
    return rows;
}

/* ---- asking */

/* Somebody waits for the workspace's answer; a start may take minutes, and its state is known meanwhile. */
static bool is_asked(const json_t *cluster)
{
    const char *start = daemon_status_text(cluster, "start");
    bool is_starting = start && (strcmp(start, "wanted") == 0 || strcmp(start, "under way") == 0);
    return !is_starting && json_integer_value(json_object_get(cluster, "waiting")) > 0;
}

bool profile_is_settled(const json_t *profile)
{
    const json_t *credential = json_object_get(profile, "credential");
    const json_t *cluster = json_object_get(profile, "cluster");
    bool has_cluster = json_is_object(cluster) && daemon_cluster_id(profile);
    if (daemon_status_text(profile, "problem") || !credential)
        return true;
    if (daemon_credential_is_pending(credential))
        return false;
    return !daemon_credential_is_ready(credential) || !has_cluster ||
           (daemon_cluster_state(profile) && !is_asked(cluster));
}

static bool is_wanted(const json_t *profile, const char *name)
{
    const char *own = daemon_status_text(profile, "name");
    return own && (name ? strcmp(own, name) == 0 : !json_is_true(json_object_get(profile, "is_guest")));
}

static void ask(const char *control_socket, const json_t *profile)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    json_t *body = json_pack("{s:O}", "profile", json_object_get(profile, "name"));
    char *text = json_dumps(body, JSON_COMPACT);
    if (text) /* a daemon that cannot look still says what it knows */
        (void)!control_client_post(control_socket, "/probe", text, CONTROL_CLIENT_TIMEOUT_MS, &reply);
    free(text);
    json_decref(body);
}

static bool all_settled(const json_t *status, const char *name)
{
    const json_t *profiles = json_object_get(status, "profiles");
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const json_t *profile = json_array_get(profiles, i);
        if (is_wanted(profile, name) && !profile_is_settled(profile))
            return false;
    }
    return true;
}

void profile_rows_probe(const char *control_socket, const char *name, uint64_t timeout_ms, json_t **status)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * (long)NS_PER_MS};
    uint64_t deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    const json_t *profiles = json_object_get(*status, "profiles");
    for (size_t i = 0; i < json_array_size(profiles); i++)
        if (is_wanted(json_array_get(profiles, i), name))
            ask(control_socket, json_array_get(profiles, i));
    for (;;) {
        _cleanup_(text_deinit) Text ignored = TEXT_NULL;
        json_t *document = NULL;
        if (daemon_status_fetch(control_socket, &document, &ignored) != 0)
            return;
        json_decref(*status);
        *status = document;
        if (all_settled(document, name) || clock_now_ns() > deadline_ns)
            return;
        (void)nanosleep(&pause, NULL);
    }
}

/* ---- for people */

static void append_token(Text *line, const json_t *row)
{
    const json_t *credential = json_object_get(row, "credential");
    json_int_t expires_in_s = json_integer_value(json_object_get(credential, "expires_in_s"));
    bool is_ready = daemon_credential_is_ready(credential);
    if (!daemon_status_text(credential, "state") || !daemon_status_text(row, "auth_type"))
        return;
    text_append(line, is_ready                                   ? ", token ok"
                      : daemon_credential_is_pending(credential) ? ", no token yet"
                                                                 : ", no token");
    if (is_ready && expires_in_s > 0) {
        text_append(line, ", expires in ");
        table_append_duration(line, (uint64_t)expires_in_s * 1000);
    }
}

static void append_cluster(Text *line, const json_t *row)
{
    const json_t *cluster = json_object_get(row, "cluster");
    const char *id = daemon_status_text(row, "cluster_id"), *state = daemon_cluster_state(row);
    const char *message = daemon_status_text(cluster, "message");
    if (json_is_true(json_object_get(row, "serverless")))
        text_append(line, "serverless");
    if (!id)
        return;
    text_printf(line, "cluster %s", id);
    if (state)
        text_printf(line, " %s", state);
    if (message)
        text_printf(line, ": %s", message);
}

static void append_line(Text *text, const Text *line)
{
    if (line->length > 0)
        table_append_wrapped(text, text_string(line), "  ");
}

static void append_row(Text *text, const json_t *row)
{
    _cleanup_(text_deinit) Text login = TEXT_NULL, cluster = TEXT_NULL;
    const char *name = daemon_status_text(row, "name"), *host = daemon_status_text(row, "host");
    const char *auth = daemon_status_text(row, "auth_type"), *user = daemon_status_text(row, "user");
    const char *problem = daemon_status_text(row, "problem");
    const char *why = daemon_status_text(json_object_get(row, "credential"), "problem");
    table_append_plain(text, name ? name : "?");
    text_append(text, json_is_true(json_object_get(row, "is_default")) ? "*  " : "  ");
    table_append_plain(text, host ? host : "-");
    text_append(text, "\n");
    bool is_known = json_is_object(json_object_get(row, "credential"));
    text_append(&login, auth ? auth : is_known ? "no login" : "");
    if (user)
        text_printf(&login, ", user %s", user);
    append_token(&login, row);
    append_line(text, &login);
    append_cluster(&cluster, row);
    append_line(text, &cluster);
    if (problem || why)
        table_append_wrapped(text, problem ? problem : why, "  ! ");
}

void profile_rows_append(Text *text, const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        append_row(text, json_array_get(rows, i));
}
