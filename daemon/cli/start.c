#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/control_client.h"
#include "cli/daemon_status.h"
#include "cli/table.h"

#define LOOK_MS 1000 /* how often the daemon, not the workspace, is asked */

/* ---- what the daemon knows of the cluster */

static bool is_text(const json_t *cluster, const char *key, const char *text)
{
    const char *found = daemon_status_text(cluster, key);
    return found && strcmp(found, text) == 0;
}

static bool is_under_way(const json_t *cluster)
{
    return is_text(cluster, "start", "wanted") || is_text(cluster, "start", "under way");
}

static bool runs(const json_t *cluster)
{
    return is_text(cluster, "state", "RUNNING") || is_text(cluster, "state", "RESIZING");
}

static void append_duration(Text *text, const char *before, const json_t *seconds, const char *after)
{
    json_int_t count = json_integer_value(seconds);
    if (count <= 0)
        return;
    text_append(text, before);
    table_append_duration(text, (uint64_t)count * 1000);
    text_append(text, after);
}

/* One line whenever the state is another one, so that a log stays short. */
static void report_state(const json_t *cluster, Text *shown)
{
    const char *state = daemon_status_text(cluster, "state");
    const char *name = daemon_status_text(cluster, "name");
    _cleanup_(text_deinit) Text line = TEXT_NULL;
    if (!state || strcmp(state, text_string(shown)) == 0)
        return;
    text_clear(shown);
    text_append(shown, state);
    text_append(&line, "cluster ");
    table_append_plain(&line, name ? name : "");
    text_printf(&line, "%sis %s", name ? " " : "", state);
    append_duration(&line, ", about ", json_object_get(cluster, "expected_s"), " more");
    (void)puts(text_string(&line));
    (void)fflush(stdout);
}

static int report_end(const json_t *cluster)
{
    const char *problem = daemon_status_text(cluster, "problem");
    if (runs(cluster)) {
        (void)puts("it takes calls");
        return CLI_OK;
    }
    report_error("%s", problem ? problem : "the daemon does not start the cluster any more");
    return CLI_FAILED;
}

/* ---- the conversation */

/* Looks until it is known how the start ended. */
static int watch(const char *path, const char *profile)
{
    _cleanup_(text_deinit) Text shown = TEXT_NULL, reason = TEXT_NULL;
    for (;;) {
        _cleanup_(daemon_status_release) json_t *document = NULL;
        if (daemon_status_fetch(path, &document, &reason) != 0) {
            report_error("%s", text_string(&reason));
            return CLI_FAILED;
        }
        const json_t *cluster = json_object_get(daemon_status_profile(document, profile), "cluster");
        report_state(cluster, &shown);
        if (!is_under_way(cluster))
            return report_end(cluster);
        struct timespec pause = {.tv_sec = LOOK_MS / 1000};
        (void)nanosleep(&pause, NULL);
    }
}

/* The name that was given, or the default profile's. free(). NULL after a complaint. */
static char *choose_profile(const Cli *cli, const char *path)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    _cleanup_(daemon_status_release) json_t *document = NULL;
    if (cli->options->argument)
        return mem_copy_string(cli->options->argument);
    if (daemon_status_fetch(path, &document, &reason) != 0) {
        report_error("%s", text_string(&reason));
        return NULL;
    }
    const char *name = daemon_status_text(daemon_status_profile(document, NULL), "name");
    if (!name)
        report_error("there is no default profile; say which: sparkbouncer start PROFILE");
    return name ? mem_copy_string(name) : NULL;
}

static bool begin(const char *path, const char *profile)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    json_t *request = json_pack("{s:s}", "profile", profile);
    _cleanup_(mem_freep) char *body = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!body) {
        report_error("the name of the profile is not text");
        return false;
    }
    int error = control_client_post(path, "/start", body, CONTROL_CLIENT_TIMEOUT_MS, &reply);
    if (error == 0 && reply.status == 202)
        return true;
    json_t *answer = error == 0 ? json_loads(text_string(&reply.body), 0, NULL) : NULL;
    const char *said = daemon_status_text(answer, "error");
    if (said)
        text_append(&sentence, said);
    else
        control_client_explain(&sentence, path, error, &reply);
    report_error("%s", text_string(&sentence));
    json_decref(answer);
    return false;
}

int command_start(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(mem_freep) char *profile = choose_profile(cli, path);
    if (!profile || !begin(path, profile))
        return CLI_FAILED;
    if (!cli->options->no_wait)
        return watch(path, profile);
    (void)puts("starting");
    return CLI_OK;
}
