#include "cli/child_environment.h"

#include <ctype.h>
#include <string.h>

static const char *const BYPASSES[] = {"SPARK_CONNECT_AUTHENTICATE_TOKEN", "SPARK_CONNECT_MODE_ENABLED",
                                       "SPARK_LOCAL_REMOTE", "SPARK_LOCAL_CONNECT_REUSE"};
static const char *const PROJECT_NAMES[] = {"SPARK_CONNECT_CLUSTER_ID", "USE_SPARK_CONNECT",
                                            "MLFLOW_TRACKING_URI"};
static const char *const SECRET_ENDINGS[] = {"_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS"};
static const char *const LOCAL_HOSTS[] = {"localhost", "127.0.0.1"};
#define N(array) (sizeof(array) / sizeof(array)[0])

/* ---- changes */

/* NULL: unset; an empty value is a value. */
static const char *current_value(Environment environment, const char *name)
{
    size_t length = strlen(name);
    for (Environment p = environment; p && *p; p++)
        if (strncmp(*p, name, length) == 0 && (*p)[length] == '=')
            return *p + length + 1;
    return NULL;
}

static void drop(ChildEnvironment *child, const char *name)
{
    for (size_t i = 0; i < child->n_changes; i++) {
        if (strcmp(child->changes[i].name, name) != 0)
            continue;
        free(child->changes[i].name);
        free(child->changes[i].value);
        child->changes[i] = child->changes[--child->n_changes];
        return;
    }
}

/* `value` NULL: takes it away. The last change of a name counts. */
static void change(ChildEnvironment *child, Environment environment, const char *name, const char *value)
{
    const char *current = current_value(environment, name);
    drop(child, name);
    if (current == value || (current && value && strcmp(current, value) == 0))
        return;
    child->changes = mem_resize(child->changes, (child->n_changes + 1) * sizeof *child->changes);
    child->changes[child->n_changes++] =
        (EnvironmentChange){mem_copy_string(name), value ? mem_copy_string(value) : NULL};
}

void child_environment_set(ChildEnvironment *child, Environment environment, const char *name,
                           const char *value)
{
    change(child, environment, name, value);
}

void child_environment_deinit(ChildEnvironment *child)
{
    for (size_t i = 0; i < child->n_changes; i++) {
        free(child->changes[i].name);
        free(child->changes[i].value);
    }
    free(child->changes);
    *child = (ChildEnvironment)CHILD_ENVIRONMENT_NULL;
}

/* ---- proxies */

static bool list_has(const char *list, const char *host)
{
    while (*(list += strspn(list, ", \t"))) {
        size_t length = strcspn(list, ", \t");
        if ((length == 1 && *list == '*') || (length == strlen(host) && strncasecmp(list, host, length) == 0))
            return true;
        list += length;
    }
    return false;
}

static void except_this_machine(ChildEnvironment *child, Environment environment, const char *name,
                                const char *list)
{
    _cleanup_(text_deinit) Text extended = TEXT_NULL;
    text_append(&extended, list);
    for (size_t i = 0; i < N(LOCAL_HOSTS); i++)
        if (!list_has(list, LOCAL_HOSTS[i]))
            text_printf(&extended, "%s%s", extended.length ? "," : "", LOCAL_HOSTS[i]);
    change(child, environment, name, text_string(&extended));
}

/* Programs that know both spellings read only the first that is there: a new one must not hide the other. */
static void fill_proxies(ChildEnvironment *child, Environment environment)
{
    const char *lower = environment_get(environment, "no_proxy");
    const char *upper = environment_get(environment, "NO_PROXY");
    const char *grpc = environment_get(environment, "no_grpc_proxy");
    except_this_machine(child, environment, "no_proxy", lower ? lower : upper ? upper : "");
    except_this_machine(child, environment, "NO_PROXY", upper ? upper : lower ? lower : "");
    if (grpc)
        except_this_machine(child, environment, "no_grpc_proxy", grpc);
}

/* ---- what .env says to others */

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_length = strlen(ending);
    return length >= ending_length && strcmp(name + length - ending_length, ending) == 0;
}

static bool is_for_the_program(const char *name)
{
    bool is_known = strncmp(name, "DATABRICKS_", strlen("DATABRICKS_")) == 0;
    for (size_t i = 0; i < N(PROJECT_NAMES); i++)
        is_known = is_known || strcmp(name, PROJECT_NAMES[i]) == 0;
    for (size_t i = 0; i < N(SECRET_ENDINGS); i++)
        is_known = is_known && !ends_with(name, SECRET_ENDINGS[i]);
    for (const char *p = name; *p; p++)
        is_known = is_known && (isalnum((unsigned char)*p) || *p == '_');
    return is_known;
}

static void fill_from_file(ChildEnvironment *child, const Dotenv *dotenv, Environment environment)
{
    for (size_t i = 0; i < dotenv->n_entries; i++) {
        const DotenvEntry *entry = &dotenv->entries[i];
        if (entry->value && is_for_the_program(entry->name) && !current_value(environment, entry->name))
            change(child, environment, entry->name, entry->value);
    }
}

void child_environment_fill(ChildEnvironment *child, const Project *project, const char *remote,
                            Environment environment)
{
    fill_from_file(child, &project->dotenv, environment);
    change(child, environment, "SPARK_REMOTE", remote);
    if (remote)
        fill_proxies(child, environment);
    for (size_t i = 0; i < N(BYPASSES); i++)
        change(child, environment, BYPASSES[i], NULL);
    if (remote)
        change(child, environment, "MASTER", NULL);
}

/* ---- the URL */

static void append_encoded(Text *text, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
            text_append_bytes(text, value, 1);
        else
            text_printf(text, "%%%02X", c);
    }
}

char *spark_remote_url(const char *address, const char *profile, const char *cluster_id)
{
    Text url = TEXT_NULL;
    text_append(&url, address);
    if (profile || cluster_id)
        text_append(&url, "/");
    if (profile) {
        text_append(&url, ";x-profile=");
        append_encoded(&url, profile);
    }
    if (cluster_id) {
        text_append(&url, ";x-databricks-cluster-id=");
        append_encoded(&url, cluster_id);
    }
    return text_take(&url);
}

/* ---- the login */

void child_environment_set_login(ChildEnvironment *child, Environment environment, const char *service,
                                 const char *workspace, const char *profile)
{
    _cleanup_(text_deinit) Text url = TEXT_NULL;
    text_printf(&url, "%s/", service);
    append_encoded(&url, profile);
    change(child, environment, "DATABRICKS_AUTH_TYPE", "metadata-service");
    change(child, environment, "DATABRICKS_METADATA_SERVICE_URL", text_string(&url));
    change(child, environment, "DATABRICKS_HOST", workspace);
}

/* ---- shells */

/* Between single quotes nothing is special but these characters, each with `before` and `after` it. */
static void append_quoted(Text *text, const char *value, const char *special, const char *before,
                          const char *after)
{
    text_append(text, "'");
    for (; *value; value++) {
        bool is_special = strchr(special, *value) != NULL;
        text_append(text, is_special ? before : "");
        text_append_bytes(text, value, 1);
        text_append(text, is_special ? after : "");
    }
    text_append(text, "'");
}

void child_environment_append_bash(Text *text, const ChildEnvironment *child)
{
    for (size_t i = 0; i < child->n_changes; i++) {
        const EnvironmentChange *entry = &child->changes[i];
        text_printf(text, entry->value ? "export %s=" : "unset %s", entry->name);
        if (entry->value)
            append_quoted(text, entry->value, "'", "'\\", "'");
        text_append(text, "\n");
    }
}

void child_environment_append_fish(Text *text, const ChildEnvironment *child)
{
    for (size_t i = 0; i < child->n_changes; i++) {
        const EnvironmentChange *entry = &child->changes[i];
        text_printf(text, entry->value ? "set -gx %s " : "set -e %s", entry->name);
        if (entry->value)
            append_quoted(text, entry->value, "'\\", "\\", "");
        text_append(text, "\n");
    }
}
