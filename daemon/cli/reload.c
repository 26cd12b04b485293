#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control_client.h"

static void report_sentences(const json_t *document, const char *key, const char *prefix)
{
    size_t i;
    const json_t *sentence;
    json_array_foreach(json_object_get(document, key), i, sentence)
    {
        const char *text = json_string_value(sentence);
        if (text)
            (void)fprintf(stderr, "%s: %s\n", prefix, text);
    }
}

/* "changed dev, lab" and the like; nothing when there are none. */
static void append_names(Text *text, const char *what, const json_t *names)
{
    size_t i;
    const json_t *name;
    if (json_array_size(names) == 0)
        return;
    text_printf(text, "%s%s ", text->length ? "; " : "", what);
    json_array_foreach(names, i, name)
        text_printf(text, "%s%s", i > 0 ? ", " : "", json_is_string(name) ? json_string_value(name) : "?");
}

static void print_changes(const json_t *document)
{
    static const char *const CHANGES[] = {"changed", "added", "removed"};
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    const json_t *profiles = json_object_get(document, "profiles");
    const json_t *listeners = json_object_get(document, "listeners");
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++)
        append_names(&text, CHANGES[i], json_object_get(profiles, CHANGES[i]));
    append_names(&text, "listening on", json_object_get(listeners, "opened"));
    append_names(&text, "no longer on", json_object_get(listeners, "closed"));
    (void)printf("reloaded: %s\n", text.length ? text_string(&text) : "no profile or address has changed");
}

/* Exit code 2 as for `check`: it is the configuration that is wrong. */
static int report(const ControlReply *reply, const json_t *document, bool as_json)
{
    bool is_reloaded = reply->status == 200;
    if (as_json) {
        (void)puts(text_string(&reply->body));
        return is_reloaded ? CLI_OK : CLI_USAGE;
    }
    report_sentences(document, "problems", "error");
    report_sentences(document, "warnings", "warning");
    if (is_reloaded)
        print_changes(document);
    else
        report_error("not reloaded; what was in force before stays");
    return is_reloaded ? CLI_OK : CLI_USAGE;
}

int command_reload(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    int error = control_client_request(path, "POST", "/reload", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    json_t *document = error == 0 ? json_loads(text_string(&reply.body), 0, NULL) : NULL;
    int code = CLI_FAILED;
    if (document && (reply.status == 200 || reply.status == 409)) {
        code = report(&reply, document, cli->options->json);
    } else {
        control_client_explain(&sentence, path, error, &reply);
        report_error("%s", text_string(&sentence));
    }
    json_decref(document);
    return code;
}
