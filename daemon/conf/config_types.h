#pragma once

/* ConfigTypes: how the values of config.ini become fields of the settings. Pure; any thread. */

#include "conf/config_table.h"

extern const ConfigType CONFIG_BOOLEAN, CONFIG_COUNT, CONFIG_SIZE, CONFIG_DURATION, CONFIG_MODE;
extern const ConfigType CONFIG_DURATION_OR_NO, CONFIG_SIZE_OR_NO; /* no: 0 */
extern const ConfigType CONFIG_LOG_LEVEL, CONFIG_LOG_FORMAT, CONFIG_LOG_CALLS, CONFIG_CLUSTER_CHOICE,
    CONFIG_AUTOSTART;
extern const ConfigType CONFIG_FALLBACK;
extern const ConfigType CONFIG_SERVER_COMMAND; /* a server is started with it, on {port} */
extern const ConfigType CONFIG_PATH;           /* absolute, ~ expanded */
extern const ConfigType CONFIG_LISTENS;
extern const ConfigType CONFIG_SESSION;
extern const ConfigType CONFIG_PROXY;         /* may have a password in it */
extern const ConfigType CONFIG_LOCAL_SERVICE; /* no (NULL), or a port of this machine */
/* Resolved by the loader. */
extern const ConfigType CONFIG_NAME, CONFIG_FILE, CONFIG_HOST, CONFIG_SECRET, CONFIG_URL, CONFIG_TEXT,
    CONFIG_TRUTH;
extern const ConfigType CONFIG_HIDDEN_URL, CONFIG_COMMAND;
