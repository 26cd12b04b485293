#pragma once

/*
 * ConfigTable: one row for each key of config.ini. The row parses and validates the value, names the
 * environment variable, explains the key in the sample file and puts it into `check`. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "conf/paths.h"

typedef enum ConfigSection { CONFIG_SPARKBOUNCER, CONFIG_PROFILE } ConfigSection;

typedef struct ConfigKey ConfigKey;

typedef struct ConfigType {
    const char *name; /* for the sample: "duration" */
    bool is_free;     /* takes any text, so that a trailing comment would go unnoticed */
    bool is_secret;   /* the value must not be shown */
    /* Parses `text` into `target`, a Settings or a ProfileSettings. 0, or -EINVAL and a complaint. NULL: the
     * key means something only together with others, and the loader sees to it. */
    int (*store)(void *target, const ConfigKey *key, const char *text, Environment environment,
                 Text *complaint);
    void (*append_number)(Text *text, uint64_t number); /* of a type with a range, else NULL */
} ConfigType;

struct ConfigKey {
    ConfigSection section;
    const char *name;
    const ConfigType *type;
    size_t offset;            /* of the field in the target; 0 where `store` knows */
    const char *default_text; /* NULL: unset */
    uint64_t minimum, maximum;
    const char *help;    /* one line */
    const char *example; /* for the sample, when there is no default */
};

extern const ConfigKey CONFIG_KEYS[];
extern const size_t CONFIG_N_KEYS;

/* By its name, or by the other name that one of the SDKs has for it. NULL when the section has no such key.
 */
const ConfigKey *config_key_find(ConfigSection section, const char *name);
/* The known key that is meant by a mistyped one; NULL when none is near. */
const char *config_key_suggest(ConfigSection section, const char *typed);
/* The variable that sets a key of [sparkbouncer]: SPARKBOUNCER_LOG_LEVEL. free(). */
char *config_key_variable(const ConfigKey *key);
/* The option that does: --log-level. free(). */
char *config_key_flag(const ConfigKey *key);

/* The commented sample configuration, config/sparkbouncer.ini. free(). */
char *settings_sample(void);
