#include "auth/databricks_cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/answer.h"

#define MIN_SIZE (1024 * 1024) /* it is one large binary; the tool in Python had a small script */

static DatabricksCliFound examine(const char *file)
{
    struct stat status;
    if (stat(file, &status) != 0 || !S_ISREG(status.st_mode) || access(file, X_OK) != 0)
        return DATABRICKS_CLI_MISSING;
    return status.st_size < MIN_SIZE ? DATABRICKS_CLI_LEGACY : DATABRICKS_CLI_FOUND;
}

DatabricksCliFound databricks_cli_find(const char *path, const char *path_variable, char **ret_file)
{
    const char *name = path ? path : "databricks";
    DatabricksCliFound worst = DATABRICKS_CLI_MISSING;
    *ret_file = NULL;
    if (strchr(name, '/')) {
        worst = examine(name);
        *ret_file = worst == DATABRICKS_CLI_FOUND ? mem_copy_string(name) : NULL;
        return worst;
    }
    for (const char *folder = path_variable; folder && *folder;) {
        size_t length = strcspn(folder, ":");
        Text file = TEXT_NULL;
        text_append_bytes(&file, folder, length);
        text_printf(&file, "%s%s", length > 0 ? "/" : "./", name);
        DatabricksCliFound found = examine(text_string(&file));
        if (found == DATABRICKS_CLI_FOUND) {
            *ret_file = text_take(&file);
            return found;
        }
        text_deinit(&file);
        worst = found == DATABRICKS_CLI_LEGACY ? found : worst;
        folder += length + (folder[length] == ':');
    }
    return worst;
}

static unsigned number_of(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number > 0 && number < 100000 ? (unsigned)number : 0;
}

DatabricksCliVersion databricks_cli_version(const char *printed)
{
    DatabricksCliVersion version = {0, 0, 0};
    json_t *object = answer_object(printed, strlen(printed));
    const char *line = strstr(printed, "Databricks CLI v");
    if (object)
        version = (DatabricksCliVersion){number_of(object, "Major"), number_of(object, "Minor"),
                                         number_of(object, "Patch")};
    else if (line &&
             sscanf(line, "Databricks CLI v%5u.%5u.%5u", &version.major, &version.minor, &version.patch) != 3)
        version = (DatabricksCliVersion){0, 0, 0};
    json_decref(object);
    return version;
}

bool databricks_cli_is_at_least(DatabricksCliVersion version, unsigned major, unsigned minor, unsigned patch)
{
    if (version.major != major)
        return version.major > major;
    if (version.minor != minor)
        return version.minor > minor;
    return version.patch >= patch;
}

/* The command as far as it goes on its line, without the marks that may be around it. */
static void find_advice(const char *said, Text *advice)
{
    const char *begin = strstr(said, "databricks auth login");
    size_t length = begin ? strcspn(begin, "\r\n`'\"") : 0;
    while (length > 0 && strchr(" .", begin[length - 1]))
        length--;
    text_append_bytes(advice, begin ? begin : "", length);
}

DatabricksCliComplaint databricks_cli_complaint(const char *said, Text *advice)
{
    find_advice(said, advice);
    if (strstr(said, "databricks OAuth is not"))
        return DATABRICKS_CLI_NO_LOGIN;
    bool is_lapsed =
        advice->length > 0 || strstr(said, "refresh token is invalid") || strstr(said, "invalid_grant");
    return is_lapsed ? DATABRICKS_CLI_LAPSED : DATABRICKS_CLI_OTHER;
}
