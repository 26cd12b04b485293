#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/daemon_status.h"
#include "cli/status_table.h"

int command_status(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(text_deinit) Text table = TEXT_NULL;
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    json_t *document = NULL;
    if (daemon_status_fetch(path, &document, &reason) != 0) {
        report_error("%s", text_string(&reason));
        return CLI_FAILED;
    }
    if (cli->options->json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        status_table_append(&table, document);
        (void)fputs(text_string(&table), stdout);
    }
    json_decref(document);
    return CLI_OK;
}
