/*
 * Settings from the bytes of config.ini and of ~/.databrickscfg. The first byte says whether the others are
 * taken as they are, or those from 128 on as words of the language; the second where one file ends and the
 * other begins. What loads must be whole, and must be describable.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/config_table.h"
#include "conf/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/fuzz_config.XXXXXX";
static char config_path[64], databricks_path[64], home[64];

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void remove_directory(void)
{
    (void)unlink(config_path);
    (void)unlink(databricks_path);
    (void)rmdir(directory);
}

static void make_directory(void)
{
    require(mkdtemp(directory) != NULL);
    (void)snprintf(config_path, sizeof config_path, "%s/config.ini", directory);
    (void)snprintf(databricks_path, sizeof databricks_path, "%s/.databrickscfg", directory);
    (void)snprintf(home, sizeof home, "HOME=%s", directory);
    require(atexit(remove_directory) == 0);
}

static void write_file(const char *path, const uint8_t *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0);
    require(write(fd, bytes, length) == (ssize_t)length);
    require(close(fd) == 0);
}

static void check_profile(const ProfileSettings *profile)
{
    require(profile->name && profile->name[0]);
    if (profile->problem) {
        require(profile->problem[0]);
        return;
    }
    require(profile->host && profile->host[0]);
    require(profile->port > 0);
    require(profile->auth.n_chain > 0 || !profile->databricks);
    for (size_t i = 0; i < profile->auth.n_chain; i++)
        require(profile->auth.chain[i] != AUTH_PAT || profile->auth.token);
    require(profile->connections >= 1 && profile->connections <= profile->max_connections);
}

static void check_settings(const Settings *settings)
{
    require(settings->n_listens >= 1);
    require(settings->buffer_limit >= settings->stream_window);
    for (size_t i = 0; i < settings->n_profiles; i++)
        check_profile(&settings->profiles[i]);
    if (settings->default_profile)
        require(settings_find_profile(settings, settings->default_profile) != NULL);
    char *text = settings_describe(settings, false), *json = settings_describe(settings, true);
    require(text[0] && json[0] == '{');
    free(text);
    free(json);
}

static void load(void)
{
    const char *environment[] = {home, "XDG_RUNTIME_DIR=/run/user/7", "DATABRICKS_CLUSTER_ID=c",
                                 "CREDENTIALS_DIRECTORY=/nowhere", NULL};
    SettingsSource source = {.config_file = config_path, .environment = environment};
    Problems problems = PROBLEMS_NULL;
    _cleanup_(settings_freep) Settings *settings = NULL;
    int error = settings_load(&settings, &source, &problems);
    require((error == 0) == (settings != NULL));
    require((error == 0) == (problems.n_errors == 0));
    for (size_t i = 0; i < problems.n_entries; i++)
        require(problems.entries[i].sentence[0] != '\0');
    if (settings)
        check_settings(settings);
    problems_deinit(&problems);
    free(settings_control_socket(&source));
    char *description = NULL;
    Problems ignored = PROBLEMS_NULL;
    require((settings_check(&description, &source, false, &ignored) == 0) == (error == 0));
    require(description[0]);
    free(description);
    problems_deinit(&ignored);
}

static const char *const WORDS[] = {
    "[sparkbouncer]\n",
    "[profile p]\n",
    "[profile q]\n",
    "[p]\n",
    "[q]\n",
    "[DEFAULT]\n",
    "[__settings__]\n",
    "default_profile",
    "\n",
    " = ",
    "yes",
    "no",
    "info",
    "60s",
    "4MiB",
    "0600",
    "127.0.0.1:1",
    "unix:",
    "abstract:a",
    ";profile=p",
    ", ",
    "sc://h:1/;",
    "use_ssl=true",
    "token=t",
    "https://h.cloud.databricks.com",
    "auto",
    "credential:x",
    "oauth-m2m",
    "azure-cli",
    "http://localhost:1/x",
    "https://adb-1.azuredatabricks.net",
    "pat",
    "client",
    "~/x",
    " ; ",
    "# ",
    "\\",
    "\"",
    "\r\n",
    "\xef\xbb\xbf",
};

#define N_WORDS (sizeof WORDS / sizeof WORDS[0])

/* Bytes from 128 on stand for a word or for the name of a key. */
static void add_words(Text *out, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        size_t word = (size_t)(bytes[i] - 128) % (N_WORDS + CONFIG_N_KEYS);
        if (bytes[i] < 128)
            text_append_bytes(out, (const char *)&bytes[i], 1);
        else
            text_append(out, word < N_WORDS ? WORDS[word] : CONFIG_KEYS[word - N_WORDS].name);
    }
}

static void write_input(const char *path, const uint8_t *bytes, size_t length, bool has_words)
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    if (has_words)
        add_words(&text, bytes, length);
    else if (length > 0)
        text_append_bytes(&text, (const char *)bytes, length);
    write_file(path, (const uint8_t *)text_string(&text), text.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (config_path[0] == '\0')
        make_directory();
    if (size < 2)
        return 0;
    bool has_words = data[0] & 1;
    size_t n_config = (size_t)data[1] * (size - 2) / 255;
    write_input(config_path, data + 2, n_config, has_words);
    write_input(databricks_path, data + 2 + n_config, size - 2 - n_config, has_words);
    load();
    return 0;
}
