#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/daemon_status.h"
#include "cli/profile_rows.h"

#define PROBE_TIMEOUT_MS 10000

/* Without a daemon: the rows, or NULL with the exit code. */
static json_t *read_settings(const SettingsSource *source, int *ret_code)
{
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(settings_freep) Settings *settings = NULL;
    int error = settings_load(&settings, source, &problems);
    report_problems(&problems);
    *ret_code = error == 0 ? CLI_OK : CLI_USAGE;
    return error == 0 ? profile_rows_from_settings(settings) : NULL;
}

static void print(const json_t *rows, bool is_from_daemon, bool as_json)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    if (as_json) {
        json_t *document =
            json_pack("{s:s, s:O}", "source", is_from_daemon ? "daemon" : "settings", "profiles", rows);
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(document);
        return;
    }
    if (!is_from_daemon)
        text_append(&text, "No daemon runs: this is what the settings say, and nobody was asked.\n\n");
    profile_rows_append(&text, rows);
    if (json_array_size(rows) == 0)
        text_append(&text, "There are no profiles; write host and token into ~/.databrickscfg.\n");
    (void)fputs(text_string(&text), stdout);
}

int command_profiles(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    _cleanup_(daemon_status_release) json_t *status = NULL, *rows = NULL;
    int code = CLI_OK, error = daemon_status_fetch(path, &status, &reason);
    if (error == 0) {
        profile_rows_probe(path, NULL, PROBE_TIMEOUT_MS, &status);
        rows = profile_rows_from_status(status);
    } else if (error == -ENOENT || error == -ECONNREFUSED) {
        rows = read_settings(&source, &code);
    } else {
        report_error("%s", text_string(&reason));
        code = CLI_FAILED;
    }
    if (rows)
        print(rows, error == 0, cli->options->json);
    return code;
}
