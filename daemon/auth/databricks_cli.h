#pragma once

/* DatabricksCli: which file is Databricks' command line tool, and what its words mean. Any thread. */

#include <stdbool.h>

#include "base/text.h"

typedef enum DatabricksCliFound {
    DATABRICKS_CLI_FOUND,
    DATABRICKS_CLI_MISSING,
    DATABRICKS_CLI_LEGACY, /* only the one in Python (before 0.100), which has no such logins */
} DatabricksCliFound;

/* `path`: as given; with a slash it is the file, else its name in PATH; NULL: "databricks". free(*ret_file).
 */
DatabricksCliFound databricks_cli_find(const char *path, const char *path_variable, char **ret_file);

typedef struct DatabricksCliVersion {
    unsigned major, minor,
        patch; /* all 0: not known, or a build of a developer: nothing newer is asked of it */
} DatabricksCliVersion;

/* From what `version` prints, as JSON or as a line. */
DatabricksCliVersion databricks_cli_version(const char *printed);
bool databricks_cli_is_at_least(DatabricksCliVersion version, unsigned major, unsigned minor, unsigned patch);

typedef enum DatabricksCliComplaint {
    DATABRICKS_CLI_NO_LOGIN, /* there has been none for this host or profile */
    DATABRICKS_CLI_LAPSED,   /* it must be renewed by a person */
    DATABRICKS_CLI_OTHER,
} DatabricksCliComplaint;

/* What it said on standard error. The command it advises, if any, goes into `advice`. */
DatabricksCliComplaint databricks_cli_complaint(const char *said, Text *advice);
