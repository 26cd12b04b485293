#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "conf/databrickscfg.h"

/* ---- what they say */

static void choose_profile(Doctor *doctor)
{
    const char *named = doctor->options->profile;
    const char *name = named ? named : doctor->settings->default_profile;
    doctor->profile = name ? settings_find_profile(doctor->settings, name) : NULL;
    if (doctor->profile && !doctor->profile->problem)
        doctor_add(doctor, FINDING_OK, "profile", NULL, "%s%s, of %zu", name, named ? "" : " (the default)",
                   doctor->settings->n_profiles);
    else if (doctor->profile)
        doctor_add(doctor, FINDING_FAILED, "profile", NULL, "%s", doctor->profile->problem);
    else if (name)
        doctor_add(doctor, FINDING_FAILED, "profile", "sparkbouncer profiles", "there is no profile %s",
                   name);
    else
        doctor_add(doctor, FINDING_WARNING, "profile", "sparkbouncer doctor -p NAME",
                   "there is no default one, so only some things can be looked at");
    if (doctor->profile && doctor->profile->problem)
        doctor->profile = NULL;
}

void doctor_check_settings(Doctor *doctor)
{
    int error = settings_load(&doctor->settings, &doctor->source, &doctor->problems);
    for (size_t i = 0; i < doctor->problems.n_entries; i++) {
        const Problem *problem = &doctor->problems.entries[i];
        doctor_add(doctor, problem->is_error ? FINDING_FAILED : FINDING_WARNING, "config",
                   problem->is_error ? "sparkbouncer check" : NULL, "%s", problem->sentence);
    }
    if (error != 0)
        return;
    if (doctor->problems.n_entries == 0)
        doctor_add(doctor, FINDING_OK, "config", NULL, "no complaints");
    choose_profile(doctor);
}

/* ---- the files themselves */

static void check_file(Doctor *doctor, const char *path)
{
    struct stat facts;
    _cleanup_(text_deinit) Text next = TEXT_NULL;
    if (stat(path, &facts) != 0)
        return; /* whether it must be there is for the settings to say */
    mode_t mode = facts.st_mode & 0777;
    text_printf(&next, "chmod 600 %s", path);
    if (mode & 022)
        doctor_add(doctor, FINDING_FAILED, "files", text_string(&next),
                   "%s: others may change it (mode %04o)", path, (unsigned)mode);
    else if (mode & 044)
        doctor_add(doctor, FINDING_WARNING, "files", text_string(&next), "%s: others may read it (mode %04o)",
                   path, (unsigned)mode);
    else
        doctor_add(doctor, FINDING_OK, "files", NULL, "%s is yours alone (mode %04o)", path, (unsigned)mode);
}

/* As the loader looks for it. */
static char *config_path(const Doctor *doctor)
{
    const char *home = environment_get(doctor->environment, "XDG_CONFIG_HOME");
    Text path = TEXT_NULL;
    if (doctor->options->config_file)
        return mem_copy_string(doctor->options->config_file);
    if (home)
        text_printf(&path, "%s/sparkbouncer/config.ini", home);
    else
        text_append(&path, "~/.config/sparkbouncer/config.ini");
    _cleanup_(mem_freep) char *expanded = path_expand(text_string(&path), doctor->environment);
    text_deinit(&path);
    return mem_copy_string(access(expanded, F_OK) == 0 ? expanded : "/etc/sparkbouncer/config.ini");
}

void doctor_check_files(Doctor *doctor)
{
    _cleanup_(mem_freep) char *config = config_path(doctor);
    _cleanup_(mem_freep) char *databricks = databrickscfg_path(doctor->environment);
    check_file(doctor, config);
    if (databricks)
        check_file(doctor, databricks);
}
