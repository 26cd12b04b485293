#include <stdio.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/doctor.h"

#define PYTHON_TIMEOUT_MS 15000
#define NEXT_EXEC         "sparkbouncer exec -- COMMAND sets the environment right"

/* ---- variables */

/* gRPC's own: the lower-case ones, in this order. */
static const char *const PROXIES[] = {"grpc_proxy", "https_proxy", "http_proxy"};

static bool excepts_localhost(const char *list)
{
    while (list && *(list += strspn(list, ", \t"))) {
        size_t length = strcspn(list, ", \t");
        if ((length == 1 && *list == '*') || (length == 9 && strncmp(list, "localhost", 9) == 0))
            return true;
        list += length;
    }
    return false;
}

void doctor_check_proxies(Doctor *doctor)
{
    const char *grpc = environment_get(doctor->environment, "no_grpc_proxy");
    const char *list = grpc ? grpc : environment_get(doctor->environment, "no_proxy");
    for (size_t i = 0; i < sizeof PROXIES / sizeof PROXIES[0]; i++) {
        if (!environment_get(doctor->environment, PROXIES[i]))
            continue;
        if (excepts_localhost(list))
            break;
        doctor_add(doctor, FINDING_FAILED, "proxy", "export no_proxy=localhost,127.0.0.1, or " NEXT_EXEC,
                   "%s catches clients' calls to localhost too, as no_proxy does not name it", PROXIES[i]);
        return;
    }
    doctor_add(doctor, FINDING_OK, "proxy", NULL, "no variable catches calls to localhost");
}

void doctor_check_bypasses(Doctor *doctor)
{
    static const struct {
        const char *name, *effect;
    } BYPASSES[] = {
        {"SPARK_CONNECT_AUTHENTICATE_TOKEN",
         "makes PySpark start TLS with every host that is not spelled localhost"},
        {"SPARK_LOCAL_REMOTE", "makes PySpark take sc://localhost for a server of its own"},
        {"MASTER", "is an error for PySpark beside SPARK_REMOTE"},
    };
    const char *remote = environment_get(doctor->environment, "SPARK_REMOTE");
    bool is_good = true;
    for (size_t i = 0; i < sizeof BYPASSES / sizeof BYPASSES[0]; i++) {
        if (!environment_get(doctor->environment, BYPASSES[i].name))
            continue;
        is_good = false;
        doctor_add(doctor, FINDING_WARNING, "variables", NEXT_EXEC, "%s %s", BYPASSES[i].name,
                   BYPASSES[i].effect);
    }
    if (remote && strncmp(remote, "sc://localhost", 14) != 0 &&
        strncmp(remote, "sc://unix-abstract:", 19) != 0) {
        is_good = false; /* its value may have a token in it */
        doctor_add(doctor, FINDING_WARNING, "variables", NEXT_EXEC,
                   "SPARK_REMOTE does not begin with sc://localhost: clients pass the daemon by");
    }
    if (is_good)
        doctor_add(doctor, FINDING_OK, "variables", NULL, "nothing leads clients past the daemon");
}

/* ---- Python */

#define SCRIPT                                                                                               \
    "from importlib.metadata import version, PackageNotFoundError\n"                                         \
    "for name in ('databricks-connect', 'pyspark', 'pyspark-client', 'pyspark-connect'):\n"                  \
    "    try: print(name, version(name)); break\n"                                                           \
    "    except PackageNotFoundError: pass\n"

void doctor_check_python(Doctor *doctor)
{
    char python[] = "python3", flag[] = "-c", script[] = SCRIPT;
    char *const words[] = {python, flag, script, NULL};
    _cleanup_(text_deinit) Text output = TEXT_NULL;
    int code = capture_run(words, "", 0, PYTHON_TIMEOUT_MS, &output);
    char name[64], version[64];
    if (code == 0 && sscanf(text_string(&output), "%63s %63s", name, version) == 2) {
        doctor_add(doctor, FINDING_OK, "python", NULL, "%s %s", name, version);
        /* databricks-connect has versions of its own. */
        doctor->client_version = strcmp(name, "databricks-connect") != 0 ? mem_copy_string(version) : NULL;
    } else if (code == 0) {
        doctor_add(doctor, FINDING_WARNING, "python", "pip install 'pyspark[connect]'",
                   "python3 here has no PySpark; is this the project's environment?");
    } else if (code == 127) {
        doctor_add(doctor, FINDING_OK, "python", NULL, "there is no python3 here");
    } else {
        doctor_add(doctor, FINDING_WARNING, "python", NULL, "python3 does not say which PySpark it has");
    }
}
