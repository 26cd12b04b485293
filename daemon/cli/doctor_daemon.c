#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "cli/control_client.h"
#include "cli/daemon_status.h"
#include "cli/doctor.h"
#include "cli/profile_rows.h"
#include "cli/table.h"
#include "front/port_owner.h"

#define PROBE_TIMEOUT_MS 10000
#define START_TIMEOUT_MS 15000
#define RETRY_MS         50
#define LARGE_SKEW_S     30

/* ---- a daemon of its own, so that everything is looked at with the daemon's own eyes */

static void run_own(char *const *words, int log)
{
#ifdef PR_SET_PDEATHSIG
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)execv(words[0], words);
    _exit(127);
}

static void wait_for_own(Doctor *doctor)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * (long)NS_PER_MS};
    uint64_t deadline_ns = clock_now_ns() + START_TIMEOUT_MS * NS_PER_MS;
    while (clock_now_ns() < deadline_ns) {
        _cleanup_(text_deinit) Text ignored = TEXT_NULL;
        if (daemon_status_fetch(doctor->control_socket, &doctor->status, &ignored) == 0)
            return;
        if (waitpid(doctor->own_daemon, NULL, WNOHANG) == doctor->own_daemon) {
            doctor->own_daemon = 0;
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
}

static void start_own(Doctor *doctor)
{
    char binary[PATH_MAX], folder[] = "/tmp/sparkbouncer-doctor.XXXXXX", run[] = "run",
                           listen[] = "--listen=127.0.0.1:0";
    size_t size = sizeof binary;
    _cleanup_(text_deinit) Text socket_flag = TEXT_NULL, config_flag = TEXT_NULL;
    if (uv_exepath(binary, &size) != 0 || !mkdtemp(folder))
        return;
    doctor->own_folder = mem_copy_string(folder);
    text_printf(&socket_flag, "--control-socket=%s/control.sock", folder);
    free(doctor->control_socket);
    doctor->control_socket = mem_copy_string(strchr(text_string(&socket_flag), '=') + 1);
    if (doctor->options->config_file)
        text_printf(&config_flag, "--config=%s", doctor->options->config_file);
    char *const words[] = {binary, run, listen, socket_flag.bytes, config_flag.bytes, NULL};
    int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
    doctor->own_daemon = fork();
    if (doctor->own_daemon == 0)
        run_own(words, log);
    (void)close(log);
    if (doctor->own_daemon > 0)
        wait_for_own(doctor);
}

void doctor_release_daemon(Doctor *doctor)
{
    if (doctor->own_daemon > 0) {
        (void)kill(doctor->own_daemon, SIGTERM);
        (void)waitpid(doctor->own_daemon, NULL, 0);
    }
    if (doctor->own_folder)
        (void)rmdir(doctor->own_folder); /* the daemon has removed its socket */
    free(doctor->own_folder);
    doctor->own_folder = NULL;
    doctor->own_daemon = 0;
}

/* ---- the daemon */

static void describe_daemon(Doctor *doctor)
{
    const char *address = daemon_status_address(doctor->status);
    const char *version = daemon_status_text(doctor->status, "version");
    json_int_t pid = json_integer_value(json_object_get(doctor->status, "pid"));
    if (!address)
        doctor_add(doctor, FINDING_WARNING, "daemon", "add 127.0.0.1:15002 to listen",
                   "runs (pid %" JSON_INTEGER_FORMAT "), but has no address that PySpark can reach", pid);
    else if (version && strcmp(version, SPARKBOUNCER_VERSION) != 0)
        doctor_add(doctor, FINDING_WARNING, "daemon", "sparkbouncer stop, then sparkbouncer run",
                   "runs (pid %" JSON_INTEGER_FORMAT "), but is version %s and not " SPARKBOUNCER_VERSION,
                   pid, version);
    else
        doctor_add(doctor, FINDING_OK, "daemon", NULL, "runs (pid %" JSON_INTEGER_FORMAT ") on %s", pid,
                   address);
}

static void start_instead(Doctor *doctor, const char *reason)
{
    doctor_add(doctor, FINDING_WARNING, "daemon", "sparkbouncer run", "%s", reason);
    if (doctor->settings && doctor->settings->n_profiles > 0)
        start_own(doctor);
    if (doctor->settings && doctor->settings->n_profiles > 0 && !doctor->status)
        doctor_add(doctor, FINDING_FAILED, "daemon", "sparkbouncer run",
                   "one for this examination does not start");
}

void doctor_check_daemon(Doctor *doctor)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    doctor->control_socket = settings_control_socket(&doctor->source);
    int error = daemon_status_fetch(doctor->control_socket, &doctor->status, &reason);
    if (error == 0)
        describe_daemon(doctor);
    else if (error == -ENOENT || error == -ECONNREFUSED)
        start_instead(doctor, "none runs; this examination uses one of its own");
    else
        doctor_add(doctor, FINDING_FAILED, "daemon", NULL, "%s", text_string(&reason));
    if (!doctor->status)
        return;
    const char *name = doctor->options->profile;
    if (name && !daemon_status_profile(doctor->status, name) && doctor->profile)
        doctor_add(doctor, FINDING_FAILED, "daemon", "sparkbouncer reload",
                   "it does not know the profile %s yet", name);
    profile_rows_probe(doctor->control_socket, name, PROBE_TIMEOUT_MS, &doctor->status);
}

/* ---- ports */

static bool is_taken(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_open;
}

static bool daemon_listens_on(const Doctor *doctor, uint16_t port)
{
    const json_t *listeners = json_object_get(doctor->status, "listeners");
    for (size_t i = 0; !doctor->own_folder && i < json_array_size(listeners); i++) {
        const char *address = json_string_value(json_array_get(listeners, i));
        if (address && daemon_address_port(address) == port)
            return true;
    }
    return false;
}

void doctor_check_port(Doctor *doctor)
{
    char owner[128] = "a process of another user";
    for (size_t i = 0; doctor->settings && i < doctor->settings->n_listens; i++) {
        const ListenSettings *listen = &doctor->settings->listens[i];
        if (listen->kind != LISTEN_TCP || listen->port == 0)
            continue;
        bool is_known = port_owner_describe(listen->port, owner, sizeof owner);
        if (daemon_listens_on(doctor, listen->port))
            doctor_add(doctor, FINDING_OK, "port", NULL, "%u is held by the daemon", listen->port);
        else if (is_known || is_taken(listen->port))
            doctor_add(doctor, FINDING_FAILED, "port", "stop it, or choose another port with listen",
                       "%u is held by %s, which is not the daemon", listen->port, owner);
        else
            doctor_add(doctor, FINDING_OK, "port", NULL, "%u is free", listen->port);
    }
}

/* ---- what the daemon knows of profiles */

static void check_credential(Doctor *doctor, const json_t *profile)
{
    const char *name = daemon_status_text(profile, "name"), *problem = daemon_status_text(profile, "problem");
    const json_t *credential = json_object_get(profile, "credential");
    const char *state = daemon_status_text(credential, "state"), *type = daemon_credential_type(credential);
    const char *why = daemon_status_text(credential, "problem");
    json_int_t expires_in_s = json_integer_value(json_object_get(credential, "expires_in_s"));
    _cleanup_(text_deinit) Text life = TEXT_NULL;
    bool is_ready = daemon_credential_is_ready(credential);
    FindingLevel bad = doctor->profile && name && strcmp(doctor->profile->name, name) == 0 ? FINDING_FAILED
                                                                                           : FINDING_WARNING;
    if (expires_in_s > 0) {
        text_append(&life, ", expires in ");
        table_append_duration(&life, (uint64_t)expires_in_s * 1000);
    }
    if (problem || why)
        doctor_add(doctor, bad, "credential", NULL, "%s: %s", name, problem ? problem : why);
    else if (is_ready)
        doctor_add(doctor, FINDING_OK, "credential", NULL, "%s: %s, there is a token%s", name,
                   type ? type : "?", text_string(&life));
    else if (!type)
        doctor_add(doctor, FINDING_OK, "credential", NULL, "%s: none is sent", name);
    else
        doctor_add(doctor, bad, "credential", "sparkbouncer profiles", "%s: %s, no token yet (%s)", name,
                   type, state ? state : "not known");
}

void doctor_check_credentials(Doctor *doctor)
{
    const json_t *profiles = json_object_get(doctor->status, "profiles");
    const char *wanted = doctor->options->profile;
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const json_t *profile = json_array_get(profiles, i);
        const char *name = daemon_status_text(profile, "name");
        bool is_guest = json_is_true(json_object_get(profile, "is_guest"));
        if (name && !is_guest && (!wanted || strcmp(wanted, name) == 0) &&
            json_is_object(json_object_get(profile, "credential")))
            check_credential(doctor, profile);
    }
}

/* The status's profile that is examined; NULL: there is none. */
static const json_t *examined(const Doctor *doctor)
{
    return doctor->profile ? daemon_status_profile(doctor->status, doctor->profile->name) : NULL;
}

void doctor_check_skew(Doctor *doctor)
{
    int64_t seconds;
    if (!daemon_credential_skew(json_object_get(examined(doctor), "credential"), &seconds))
        return;
    if (seconds > -LARGE_SKEW_S && seconds < LARGE_SKEW_S)
        doctor_add(doctor, FINDING_OK, "clock", NULL, "within %d s of the server's", LARGE_SKEW_S);
    else
        doctor_add(doctor, FINDING_WARNING, "clock", "timedatectl set-ntp true",
                   "this machine is %" PRId64 " s %s the server, and tokens may seem to have ended",
                   seconds > 0 ? seconds : -seconds, seconds > 0 ? "behind" : "ahead of");
}

void doctor_check_cluster(Doctor *doctor)
{
    const json_t *profile = examined(doctor), *cluster = json_object_get(profile, "cluster");
    const char *id = daemon_cluster_id(profile), *state = daemon_cluster_state(profile);
    const char *message = daemon_status_text(cluster, "message");
    const char *separator = message ? ": " : "";
    message = message ? message : "";
    if (!id || !state)
        return;
    bool runs = strcmp(state, "RUNNING") == 0 || strcmp(state, "RESIZING") == 0;
    if (runs)
        doctor_add(doctor, FINDING_OK, "cluster", NULL, "%s is %s", id, state);
    else if (strcmp(state, "MISSING") == 0)
        doctor_add(doctor, FINDING_FAILED, "cluster", "databricks clusters list",
                   "there is no cluster %s%s%s", id, separator, message);
    else if (strcmp(state, "FORBIDDEN") == 0 || strcmp(state, "ERROR") == 0)
        doctor_add(doctor, FINDING_FAILED, "cluster", NULL, "%s: %s%s%s", id, state, separator, message);
    else
        doctor_add(doctor, FINDING_WARNING, "cluster", NULL, "%s: %s%s%s", id, state, separator, message);
}
