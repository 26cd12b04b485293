#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control_client.h"
#include "cli/daemon_status.h"
#include "cli/table.h"

#define RELEASE_TIMEOUT_MS 20000 /* longer than the daemon gives the server */

/* ---- the list */

static void append_row(Text *text, const json_t *entry)
{
    static const struct {
        const char *key;
        size_t width;
    } COLUMNS[] = {{"name", 14}, {"session_id", 36}, {"user_id", 10}, {"profile", 10}};
    _cleanup_(text_deinit) Text cell = TEXT_NULL;
    for (size_t i = 0; i < sizeof COLUMNS / sizeof COLUMNS[0]; i++) {
        const char *value = daemon_status_text(entry, COLUMNS[i].key);
        table_append_cell(text,
                          value    ? value
                          : i == 0 ? daemon_status_text(entry, "kind")
                                   : "",
                          COLUMNS[i].width, false);
    }
    table_append_count(&cell, (uint64_t)json_integer_value(json_object_get(entry, "clients")));
    table_append_cell(text, text_string(&cell), 7, false);
    text_clear(&cell);
    table_append_count(&cell, (uint64_t)json_integer_value(json_object_get(entry, "operations")));
    table_append_cell(text, text_string(&cell), 4, false);
    text_clear(&cell);
    table_append_duration(&cell, (uint64_t)json_integer_value(json_object_get(entry, "idle_s")) * 1000);
    table_append_cell(text, text_string(&cell), 6, true);
    text_append(text, "\n");
}

static void print_list(const json_t *document)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    size_t i;
    const json_t *entry, *entries = json_object_get(document, "sessions");
    if (json_array_size(entries) == 0) {
        (void)puts("no sessions");
        return;
    }
    text_append(&text,
                "NAME           SESSION                              USER       PROFILE    CLIENTS OPS  "
                "IDLE\n");
    json_array_foreach(entries, i, entry) append_row(&text, entry);
    (void)fputs(text_string(&text), stdout);
}

/* The answer's document, or NULL after a complaint: the daemon's own sentence where there is one. */
static json_t *document_of(const char *path, int error, const ControlReply *reply)
{
    json_t *document = error == 0 ? json_loads(text_string(&reply->body), 0, NULL) : NULL;
    if (document && reply->status == 200)
        return document;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    const char *said = daemon_status_text(document, "error");
    if (said)
        text_append(&sentence, said);
    else
        control_client_explain(&sentence, path, error, reply);
    report_error("%s", text_string(&sentence));
    json_decref(document);
    return NULL;
}

static int list(const char *path, bool as_json)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    int error = control_client_request(path, "GET", "/sessions", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    json_t *document = document_of(path, error, &reply);
    if (!document)
        return CLI_FAILED;
    if (as_json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        print_list(document);
    }
    json_decref(document);
    return CLI_OK;
}

/* ---- the release */

static int release(const char *path, const Options *options)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    json_t *request = json_pack("{s:s, s:s*, s:s*}", "name", options->object, "profile", options->profile,
                                "user", options->user);
    _cleanup_(mem_freep) char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!body) {
        report_error("names are text in UTF-8");
        return CLI_USAGE;
    }
    int error = control_client_post(path, "/sessions/release", body, RELEASE_TIMEOUT_MS, &reply);
    json_t *document = document_of(path, error, &reply);
    if (!document)
        return CLI_FAILED;
    if (options->json)
        (void)puts(text_string(&reply.body));
    else
        (void)printf("released: session %s (%s)\n", options->object,
                     daemon_status_text(document, "session_id"));
    json_decref(document);
    return CLI_OK;
}

int command_sessions(const Cli *cli)
{
    const Options *options = cli->options;
    SettingsSource source = options_source(options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    if (!options->argument)
        return list(path, options->json);
    if (strcmp(options->argument, "release") == 0 && options->object)
        return release(path, options);
    report_error("say sessions, or sessions release NAME; see sparkbouncer sessions --help");
    return CLI_USAGE;
}
