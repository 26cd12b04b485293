#include "conf/config_types.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "conf/address.h"
#include "conf/listen.h"
#include "conf/settings.h"
#include "conf/values.h"

static void *field(void *target, const ConfigKey *key)
{
    return (char *)target + key->offset;
}

static int check_range(const ConfigKey *key, uint64_t number, Text *complaint)
{
    if (number >= key->minimum && number <= key->maximum)
        return 0;
    text_append(complaint, "must be between ");
    key->type->append_number(complaint, key->minimum);
    text_append(complaint, " and ");
    key->type->append_number(complaint, key->maximum);
    return -EINVAL;
}

static int store_boolean(void *target, const ConfigKey *key, const char *text, Environment environment,
                         Text *complaint)
{
    (void)environment;
    return value_parse_boolean(text, field(target, key), complaint);
}

static int store_mode(void *target, const ConfigKey *key, const char *text, Environment environment,
                      Text *complaint)
{
    (void)environment;
    return value_parse_mode(text, field(target, key), complaint);
}

static void append_count(Text *text, uint64_t number)
{
    text_printf(text, "%llu", (unsigned long long)number);
}

static int store_count(void *target, const ConfigKey *key, const char *text, Environment environment,
                       Text *complaint)
{
    uint64_t number = 0;
    (void)environment;
    if (value_parse_count(text, &number, complaint) < 0 || check_range(key, number, complaint) < 0)
        return -EINVAL;
    *(unsigned *)field(target, key) = (unsigned)number;
    return 0;
}

static int store_size(void *target, const ConfigKey *key, const char *text, Environment environment,
                      Text *complaint)
{
    uint64_t bytes = 0;
    (void)environment;
    if (value_parse_size(text, &bytes, complaint) < 0 || check_range(key, bytes, complaint) < 0)
        return -EINVAL;
    *(size_t *)field(target, key) = (size_t)bytes;
    return 0;
}

static int store_size_or_no(void *target, const ConfigKey *key, const char *text, Environment environment,
                            Text *complaint)
{
    uint64_t bytes = 0;
    (void)environment;
    if (strcmp(text, "no") != 0 && value_parse_size(text, &bytes, complaint) < 0) {
        text_append(complaint, ", or no");
        return -EINVAL;
    }
    if (bytes != 0 && check_range(key, bytes, complaint) < 0)
        return -EINVAL;
    *(size_t *)field(target, key) = (size_t)bytes;
    return 0;
}

static int store_duration(void *target, const ConfigKey *key, const char *text, Environment environment,
                          Text *complaint)
{
    uint64_t ms = 0;
    (void)environment;
    if (value_parse_duration(text, &ms, complaint) < 0 || check_range(key, ms, complaint) < 0)
        return -EINVAL;
    *(uint64_t *)field(target, key) = ms;
    return 0;
}

static int store_duration_or_no(void *target, const ConfigKey *key, const char *text, Environment environment,
                                Text *complaint)
{
    uint64_t ms = 0;
    (void)environment;
    if (strcmp(text, "no") != 0 && value_parse_duration(text, &ms, complaint) < 0) {
        text_append(complaint, ", or no");
        return -EINVAL;
    }
    if (strcmp(text, "no") != 0 && check_range(key, ms, complaint) < 0)
        return -EINVAL;
    *(uint64_t *)field(target, key) = ms;
    return 0;
}

static int store_log_level(void *target, const ConfigKey *key, const char *text, Environment environment,
                           Text *complaint)
{
    (void)environment;
    if (log_level_from_name(text, field(target, key)))
        return 0;
    text_append(complaint, "write error, warning, info or debug");
    return -EINVAL;
}

static int store_log_format(void *target, const ConfigKey *key, const char *text, Environment environment,
                            Text *complaint)
{
    static const char *const NAMES[] = {
        [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", [LOG_FORMAT_JOURNAL] = "journal"};
    Settings *settings = target;
    (void)key;
    (void)environment;
    settings->log_format_is_set = false;
    if (strcmp(text, "auto") == 0)
        return 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(text, NAMES[i]) == 0) {
            settings->log_format_is_set = true;
            settings->log_format = (LogFormat)i;
            return 0;
        }
    }
    text_append(complaint, "write auto, text, json or journal");
    return -EINVAL;
}

static int store_log_calls(void *target, const ConfigKey *key, const char *text, Environment environment,
                           Text *complaint)
{
    Settings *settings = target;
    bool is_info = strcmp(text, "info") == 0;
    (void)key;
    (void)environment;
    if (!is_info && strcmp(text, "debug") != 0 && strcmp(text, "off") != 0) {
        text_append(complaint, "write off, info or debug");
        return -EINVAL;
    }
    settings->log_calls_is_on = strcmp(text, "off") != 0;
    settings->log_calls = is_info ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
    return 0;
}

static int store_cluster_choice(void *target, const ConfigKey *key, const char *text, Environment environment,
                                Text *complaint)
{
    bool is_client = strcmp(text, "client") == 0;
    (void)environment;
    if (!is_client && strcmp(text, "profile") != 0) {
        text_append(complaint, "write profile or client");
        return -EINVAL;
    }
    *(ClusterChoice *)field(target, key) = is_client ? CLUSTER_CHOICE_CLIENT : CLUSTER_CHOICE_PROFILE;
    return 0;
}

static int store_autostart(void *target, const ConfigKey *key, const char *text, Environment environment,
                           Text *complaint)
{
    static const char *const NAMES[] = {
        [AUTOSTART_NEVER] = "never", [AUTOSTART_ASK] = "ask", [AUTOSTART_YES] = "yes"};
    (void)environment;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(text, NAMES[i]) == 0) {
            *(Autostart *)field(target, key) = (Autostart)i;
            return 0;
        }
    }
    text_append(complaint, "write never, ask or yes");
    return -EINVAL;
}

static int store_fallback(void *target, const ConfigKey *key, const char *text, Environment environment,
                          Text *complaint)
{
    bool is_local = strcmp(text, "local") == 0;
    (void)environment;
    if (!is_local && strcmp(text, "no") != 0) {
        text_append(complaint, "write no or local");
        return -EINVAL;
    }
    *(FallbackChoice *)field(target, key) = is_local ? FALLBACK_LOCAL : FALLBACK_NO;
    return 0;
}

static int store_server_command(void *target, const ConfigKey *key, const char *text, Environment environment,
                                Text *complaint)
{
    char **command = field(target, key);
    (void)environment;
    if (!strstr(text, "{port}")) {
        text_append(complaint, "write {port} where the command takes the port to listen on");
        return -EINVAL;
    }
    free(*command);
    *command = mem_copy_string(text);
    return 0;
}

static int store_path(void *target, const ConfigKey *key, const char *text, Environment environment,
                      Text *complaint)
{
    char **path = field(target, key);
    free(*path);
    *path = path_expand(text, environment);
    if (**path == '/')
        return 0;
    text_append(complaint, "the path must be absolute");
    return -EINVAL;
}

static int store_session(void *target, const ConfigKey *key, const char *text, Environment environment,
                         Text *complaint)
{
    char **session = field(target, key);
    (void)environment;
    if (!value_is_session_name(text, strlen(text))) {
        text_printf(complaint, "a name takes letters, digits, '.', '_' and '-', at most %d of them",
                    VALUE_SESSION_NAME_MAX);
        return -EINVAL;
    }
    free(*session);
    *session = mem_copy_string(text);
    return 0;
}

static int store_listens(void *target, const ConfigKey *key, const char *text, Environment environment,
                         Text *complaint)
{
    (void)key;
    return listen_parse_list(target, text, environment, complaint);
}

static int store_proxy(void *target, const ConfigKey *key, const char *text, Environment environment,
                       Text *complaint)
{
    static const char *const SCHEMES[] = {"http://", "https://", "socks5://", "socks5h://"};
    char **proxy = field(target, key);
    (void)environment;
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
        size_t length = strlen(SCHEMES[i]);
        if (strncasecmp(text, SCHEMES[i], length) != 0 || strchr("/:", text[length]) || strpbrk(text, " \t"))
            continue;
        free(*proxy);
        *proxy = mem_copy_string(text);
        return 0;
    }
    text_append(complaint, "write http://HOST:PORT, or https, socks5 or socks5h");
    return -EINVAL;
}

static int store_local_service(void *target, const ConfigKey *key, const char *text, Environment environment,
                               Text *complaint)
{
    char **service = field(target, key);
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    (void)environment;
    free(steal(*service));
    if (strcmp(text, "no") == 0)
        return 0;
    if (address_parse(&address, text, complaint) < 0)
        return -EINVAL;
    bool is_local =
        !address.host || strcmp(address.host, "127.0.0.1") == 0 || strcmp(address.host, "localhost") == 0;
    if (!address.has_port || !is_local) {
        text_append(complaint, "write no, or 127.0.0.1:PORT (the Databricks SDKs take no other host)");
        return -EINVAL;
    }
    *service = mem_copy_string(text);
    return 0;
}

const ConfigType CONFIG_BOOLEAN = {.name = "yes or no", .store = store_boolean};
const ConfigType CONFIG_COUNT = {.name = "number", .store = store_count, .append_number = append_count};
const ConfigType CONFIG_SIZE = {.name = "size", .store = store_size, .append_number = value_append_size};
const ConfigType CONFIG_SIZE_OR_NO = {
    .name = "size or no", .store = store_size_or_no, .append_number = value_append_size};
const ConfigType CONFIG_DURATION = {
    .name = "duration", .store = store_duration, .append_number = value_append_duration};
const ConfigType CONFIG_DURATION_OR_NO = {
    .name = "duration or no", .store = store_duration_or_no, .append_number = value_append_duration};
const ConfigType CONFIG_MODE = {.name = "octal mode", .store = store_mode};
const ConfigType CONFIG_LOG_LEVEL = {.name = "error, warning, info or debug", .store = store_log_level};
const ConfigType CONFIG_LOG_FORMAT = {.name = "auto, text, json or journal", .store = store_log_format};
const ConfigType CONFIG_LOG_CALLS = {.name = "off, info or debug", .store = store_log_calls};
const ConfigType CONFIG_CLUSTER_CHOICE = {.name = "profile or client", .store = store_cluster_choice};
const ConfigType CONFIG_AUTOSTART = {.name = "never, ask or yes", .store = store_autostart};
const ConfigType CONFIG_FALLBACK = {.name = "no or local", .store = store_fallback};
const ConfigType CONFIG_SERVER_COMMAND = {
    .name = "command", .is_free = true, .is_secret = true, .store = store_server_command};
const ConfigType CONFIG_PATH = {.name = "path", .is_free = true, .store = store_path};
const ConfigType CONFIG_SESSION = {.name = "name", .store = store_session};
const ConfigType CONFIG_LISTENS = {.name = "addresses", .store = store_listens};
const ConfigType CONFIG_LOCAL_SERVICE = {.name = "no or 127.0.0.1:PORT", .store = store_local_service};
const ConfigType CONFIG_NAME = {.name = "name", .is_free = true};
const ConfigType CONFIG_FILE = {.name = "path", .is_free = true};
const ConfigType CONFIG_HOST = {.name = "https:// address"};
const ConfigType CONFIG_SECRET = {.name = "text", .is_free = true, .is_secret = true};
const ConfigType CONFIG_URL = {.name = "sc:// address", .is_free = true, .is_secret = true};
const ConfigType CONFIG_TEXT = {.name = "text", .is_free = true};
const ConfigType CONFIG_TRUTH = {.name = "yes or no"};
const ConfigType CONFIG_HIDDEN_URL = {.name = "http:// address", .is_secret = true};
const ConfigType CONFIG_COMMAND = {.name = "command", .is_secret = true};
const ConfigType CONFIG_PROXY = {.name = "address", .is_secret = true, .store = store_proxy};
