#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"

static json_t *problems_document(const Problems *problems)
{
    json_t *document = json_array();
    for (size_t i = 0; i < problems->n_entries; i++) {
        const Problem *problem = &problems->entries[i];
        json_t *sentence = json_string(problem->sentence);
        (void)json_array_append_new(
            document, json_pack("{s:s, s:o}", "level", problem->is_error ? "error" : "warning", "sentence",
                                sentence ? sentence : json_string("(not printable)")));
    }
    return document;
}

static void print_json(bool is_good, const char *description, const Problems *problems)
{
    json_t *values = json_loads(description, 0, NULL);
    json_t *document = json_pack("{s:b, s:o, s:o}", "ok", is_good, "problems", problems_document(problems),
                                 "settings", values ? values : json_null());
    (void)json_dumpf(document, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(document);
}

/* Shows what could be read also when some of it is wrong: that is when one looks. */
int command_check(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(mem_freep) char *description = NULL;
    int error = settings_check(&description, &source, cli->options->json, &problems);
    if (cli->options->json) {
        print_json(error == 0, description, &problems);
    } else {
        (void)fputs(description, stdout);
        (void)fflush(stdout);
        report_problems(&problems);
    }
    return error == 0 ? CLI_OK : CLI_USAGE;
}
