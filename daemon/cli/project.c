#include "cli/project.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/file.h"
#include "conf/values.h"

#define FILE_LIMIT ((size_t)256 * 1024)

/* ---- the file */

/* A file of somebody else could send queries to a server of his. */
static bool is_trustworthy(const struct stat *facts)
{
    return facts->st_uid == geteuid() || facts->st_uid == 0;
}

/* NULL when there is none. free(). */
static char *find_file(const char *directory, Problems *problems)
{
    _cleanup_(mem_freep) char *folder = mem_copy_string(directory);
    for (;;) {
        _cleanup_(text_deinit) Text path = TEXT_NULL;
        struct stat facts;
        text_printf(&path, "%s/.env", folder);
        if (stat(text_string(&path), &facts) == 0 && S_ISREG(facts.st_mode)) {
            if (is_trustworthy(&facts))
                return text_take(&path);
            problems_add_warning(problems,
                                 "%s: belongs to another user and is not read; name it with --env-file",
                                 text_string(&path));
            return NULL;
        }
        char *slash = strrchr(folder, '/');
        if (!slash)
            return NULL;
        *slash = '\0';
    }
}

bool project_read_file(Project *project, const char *env_file, const char *directory, Environment environment,
                       Problems *problems)
{
    _cleanup_(mem_freep) char *path = env_file ? mem_copy_string(env_file) : find_file(directory, problems);
    _cleanup_(file_content_deinit) FileContent content = FILE_CONTENT_NULL;
    if (!path)
        return true;
    int result = file_read(&content, path, FILE_LIMIT, problems);
    if (result == FILE_MISSING)
        problems_add_error(problems, "%s: there is no such file", path);
    if (result != 0)
        return false;
    project->path = steal(path);
    dotenv_parse(&project->dotenv, content.bytes, content.length, project->path, environment, problems);
    return true;
}

void project_read_bytes(Project *project, const char *bytes, const char *path, Environment environment,
                        Problems *problems)
{
    project->path = mem_copy_string(path);
    dotenv_parse(&project->dotenv, bytes, strlen(bytes), path, environment, problems);
}

/* ---- one value */

/* A value and where it stands; empty ones count as none, as for the SDKs. */
typedef struct Found {
    const char *value; /* NULL: nowhere */
    const char *name;
    unsigned line; /* 0: in the environment */
} Found;

static Found find_in_environment(Environment environment, const char *name)
{
    return (Found){.value = environment_get(environment, name), .name = name};
}

static Found find_in_file(const Project *project, const char *name)
{
    const DotenvEntry *entry = dotenv_find(&project->dotenv, name);
    bool is_there = entry && entry->value && *entry->value;
    return (Found){.value = is_there ? entry->value : NULL, .name = name, .line = is_there ? entry->line : 0};
}

static Found find(const Project *project, Environment environment, const char *name)
{
    Found found = find_in_environment(environment, name);
    return found.value ? found : find_in_file(project, name);
}

/* The first of two names, in the environment, then in the file. */
static Found find_either(const Project *project, Environment environment, const char *name, const char *other)
{
    Found found = find_in_environment(environment, name);
    if (!found.value)
        found = find_in_environment(environment, other);
    if (!found.value)
        found = find_in_file(project, name);
    return found.value ? found : find_in_file(project, other);
}

/* "NAME" or "FILE:LINE: NAME". free(). */
static char *label(const Project *project, const Found *found)
{
    Text text = TEXT_NULL;
    if (found->line)
        text_printf(&text, "%s:%u: ", project->path, found->line);
    text_append(&text, found->name);
    return text_take(&text);
}

/* ---- decisions */

static bool resolve_local(Project *project, const Options *options, Environment environment,
                          Problems *problems)
{
    Found found = find(project, environment, "USE_SPARK_CONNECT");
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    bool uses_connect = true;
    if (found.value && !options->local && value_parse_boolean(found.value, &uses_connect, &complaint) != 0) {
        _cleanup_(mem_freep) char *place = label(project, &found);
        problems_add_error(problems, "%s=%s: write true or false", place, found.value);
        return false;
    }
    project->is_local = options->local || !uses_connect;
    return true;
}

/* A host without a profile. Where only the environment names it, and no token, it is the daemon's business.
 */
static bool resolve_guest(Project *project, Environment environment, Problems *problems)
{
    Found host = find(project, environment, "DATABRICKS_HOST");
    Found token = find(project, environment, "DATABRICKS_TOKEN");
    Found serverless = find(project, environment, "DATABRICKS_SERVERLESS_COMPUTE_ID");
    _cleanup_(mem_freep) char *host_label = label(project, &host), *token_label = label(project, &token);
    if (!host.value && token.value && token.line)
        problems_add_warning(problems, "%s: there is no DATABRICKS_HOST to use it for; it is not used",
                             token_label);
    if (!host.value || (!token.value && !host.line))
        return true;
    if (!token.value) {
        problems_add_error(problems,
                           "%s: without DATABRICKS_TOKEN; write the login as a profile into ~/.databrickscfg "
                           "and name it with DATABRICKS_PROFILE",
                           host_label);
        return false;
    }
    if ((host.line != 0) != (token.line != 0)) {
        problems_add_error(problems,
                           "%s comes from %s, but %s from %s; a token belongs to its host: put both into one "
                           "place, or name a profile with -p",
                           host.name, host.line ? project->path : "the environment", token.name,
                           token.line ? project->path : "the environment");
        return false;
    }
    project->guest_host = mem_copy_string(host.value);
    project->guest_token = secret_new(token.value, strlen(token.value));
    project->guest_is_serverless = serverless.value != NULL;
    if (!project->guest_is_serverless || !project->cluster_id)
        return true;
    _cleanup_(mem_freep) char *serverless_label = label(project, &serverless);
    problems_add_error(problems, "%s: there is a cluster id too; leave one of them out", serverless_label);
    return false;
}

bool project_resolve(Project *project, const Options *options, Environment environment, Problems *problems)
{
    Found profile = find_either(project, environment, "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_PROFILE");
    Found cluster = find_either(project, environment, "SPARK_CONNECT_CLUSTER_ID", "DATABRICKS_CLUSTER_ID");
    if (options->profile)
        profile = (Found){.value = options->profile, .name = "--profile"};
    if (options->cluster)
        cluster = (Found){.value = options->cluster, .name = "--cluster"};
    if (profile.value)
        project->profile = mem_copy_string(profile.value);
    if (cluster.value)
        project->cluster_id = mem_copy_string(cluster.value);
    if (!resolve_local(project, options, environment, problems))
        return false;
    return project->is_local || project->profile || resolve_guest(project, environment, problems);
}

void project_deinit(Project *project)
{
    free(project->path);
    dotenv_deinit(&project->dotenv);
    free(project->profile);
    free(project->cluster_id);
    free(project->guest_host);
    secret_free(project->guest_token);
    *project = (Project)PROJECT_NULL;
}
