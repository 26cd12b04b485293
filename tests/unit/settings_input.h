#pragma once

/*
 * What the tests of settings share: files and variables in, settings and sentences out. In inputs and
 * sentences @ stands for the test's directory, which is $HOME and $XDG_CONFIG_HOME of what is loaded.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/settings.h"

static char directory[64];

/* The files and variables of one test. */
typedef struct Input {
    const char *config;       /* of config.ini */
    const char *databricks;   /* of ~/.databrickscfg; NULL: there is none */
    const char *variables[6]; /* "NAME=value" */
    SettingsFlag flags[3];
} Input;

static inline char *in_directory(const char *text)
{
    Text expanded = TEXT_NULL;
    for (const char *p = text; *p; p++)
        if (*p == '@')
            text_append(&expanded, directory);
        else
            text_append_bytes(&expanded, p, 1);
    return text_take(&expanded);
}

static inline void write_file(const char *name, const char *content)
{
    _cleanup_(mem_freep) char *path = in_directory(name);
    _cleanup_(mem_freep) char *expanded = in_directory(content);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(expanded, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static inline void set_up(void)
{
    strcpy(directory, "/tmp/test_settings.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    _cleanup_(mem_freep) char *sub = in_directory("@/sparkbouncer");
    ck_assert_int_eq(mkdir(sub, 0700), 0);
}

static inline void tear_down(void)
{
    static const char *const NAMES[] = {"@/sparkbouncer/config.ini", "@/.databrickscfg", "@/token",
                                        "@/sparkbouncer"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        _cleanup_(mem_freep) char *path = in_directory(NAMES[i]);
        (void)remove(path);
    }
    (void)rmdir(directory);
}

static inline int load(Settings **ret_settings, const Input *input, Problems *problems)
{
    char *variables[6] = {NULL};
    const char *environment[11] = {NULL};
    size_t n = 0, n_flags = 0;
    _cleanup_(mem_freep) char *home = in_directory("HOME=@");
    _cleanup_(mem_freep) char *config_home = in_directory("XDG_CONFIG_HOME=@");
    environment[n++] = home;
    environment[n++] = config_home;
    environment[n++] = "XDG_RUNTIME_DIR=/run/user/7";
    for (size_t i = 0; i < 6 && input->variables[i]; i++)
        environment[n++] = variables[i] = in_directory(input->variables[i]);
    while (n_flags < 3 && input->flags[n_flags].key)
        n_flags++;
    write_file("@/sparkbouncer/config.ini", input->config ? input->config : "");
    if (input->databricks)
        write_file("@/.databrickscfg", input->databricks);
    SettingsSource source = {.flags = input->flags, .n_flags = n_flags, .environment = environment};
    int r = settings_load(ret_settings, &source, problems);
    for (size_t i = 0; i < 6; i++)
        free(variables[i]);
    return r;
}

/* All sentences, by lines, with @ for the directory. free(). */
static inline char *sentences(const Problems *problems)
{
    Text text = TEXT_NULL;
    for (size_t i = 0; i < problems->n_entries; i++) {
        const char *p = problems->entries[i].sentence;
        const char *found;
        text_append(&text, i ? "\n" : "");
        text_append(&text, problems->entries[i].is_error ? "" : "warning: ");
        for (; (found = strstr(p, directory)) != NULL; p = found + strlen(directory)) {
            text_append_bytes(&text, p, (size_t)(found - p));
            text_append(&text, "@");
        }
        text_append(&text, p);
    }
    return text_take(&text);
}

/* Must load; `warnings` are the only problems. */
static inline Settings *load_good(const Input *input, const char *warnings)
{
    Settings *settings = NULL;
    Problems problems = PROBLEMS_NULL;
    int r = load(&settings, input, &problems);
    _cleanup_(mem_freep) char *found = sentences(&problems);
    ck_assert_str_eq(found, warnings);
    ck_assert_int_eq(r, 0);
    problems_deinit(&problems);
    return settings;
}

#define INI            "@/sparkbouncer/config.ini"
#define DAEMON(line)   .config = "[sparkbouncer]\n" line "\n"
#define PROFILE(lines) .config = "[profile p]\nupstream = sc://localhost\n" lines "\n"
