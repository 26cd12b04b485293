#pragma once

/*
 * Doctor: looks at everything between a client and its cluster, one finding a line: ok, warning or failed,
 * with what to do next. Each check is a row of the table in doctor.c and lives in the file of its group.
 * Private to cli/; blocking; main thread.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "cli/command.h"
#include "conf/paths.h"

typedef struct json_t json_t; /* jansson */

typedef enum FindingLevel { FINDING_OK, FINDING_WARNING, FINDING_FAILED } FindingLevel;

typedef struct Finding {
    FindingLevel level;
    const char *subject; /* what was looked at: "config", "dns"; a literal */
    char *sentence;
    char *next; /* the next command, or what to change; NULL: nothing */
} Finding;

typedef struct Doctor {
    const Options *options;
    Environment environment;
    SettingsSource source;
    Problems problems;
    Settings *settings;             /* NULL: they have errors */
    const ProfileSettings *profile; /* of -p, else the default one; NULL: none, or no settings */

    char *control_socket; /* of the daemon that is asked */
    json_t *status;       /* its status, after it has looked; NULL: there is none to ask */
    pid_t own_daemon;     /* one that runs for the doctor alone; 0: none */
    char *own_folder;     /* of its socket and log; NULL: none */

    bool is_unreachable;  /* the server: the daemon would try for long */
    char *server_version; /* of Spark, as the server says; NULL: not known */
    char *client_version; /* of PySpark in the current Python; NULL: none */

    Finding *findings;
    size_t n_findings;
} Doctor;

/* `next` NULL: nothing to do. The sentence is without a full stop. */
void doctor_add(Doctor *doctor, FindingLevel level, const char *subject, const char *next, const char *format,
                ...) _printf_(5, 6);

/* doctor_files.c */
void doctor_check_settings(Doctor *doctor);
void doctor_check_files(Doctor *doctor);
/* doctor_environment.c */
void doctor_check_proxies(Doctor *doctor);
void doctor_check_bypasses(Doctor *doctor);
void doctor_check_python(Doctor *doctor);
/* doctor_daemon.c: finds the daemon, or starts one for the doctor; fills `status`. */
void doctor_check_daemon(Doctor *doctor);
void doctor_check_port(Doctor *doctor);
void doctor_check_credentials(Doctor *doctor);
void doctor_check_skew(Doctor *doctor);
void doctor_check_cluster(Doctor *doctor);
/* Ends the doctor's own daemon. */
void doctor_release_daemon(Doctor *doctor);
/* doctor_network.c */
void doctor_check_network(Doctor *doctor);
/* doctor_calls.c */
void doctor_check_calls(Doctor *doctor);
void doctor_check_versions(Doctor *doctor);

/* For people, and for programs (a new reference). */
void doctor_append(Text *text, const Doctor *doctor);
json_t *doctor_document(const Doctor *doctor);
