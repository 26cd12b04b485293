#include "cli/options.h"

#include <string.h>
#include <unistd.h>

#include "conf/config_table.h"
#include "conf/suggestion.h"
#include "conf/values.h"

#define HELP_WIDTH     79
#define MAX_TIMEOUT_MS ((uint64_t)365 * 24 * 3600 * 1000) /* of nanoseconds there is no overflow then */

typedef struct OptionRow {
    const char *name;  /* with underscores, as keys are spelled */
    char letter;       /* '\0': no short form */
    unsigned groups;   /* commands of any of these take it; 0: all do */
    const char *value; /* what it is called in the help; NULL: takes none */
    bool (*store)(Options *options, const char *name, const char *value, Text *complaint);
    const char *help;
} OptionRow;

/* ---- what the rows do */

static bool store_flag(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)complaint; /* whether the value is a good one is the loader's business */
    options->flags = mem_resize(options->flags, (options->n_flags + 1) * sizeof *options->flags);
    options->flags[options->n_flags++] = (SettingsFlag){mem_copy_string(name), value};
    return true;
}

static bool store_config(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)complaint;
    options->config_file = value;
    return true;
}

static bool store_timeout(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    options->timeout_is_set = true;
    text_printf(complaint, "--timeout %s: ", value);
    if (value_parse_duration(value, &options->timeout_ms, complaint) != 0)
        return false;
    text_clear(complaint);
    if (options->timeout_ms > MAX_TIMEOUT_MS)
        options->timeout_ms = MAX_TIMEOUT_MS;
    return true;
}

static bool store_profile(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    if (!*value)
        text_append(complaint, "--profile needs a name");
    options->profile = value;
    return *value != '\0';
}

static bool store_cluster(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    if (!*value)
        text_append(complaint, "--cluster needs an id");
    options->cluster = value;
    return *value != '\0';
}

static bool store_env_file(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)complaint;
    options->env_file = value;
    return true;
}

static bool store_user(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)complaint;
    options->user = value; /* some clients have an empty one */
    return true;
}

static bool store_local(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)value;
    (void)complaint;
    options->local = true;
    return true;
}

static bool store_shell(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    options->shell = value;
    if (strcmp(value, "bash") == 0 || strcmp(value, "fish") == 0)
        return true;
    text_printf(complaint, "--shell %s: write bash (also for zsh and sh) or fish", value);
    return false;
}

static bool store_json(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)value;
    (void)complaint;
    options->json = true;
    return true;
}

static bool store_no_wait(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)value;
    (void)complaint;
    options->no_wait = true;
    return true;
}

static bool store_help(Options *options, const char *name, const char *value, Text *complaint)
{
    (void)name;
    (void)value;
    (void)complaint;
    options->help = true;
    return true;
}

static const OptionRow ROWS[] = {
    {"profile", 'p', OPTIONS_SETTINGS, "NAME", store_flag, "the profile of calls that name none"},
    {"profile", 'p', OPTIONS_PROFILE, "NAME", store_profile, "this profile"},
    {"user", 0, OPTIONS_SESSION, "NAME", store_user,
     "the user_id of the clients, when several have that session"},
    {"cluster", 'c', OPTIONS_PROJECT, "ID", store_cluster,
     "this cluster, where the profile lets clients choose"},
    {"env_file", 0, OPTIONS_PROJECT, "FILE", store_env_file, "in place of .env here or in a folder above"},
    {"local", 0, OPTIONS_PROJECT, NULL, store_local, "local Spark, as USE_SPARK_CONNECT=false in .env says"},
    {"shell", 0, OPTIONS_SHELL, "SHELL", store_shell, "bash (the default) or fish"},
    {"listen", 0, OPTIONS_SETTINGS, "ADDRESS", store_flag,
     "HOST:PORT, unix:PATH or abstract:NAME; may be repeated"},
    {"log_level", 0, OPTIONS_SETTINGS, "LEVEL", store_flag, "error, warning, info or debug"},
    {"log_format", 0, OPTIONS_SETTINGS, "FORMAT", store_flag, "text, json or journal"},
    {"config", 0, OPTIONS_SETTINGS | OPTIONS_SOCKET, "FILE", store_config, "read this config.ini"},
    {"control_socket", 0, OPTIONS_SETTINGS | OPTIONS_SOCKET, "PATH", store_flag,
     "the socket that the daemon answers on"},
    {"timeout", 0, OPTIONS_TIMEOUT, "DURATION", store_timeout, "give up after this time: 500ms, 30s, 2m"},
    {"no_wait", 0, OPTIONS_NO_WAIT, NULL, store_no_wait, "do not wait for the end"},
    {"json", 0, OPTIONS_JSON, NULL, store_json, "for programs: JSON"},
    {"help", 'h', 0, NULL, store_help, "show this"},
};
#define N_ROWS (sizeof ROWS / sizeof ROWS[0])

/* Any key of the configuration that has no row of its own. */
static const OptionRow ANY_KEY = {"", 0, OPTIONS_SETTINGS, "VALUE", store_flag, ""};

/* ---- finding */

static bool row_fits(const OptionRow *row, unsigned groups)
{
    return row->groups == 0 || (row->groups & groups) != 0;
}

/* `name` with dashes for underscores, or the other way round. free(). */
static char *respell(const char *name, char from, char to)
{
    char *spelled = mem_copy_string(name);
    for (char *p = spelled; *p; p++)
        if (*p == from)
            *p = to;
    return spelled;
}

/* Of several rows of that name the one that fits, else any. */
static const OptionRow *find_row(const char *name, unsigned groups)
{
    const OptionRow *found = NULL;
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(ROWS[i].name, name) == 0 && (!found || row_fits(&ROWS[i], groups)))
            found = &ROWS[i];
    return found ? found : config_key_find(CONFIG_SPARKBOUNCER, name) ? &ANY_KEY : NULL;
}

static const OptionRow *find_letter(char letter, unsigned groups)
{
    const OptionRow *found = NULL;
    for (size_t i = 0; i < N_ROWS; i++)
        if (ROWS[i].letter && ROWS[i].letter == letter && (!found || row_fits(&ROWS[i], groups)))
            found = &ROWS[i];
    return found;
}

static void complain_unknown(const char *name, unsigned groups, Text *complaint)
{
    Suggestion suggestion = SUGGESTION_FOR(name);
    for (size_t i = 0; i < N_ROWS; i++)
        if (row_fits(&ROWS[i], groups))
            suggestion_offer(&suggestion, ROWS[i].name);
    for (size_t i = 0; (groups & OPTIONS_SETTINGS) && i < CONFIG_N_KEYS; i++)
        if (CONFIG_KEYS[i].section == CONFIG_SPARKBOUNCER)
            suggestion_offer(&suggestion, CONFIG_KEYS[i].name);
    _cleanup_(mem_freep) char *typed = respell(name, '_', '-');
    text_printf(complaint, "unknown option --%s", typed);
    if (suggestion.name) {
        _cleanup_(mem_freep) char *meant = respell(suggestion.name, '_', '-');
        text_printf(complaint, "; did you mean --%s?", meant);
    }
}

/* ---- reading */

/* Words still to be read. */
typedef struct Words {
    char *const *next;
} Words;

/* The option's value: `attached`, from the same word, or the next word. NULL: there is none. */
static const char *take_value(Words *words, const char *attached)
{
    if (attached)
        return attached;
    if (!*words->next || strncmp(*words->next, "--", 2) == 0)
        return NULL;
    return *words->next++;
}

static bool apply(Options *options, const OptionRow *row, const char *name, const char *attached,
                  Words *words, Text *complaint)
{
    const char *value = row->value ? take_value(words, attached) : NULL;
    if ((value != NULL) == (row->value != NULL) && (row->value || !attached))
        return row->store(options, name, value, complaint);
    _cleanup_(mem_freep) char *shown = respell(name, '_', '-');
    text_printf(complaint, row->value ? "--%s needs a value" : "--%s takes no value", shown);
    return false;
}

/* --name, --name value, --name=value */
static bool parse_long(Options *options, unsigned groups, const char *word, Words *words, Text *complaint)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    _cleanup_(mem_freep) char *typed = mem_copy_bytes_as_string(word, length);
    _cleanup_(mem_freep) char *name = respell(typed, '-', '_');
    const OptionRow *row = find_row(name, groups);
    if (row && row_fits(row, groups))
        return apply(options, row, name, equals ? equals + 1 : NULL, words, complaint);
    if (row)
        text_printf(complaint, "--%s is no option of this command", typed);
    else
        complain_unknown(name, groups, complaint);
    return false;
}

/* -p value, -pvalue */
static bool parse_short(Options *options, unsigned groups, const char *word, Words *words, Text *complaint)
{
    const OptionRow *row = find_letter(word[0], groups);
    if (row && row_fits(row, groups))
        return apply(options, row, row->name, word[0] && word[1] ? word + 1 : NULL, words, complaint);
    text_printf(complaint, row ? "-%s is no option of this command" : "unknown option -%s", word);
    return false;
}

static bool parse_argument(Options *options, unsigned groups, const char *word, Text *complaint)
{
    bool is_first = (groups & (OPTIONS_ARGUMENT | OPTIONS_SESSION)) && !options->argument;
    bool is_welcome = is_first || ((groups & OPTIONS_SESSION) && !options->object);
    if (is_welcome)
        *(is_first ? &options->argument : &options->object) = word;
    else
        text_printf(complaint, "unexpected argument \"%s\"", word);
    return is_welcome;
}

bool options_parse(Options *options, unsigned groups, char *const *words, Text *complaint)
{
    Words left = {words};
    while (*left.next) {
        const char *word = *left.next++;
        bool is_good, ends_options = strcmp(word, "--") == 0;
        if ((groups & OPTIONS_COMMAND) && (word[0] != '-' || ends_options)) {
            options->command = *left.next || !ends_options ? left.next - !ends_options : NULL;
            return true;
        }
        if (word[0] == '-' && word[1] == '-')
            is_good = parse_long(options, groups, word + 2, &left, complaint);
        else if (word[0] == '-')
            is_good = parse_short(options, groups, word + 1, &left, complaint);
        else
            is_good = parse_argument(options, groups, word, complaint);
        if (!is_good)
            return false;
    }
    return true;
}

void options_deinit(Options *options)
{
    for (size_t i = 0; i < options->n_flags; i++)
        free((char *)options->flags[i].key);
    free(options->flags);
    *options = (Options)OPTIONS_NULL;
}

SettingsSource options_source(const Options *options)
{
    return (SettingsSource){.config_file = options->config_file,
                            .flags = options->flags,
                            .n_flags = options->n_flags,
                            .environment = (const char *const *)environ};
}

/* ---- help */

/* The keys without a row, as options, in lines that fit. */
static void append_other_keys(Text *text)
{
    size_t column = HELP_WIDTH;
    text_append(text, "\nSo is every key of [sparkbouncer] in config.ini, with its value:");
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        if (CONFIG_KEYS[i].section != CONFIG_SPARKBOUNCER ||
            find_row(CONFIG_KEYS[i].name, OPTIONS_SETTINGS) != &ANY_KEY)
            continue;
        _cleanup_(mem_freep) char *flag = config_key_flag(&CONFIG_KEYS[i]);
        size_t length = strlen(flag);
        if (column + 1 + length > HELP_WIDTH) {
            text_append(text, "\n ");
            column = 1;
        }
        text_printf(text, " %s", flag);
        column += 1 + length;
    }
    text_append(text, "\n");
}

void options_append_help(Text *text, unsigned groups)
{
    text_append(text, "Options:\n");
    for (size_t i = 0; i < N_ROWS; i++) {
        const OptionRow *row = &ROWS[i];
        if (!row_fits(row, groups))
            continue;
        _cleanup_(text_deinit) Text spelling = TEXT_NULL;
        _cleanup_(mem_freep) char *name = respell(row->name, '_', '-');
        if (row->letter)
            text_printf(&spelling, "-%c, ", row->letter);
        text_printf(&spelling, "--%s%s%s", name, row->value ? " " : "", row->value ? row->value : "");
        text_printf(text, "  %-22s  %s\n", text_string(&spelling), row->help);
    }
    if (groups & OPTIONS_SETTINGS)
        append_other_keys(text);
}
