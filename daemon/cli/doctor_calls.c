#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "cli/capture.h"
#include "cli/daemon_status.h"
#include "cli/doctor.h"

#define PROBE_NAME       "sparkbouncer-probe"
#define PROBE_TIMEOUT_MS 60000
#define MAX_WORDS        10

/* gRPC's numbers. */
enum { STATUS_PERMISSION_DENIED = 7, STATUS_UNAUTHENTICATED = 16 };

/* Beside this program, else in PATH. free(). */
static char *probe_path(void)
{
    char own[PATH_MAX];
    size_t size = sizeof own;
    Text path = TEXT_NULL;
    char *slash = uv_exepath(own, &size) == 0 ? strrchr(own, '/') : NULL;
    if (slash)
        text_printf(&path, "%.*s/" PROBE_NAME, (int)(slash - own), own);
    if (slash && access(text_string(&path), X_OK) == 0)
        return text_take(&path);
    text_clear(&path);
    text_append(&path, PROBE_NAME);
    return text_take(&path);
}

/* The document that the probe prints; NULL after the finding. A new reference. */
static json_t *run_probe(Doctor *doctor, const char *const *options, const char *headers,
                         size_t headers_length)
{
    _cleanup_(mem_freep) char *path = probe_path();
    _cleanup_(text_deinit) Text output = TEXT_NULL;
    char *words[MAX_WORDS + 4] = {path, mem_copy_string("--headers-from-stdin"),
                                  mem_copy_string("--timeout=15")};
    size_t n = 3;
    for (; *options && n < MAX_WORDS + 3; options++)
        words[n++] = mem_copy_string(*options);
    int code = capture_run(words, headers, headers_length, PROBE_TIMEOUT_MS, &output);
    for (size_t i = 1; i < n; i++)
        free(words[i]);
    json_t *document = code == 0 || code == 1 ? json_loads(text_string(&output), 0, NULL) : NULL;
    if (!document && code == 127)
        doctor_add(doctor, FINDING_WARNING, "calls", "build it where gRPC is installed (libgrpc-dev)",
                   PROBE_NAME " is not installed, so no calls are tried");
    else if (!document)
        doctor_add(doctor, FINDING_WARNING, "calls", NULL, PROBE_NAME " ended with %d and no answer", code);
    return document;
}

static const char *message_of(const json_t *document)
{
    const char *message = daemon_status_text(document, "message");
    return message ? message : "no reason given";
}

static json_int_t number_of(const json_t *document, const char *key)
{
    return json_integer_value(json_object_get(document, key));
}

/* ---- through the daemon */

static void judge_through(Doctor *doctor, const json_t *answer)
{
    json_int_t status = number_of(answer, "status");
    const char *version = daemon_status_text(answer, "spark_version");
    if (json_is_true(json_object_get(answer, "ok"))) {
        doctor->server_version = version ? mem_copy_string(version) : NULL;
        doctor_add(doctor, FINDING_OK, "daemon call", NULL,
                   "Config through the daemon works (%" JSON_INTEGER_FORMAT " ms); the token is accepted",
                   number_of(answer, "ms"));
    } else if (status == STATUS_UNAUTHENTICATED || status == STATUS_PERMISSION_DENIED) {
        doctor_add(doctor, FINDING_FAILED, "daemon call", NULL, "the token is not accepted: %s",
                   message_of(answer));
    } else {
        doctor_add(doctor, FINDING_FAILED, "daemon call", NULL,
                   "Config through the daemon fails with status %" JSON_INTEGER_FORMAT ": %s", status,
                   message_of(answer));
    }
}

static bool call_through(Doctor *doctor)
{
    const char *address = daemon_status_address(doctor->status);
    _cleanup_(text_deinit) Text target = TEXT_NULL, headers = TEXT_NULL;
    if (!address)
        return true;
    text_printf(&target, "--target=%s", address + strlen("sc://"));
    text_printf(&headers, "x-profile: %s\n", doctor->profile->name);
    const char *const options[] = {text_string(&target), NULL};
    json_t *answer = run_probe(doctor, options, text_string(&headers), headers.length);
    if (answer)
        judge_through(doctor, answer);
    json_decref(answer);
    return answer != NULL;
}

/* ---- past it */

/* With the token where it is a static one; others are only the daemon's, and a refusal shows the way as well.
 */
static void append_headers(Text *headers, const ProfileSettings *profile)
{
    if (profile->cluster_id)
        text_printf(headers, "x-databricks-cluster-id: %s\n", profile->cluster_id);
    if (profile->auth.token)
        text_printf(headers, "authorization: Bearer %s\n", secret_reveal(profile->auth.token));
}

static void judge_past(Doctor *doctor, const json_t *answer)
{
    bool has_token = doctor->profile->auth.token != NULL;
    json_int_t status = number_of(answer, "status");
    bool is_refused = status == STATUS_UNAUTHENTICATED || status == STATUS_PERMISSION_DENIED;
    if (json_is_true(json_object_get(answer, "ok")))
        doctor_add(doctor, FINDING_OK, "direct call", NULL,
                   "Config past the daemon works (%" JSON_INTEGER_FORMAT " ms)", number_of(answer, "ms"));
    else if (is_refused && !has_token)
        doctor_add(doctor, FINDING_OK, "direct call", NULL,
                   "without a token the server refuses the call (%" JSON_INTEGER_FORMAT
                   " ms), so it can be reached",
                   number_of(answer, "ms"));
    else
        doctor_add(doctor, FINDING_WARNING, "direct call", NULL,
                   "Config past the daemon fails with status %" JSON_INTEGER_FORMAT ": %s", status,
                   message_of(answer));
}

static void call_past(Doctor *doctor)
{
    const ProfileSettings *profile = doctor->profile;
    _cleanup_(text_deinit) Text target = TEXT_NULL, ca_file = TEXT_NULL;
    size_t room = 512 + (profile->auth.token ? secret_length(profile->auth.token) : 0) +
                  (profile->cluster_id ? strlen(profile->cluster_id) : 0);
    Text headers = {.bytes = mem_alloc_zeroed(room, 1), .length = 0, .capacity = room};
    bool is_ipv6 = strchr(profile->host, ':') != NULL;
    const char *options[5] = {NULL};
    size_t n = 0;
    text_printf(&target, is_ipv6 ? "--target=[%s]:%u" : "--target=%s:%u", profile->host, profile->port);
    options[n++] = text_string(&target);
    if (profile->use_tls)
        options[n++] = "--tls";
    if (profile->is_serverless)
        options[n++] = "--serverless";
    if (profile->use_tls && profile->ca_file) {
        text_printf(&ca_file, "--ca-file=%s", profile->ca_file);
        options[n++] = text_string(&ca_file);
    }
    append_headers(&headers, profile);
    json_t *answer = run_probe(doctor, options, text_string(&headers), headers.length);
    secret_wipe(headers.bytes, headers.capacity);
    text_deinit(&headers);
    if (answer)
        judge_past(doctor, answer);
    json_decref(answer);
}

/* ---- both */

/* A call would start it, or wait for it: that costs money, or minutes. */
static bool cluster_is_off(const Doctor *doctor)
{
    const json_t *profile = daemon_status_profile(doctor->status, doctor->profile->name);
    const char *state = daemon_status_text(json_object_get(profile, "cluster"), "state");
    return state && (strncmp(state, "TERMINAT", 8) == 0 || strcmp(state, "PENDING") == 0);
}

void doctor_check_calls(Doctor *doctor)
{
    if (!doctor->profile || doctor->profile->is_local) /* to try is to start it */
        return;
    if (doctor->status && cluster_is_off(doctor))
        doctor_add(doctor, FINDING_WARNING, "calls", NULL, "none is tried, as the cluster does not run");
    else if (!doctor->status || doctor->is_unreachable || call_through(doctor))
        call_past(doctor); /* a client may reach what the daemon does not, by a proxy */
}

/* ---- versions */

static bool parse_version(const char *text, unsigned *ret_number)
{
    unsigned major, minor;
    bool is_good = text && sscanf(text, "%u.%u", &major, &minor) == 2;
    *ret_number = is_good ? major * 1000 + minor : 0;
    return is_good;
}

void doctor_check_versions(Doctor *doctor)
{
    unsigned client, server;
    if (!parse_version(doctor->client_version, &client) || !parse_version(doctor->server_version, &server))
        return;
    if (client > server)
        doctor_add(doctor, FINDING_WARNING, "versions",
                   "pip install a PySpark that is not newer than the server",
                   "PySpark %s here is newer than Spark %s there, which may not know all that it sends",
                   doctor->client_version, doctor->server_version);
    else
        doctor_add(doctor, FINDING_OK, "versions", NULL, "PySpark %s is not newer than Spark %s",
                   doctor->client_version, doctor->server_version);
}
