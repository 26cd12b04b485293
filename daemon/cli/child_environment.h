#pragma once

/*
 * ChildEnvironment: what a program needs in its environment to reach Spark through the daemon, or without it:
 * variables to set and variables to take away. Pure; main thread.
 *
 * Set: SPARK_REMOTE; localhost in no_proxy, NO_PROXY and, where there is one, no_grpc_proxy, as gRPC sends
 * even calls to this machine to a proxy; of .env what the program's other libraries read (DATABRICKS_*, the
 * project's own names and MLFLOW_TRACKING_URI), but no secrets: a program that wants them reads the file
 * itself.
 *
 * Taken away, because PySpark would not reach the daemon as it should: SPARK_CONNECT_AUTHENTICATE_TOKEN
 * (makes it start TLS with every host not spelled localhost), SPARK_CONNECT_MODE_ENABLED and
 * SPARK_LOCAL_REMOTE (traces of another Spark, with which it takes sc://localhost on the default port for a
 * server of its own), MASTER (an error beside SPARK_REMOTE), SPARK_LOCAL_CONNECT_REUSE. For local Spark:
 * SPARK_REMOTE, and these but for MASTER.
 */

#include <stddef.h>

#include "base/text.h"
#include "cli/project.h"

typedef struct EnvironmentChange {
    char *name;
    char *value; /* NULL: to be taken away */
} EnvironmentChange;

typedef struct ChildEnvironment {
    EnvironmentChange *changes;
    size_t n_changes;
} ChildEnvironment;

#define CHILD_ENVIRONMENT_NULL                                                                               \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }

/* `remote`: the SPARK_REMOTE; NULL: local Spark. Changes that would change nothing are left out. */
void child_environment_fill(ChildEnvironment *child, const Project *project, const char *remote,
                            Environment environment);
/* Sets one more; `value` NULL: takes it away. */
void child_environment_set(ChildEnvironment *child, Environment environment, const char *name,
                           const char *value);
/* Sets what makes Databricks' own tools (SDKs, CLI, dbt, MLflow) ask the daemon for the token of `workspace`,
 * the URL of one: `service` is the metadata service's address, as secret as a token; it gives that of
 * `profile`. */
void child_environment_set_login(ChildEnvironment *child, Environment environment, const char *service,
                                 const char *workspace, const char *profile);
void child_environment_deinit(ChildEnvironment *child);

/* sc://…/;x-profile=P;x-databricks-cluster-id=C, what is special in them percent-encoded. `address` is as a
 * listener's: "sc://localhost:15002". Profile and cluster may be NULL. free(). */
char *spark_remote_url(const char *address, const char *profile, const char *cluster_id);

/* As commands that a shell evaluates, each value one word whatever it contains. */
void child_environment_append_bash(Text *text, const ChildEnvironment *child);
void child_environment_append_fish(Text *text, const ChildEnvironment *child);
