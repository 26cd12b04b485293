#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/child_environment.h"
#include "cli/command.h"
#include "cli/daemon_status.h"
#include "cli/guest.h"
#include "cli/launcher.h"
#include "cli/project.h"

/* What both commands work out. */
typedef struct Plan {
    const Options *options;
    Environment environment;
    Project project;
    char *remote;            /* SPARK_REMOTE; NULL: local Spark */
    const char *sdk_profile; /* DATABRICKS_CONFIG_PROFILE for the program; NULL: as it is */
    bool is_ours_alone; /* a profile that Databricks' own tools do not know, and fail on when it is named */
    char *control_socket;
    json_t *document; /* the daemon's status; NULL: local Spark */
    ChildEnvironment child;
} Plan;

static void plan_deinit(Plan *plan)
{
    free(plan->control_socket);
    json_decref(plan->document);
    project_deinit(&plan->project);
    free(plan->remote);
    child_environment_deinit(&plan->child);
}

/* ---- the project */

static int read_project(Plan *plan)
{
    _cleanup_(problems_deinit) Problems problems = PROBLEMS_NULL;
    _cleanup_(mem_freep) char *directory = getcwd(NULL, 0);
    bool is_good = project_read_file(&plan->project, plan->options->env_file, directory ? directory : ".",
                                     plan->environment, &problems) &&
                   project_resolve(&plan->project, plan->options, plan->environment, &problems);
    report_problems(&problems);
    return is_good ? CLI_OK : CLI_USAGE;
}

/* ---- the daemon */

/* A profile that the settings know of; NULL: not known, for whatever reason. */
static const ProfileSettings *find_settings(const Settings *settings, const char *name)
{
    return settings && name ? settings_find_profile(settings, name) : NULL;
}

/* The daemon drops a client's cluster unless the profile lets clients choose. */
static void warn_about_cluster(const Plan *plan, const ProfileSettings *profile)
{
    const char *wanted = plan->project.cluster_id;
    if (!profile || !wanted || profile->cluster_choice == CLUSTER_CHOICE_CLIENT ||
        (profile->cluster_id && strcmp(profile->cluster_id, wanted) == 0))
        return;
    (void)fprintf(
        stderr,
        "warning: cluster %s is not used: profile %s does not let clients choose; write cluster_choice = "
        "client into [profile %s] of config.ini\n",
        wanted, profile->name, profile->name);
}

static int check_profile(const Plan *plan)
{
    const json_t *document = plan->document;
    const char *name = plan->project.profile;
    const json_t *profile = daemon_status_profile(document, name);
    const char *problem = profile ? daemon_status_text(profile, "problem") : NULL;
    if (problem) {
        report_error("%s", problem);
        return CLI_USAGE;
    }
    if (profile)
        return CLI_OK;
    _cleanup_(text_deinit) Text names = TEXT_NULL;
    daemon_status_append_names(&names, document);
    if (name)
        report_error("the running daemon has no profile %s; it has: %s", name, text_string(&names));
    else
        report_error("no profile is named, and the running daemon has no default one; use -p with one of: %s",
                     text_string(&names));
    return CLI_USAGE;
}

/* Fills `remote` from what the daemon says of itself. */
static int reach_daemon(Plan *plan)
{
    const char *address = daemon_status_address(plan->document), *profile = plan->project.profile;
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    _cleanup_(mem_freep) char *guest = NULL;
    int code = CLI_OK;
    if (!address) {
        report_error(
            "the running daemon has no address that PySpark can reach; add 127.0.0.1:15002 to listen");
        return CLI_USAGE;
    }
    if (plan->project.guest_host) {
        guest = guest_register(plan->control_socket, &plan->project, &reason);
        profile = guest;
    } else {
        code = check_profile(plan);
    }
    if (reason.length > 0) {
        report_error("%s", text_string(&reason));
        return CLI_FAILED;
    }
    if (code == CLI_OK)
        plan->remote = spark_remote_url(address, profile, guest ? NULL : plan->project.cluster_id);
    return code;
}

/* What is only known from the settings; they may be unreadable, as far as this is concerned. */
static void consult_settings(Plan *plan, const SettingsSource *source)
{
    _cleanup_(problems_deinit) Problems ignored = PROBLEMS_NULL;
    _cleanup_(settings_freep) Settings *settings = NULL;
    if (plan->project.guest_host || settings_load(&settings, source, &ignored) != 0)
        return;
    const char *name = plan->project.profile ? plan->project.profile : settings->default_profile;
    const ProfileSettings *profile = find_settings(settings, name);
    warn_about_cluster(plan, profile);
    if (profile && profile->databricks && profile->is_shared)
        plan->sdk_profile = plan->project.profile;
    plan->is_ours_alone = profile && plan->project.profile && !profile->is_shared;
}

static int find_daemon(Plan *plan)
{
    SettingsSource source = options_source(plan->options);
    plan->control_socket = settings_control_socket(&source);
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    bool started = false;
    if (launcher_ensure_daemon(plan->options, plan->control_socket, &started, &reason) != 0 ||
        daemon_status_fetch(plan->control_socket, &plan->document, &reason) != 0) {
        report_error("%s", text_string(&reason));
        return CLI_FAILED;
    }
    if (started)
        (void)fputs("started a daemon in the background; it ends with: sparkbouncer stop\n", stderr);
    consult_settings(plan, &source);
    return reach_daemon(plan);
}

/* ---- both commands */

/* The program's other libraries log in by the daemon too, where that is on and Spark is a workspace's. */
static void fill_login(Plan *plan)
{
    const char *service = daemon_status_text(plan->document, "metadata_service");
    const json_t *profile =
        plan->project.guest_host ? NULL : daemon_status_profile(plan->document, plan->project.profile);
    const char *workspace = daemon_status_text(profile, "workspace");
    if (service && workspace)
        child_environment_set_login(&plan->child, plan->environment, service, workspace,
                                    daemon_status_text(profile, "name"));
}

/* What a flag says goes before what the program would read from .env itself. */
static void fill_overrides(Plan *plan)
{
    const Options *options = plan->options;
    ChildEnvironment *child = &plan->child;
    if (plan->sdk_profile)
        child_environment_set(child, plan->environment, "DATABRICKS_CONFIG_PROFILE", plan->sdk_profile);
    if (plan->is_ours_alone)
        child_environment_set(child, plan->environment, "DATABRICKS_CONFIG_PROFILE", NULL);
    if (options->profile || plan->is_ours_alone)
        child_environment_set(child, plan->environment, "DATABRICKS_PROFILE", plan->project.profile);
    if (options->cluster)
        child_environment_set(child, plan->environment, "SPARK_CONNECT_CLUSTER_ID", options->cluster);
    /* Where flags say which daemon: the commands and the helper for Python find it too. */
    if (plan->control_socket && (options->config_file || options->n_flags > 0))
        child_environment_set(child, plan->environment, "SPARKBOUNCER_CONTROL_SOCKET", plan->control_socket);
    if (options->local)
        child_environment_set(child, plan->environment, "USE_SPARK_CONNECT", "false");
}

static int make_plan(Plan *plan)
{
    int code = read_project(plan);
    if (code == CLI_OK && !plan->project.is_local)
        code = find_daemon(plan);
    if (code != CLI_OK)
        return code;
    child_environment_fill(&plan->child, &plan->project, plan->remote, plan->environment);
    fill_login(plan);
    fill_overrides(plan);
    return CLI_OK;
}

static void apply(const ChildEnvironment *child)
{
    for (size_t i = 0; i < child->n_changes; i++) {
        const EnvironmentChange *entry = &child->changes[i];
        (void)(entry->value ? setenv(entry->name, entry->value, 1) : unsetenv(entry->name));
    }
}

int command_exec(const Cli *cli)
{
    _cleanup_(plan_deinit) Plan plan = {.options = cli->options, .environment = (Environment)environ};
    char *const *command = cli->options->command;
    if (!command) {
        report_error("there is nothing to run; write the command behind: sparkbouncer exec -- python job.py");
        return CLI_USAGE;
    }
    int code = make_plan(&plan);
    if (code != CLI_OK)
        return code;
    apply(&plan.child);
    (void)execvp(command[0], command);
    report_error("cannot run %s: %s", command[0], strerror(errno));
    return errno == ENOENT ? 127 : 126; /* as shells have it */
}

int command_env(const Cli *cli)
{
    _cleanup_(plan_deinit) Plan plan = {.options = cli->options, .environment = (Environment)environ};
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    const char *shell = cli->options->shell;
    int code = make_plan(&plan);
    if (code != CLI_OK)
        return code;
    if (shell && strcmp(shell, "fish") == 0)
        child_environment_append_fish(&text, &plan.child);
    else
        child_environment_append_bash(&text, &plan.child);
    (void)fputs(text_string(&text), stdout);
    return CLI_OK;
}
