#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/control_client.h"
#include "cli/status_table.h"

static int fetch(const char *path, json_t **ret_document)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    int error = control_client_request(path, "GET", "/status", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    if (error == 0 && reply.status == 200) {
        *ret_document = json_loads(text_string(&reply.body), 0, NULL);
        if (*ret_document)
            return 0;
        error = -EPROTO;
    }
    control_client_explain(&sentence, path, error, &reply);
    report_error("%s", text_string(&sentence));
    return -1;
}

int command_status(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(text_deinit) Text table = TEXT_NULL;
    json_t *document = NULL;
    if (fetch(path, &document) != 0)
        return CLI_FAILED;
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
