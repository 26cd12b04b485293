#include "cli/doctor.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/daemon_status.h"
#include "cli/table.h"

/* In this order: what comes first explains what fails later. */
static void (*const CHECKS[])(Doctor *doctor) = {
    doctor_check_settings, doctor_check_files,   doctor_check_proxies, doctor_check_bypasses,
    doctor_check_python,   doctor_check_daemon,  doctor_check_port,    doctor_check_credentials,
    doctor_check_skew,     doctor_check_cluster, doctor_check_network, doctor_check_calls,
    doctor_check_versions,
};
#define N_CHECKS (sizeof CHECKS / sizeof CHECKS[0])

static const char *const LEVELS[] = {
    [FINDING_OK] = "ok", [FINDING_WARNING] = "warning", [FINDING_FAILED] = "failed"};

void doctor_add(Doctor *doctor, FindingLevel level, const char *subject, const char *next, const char *format,
                ...)
{
    va_list arguments;
    Text sentence = TEXT_NULL;
    va_start(arguments, format);
    text_vprintf(&sentence, format, arguments);
    va_end(arguments);
    doctor->findings = mem_resize(doctor->findings, (doctor->n_findings + 1) * sizeof *doctor->findings);
    doctor->findings[doctor->n_findings++] =
        (Finding){level, subject, text_take(&sentence), next ? mem_copy_string(next) : NULL};
}

static size_t count(const Doctor *doctor, FindingLevel level)
{
    size_t n = 0;
    for (size_t i = 0; i < doctor->n_findings; i++)
        n += doctor->findings[i].level == level;
    return n;
}

void doctor_append(Text *text, const Doctor *doctor)
{
    for (size_t i = 0; i < doctor->n_findings; i++) {
        const Finding *finding = &doctor->findings[i];
        _cleanup_(text_deinit) Text heading = TEXT_NULL;
        text_printf(&heading, "%-8s %-11s", LEVELS[finding->level], finding->subject);
        text_append(text, text_string(&heading));
        text_append(text, " ");
        table_append_plain(text, finding->sentence);
        text_append(text, "\n");
        if (finding->next) {
            text_append(text, "                      -> ");
            table_append_plain(text, finding->next);
            text_append(text, "\n");
        }
    }
    text_printf(text, "\n%zu ok, %zu warnings, %zu failed\n", count(doctor, FINDING_OK),
                count(doctor, FINDING_WARNING), count(doctor, FINDING_FAILED));
}

/* What libraries say may be any bytes. */
static json_t *text_value(const char *text)
{
    json_t *value = text ? json_string(text) : json_null();
    return value ? value : json_string("(not printable)");
}

json_t *doctor_document(const Doctor *doctor)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < doctor->n_findings; i++) {
        const Finding *finding = &doctor->findings[i];
        (void)json_array_append_new(findings, json_pack("{s:s, s:s, s:o, s:o}", "level",
                                                        LEVELS[finding->level], "subject", finding->subject,
                                                        "sentence", text_value(finding->sentence), "next",
                                                        text_value(finding->next)));
    }
    return json_pack("{s:b, s:o, s:o}", "ok", count(doctor, FINDING_FAILED) == 0, "profile",
                     text_value(doctor->profile ? doctor->profile->name : NULL), "findings", findings);
}

static void doctor_deinit(Doctor *doctor)
{
    doctor_release_daemon(doctor);
    for (size_t i = 0; i < doctor->n_findings; i++) {
        free(doctor->findings[i].sentence);
        free(doctor->findings[i].next);
    }
    free(doctor->findings);
    free(doctor->server_version);
    free(doctor->client_version);
    free(doctor->control_socket);
    daemon_status_release(&doctor->status);
    settings_free(doctor->settings);
    problems_deinit(&doctor->problems);
}

int command_doctor(const Cli *cli)
{
    _cleanup_(doctor_deinit) Doctor doctor = {.options = cli->options,
                                              .environment = (Environment)environ,
                                              .source = options_source(cli->options),
                                              .problems = PROBLEMS_NULL};
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    for (size_t i = 0; i < N_CHECKS; i++)
        CHECKS[i](&doctor);
    if (cli->options->json) {
        json_t *document = doctor_document(&doctor);
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(document);
    } else {
        doctor_append(&text, &doctor);
        (void)fputs(text_string(&text), stdout);
    }
    return count(&doctor, FINDING_FAILED) == 0 ? CLI_OK : CLI_FAILED;
}
