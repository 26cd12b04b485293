#include <string.h>

#include "conf/config_table.h"

static const char INTRODUCTION[] =
    "# sparkbouncer: sample configuration, generated from the table of keys.\n"
    "#\n"
    "# Read from --config, else $XDG_CONFIG_HOME/sparkbouncer/config.ini (~/.config), else\n"
    "# /etc/sparkbouncer/config.ini. A flag or a SPARKBOUNCER_<KEY> variable overrides [sparkbouncer].\n"
    "# Comments are whole lines. Every key is optional; commented values are the defaults or examples.\n"
    "\n"
    "[sparkbouncer]\n";

static const char PROFILES[] =
    "# One section a profile. It adds to the section of that name in ~/.databrickscfg, key by key; a token\n"
    "# is used only for the host that it stands beside.\n"
    "#[profile dev]\n";

/* "(duration, 100ms to 10m)" */
static void append_kind(Text *sample, const ConfigKey *key)
{
    text_printf(sample, " (%s", key->type->name);
    if (key->type->append_number) {
        text_append(sample, ", ");
        key->type->append_number(sample, key->minimum);
        text_append(sample, " to ");
        key->type->append_number(sample, key->maximum);
    }
    text_append(sample, key->default_text ? ")\n" : "; example)\n");
}

static void append_keys(Text *sample, ConfigSection section)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const ConfigKey *key = &CONFIG_KEYS[i];
        if (key->section != section)
            continue;
        text_printf(sample, "\n# %s", key->help);
        append_kind(sample, key);
        text_printf(sample, "#%s = %s\n", key->name, key->default_text ? key->default_text : key->example);
    }
}

char *settings_sample(void)
{
    Text sample = TEXT_NULL;
    text_append(&sample, INTRODUCTION);
    append_keys(&sample, CONFIG_SPARKBOUNCER);
    text_append(&sample, "\n\n");
    text_append(&sample, PROFILES);
    append_keys(&sample, CONFIG_PROFILE);
    return text_take(&sample);
}
