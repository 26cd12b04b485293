#include "conf/databrickscfg.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "conf/address.h"
#include "conf/file.h"

#define SETTINGS_SECTION "__settings__"

static const char *const SECRET_KEYS[] = {"token", "password", "client_secret", "azure_client_secret",
                                          "google_credentials"};

/* What the SDKs take a key for when no auth_type is given. */
static const struct {
    const char *key;
    const char *auth_type;
} LOGIN_KEYS[] = {
    {"azure_client_secret", "azure-client-secret"},
    {"azure_use_msi", "azure-msi"},
    {"client_secret", "oauth-m2m"},
    {"password", "basic"},
    {"metadata_service_url", "metadata-service"},
    {"google_credentials", "google-credentials"},
    {"google_service_account", "google-id"},
    {"azure_workspace_resource_id", "azure-cli"},
    {"databricks_cli_path", "databricks-cli"},
};

char *databrickscfg_path(Environment environment)
{
    const char *path = environment_get(environment, "DATABRICKS_CONFIG_FILE");
    if (!path && !environment_get(environment, "HOME"))
        return NULL;
    return path_expand(path ? path : "~/.databrickscfg", environment);
}

static bool is_set(const IniSection *section, const char *key)
{
    const IniEntry *entry = ini_section_find(section, key);
    return entry && *entry->value;
}

static bool has_secret(const IniSection *section)
{
    for (size_t i = 0; i < sizeof SECRET_KEYS / sizeof SECRET_KEYS[0]; i++)
        if (is_set(section, SECRET_KEYS[i]))
            return true;
    return false;
}

static void warn_about_comment(const IniDocument *document, const IniSection *section, const char *key,
                               Problems *problems)
{
    const IniEntry *entry = ini_section_find(section, key);
    if (entry && ini_value_has_comment(entry->value))
        problems_add_warning(problems,
                             "%s:%u: the %s is followed by # or ; which Go's SDK takes for a comment and "
                             "Python's, like this program, for a part of it; give the comment its own line",
                             document->path, entry->line, key);
}

int databrickscfg_load(IniDocument **ret_document, const char *path, Problems *problems)
{
    static const IniOptions OPTIONS = {.fold_keys = true, .skip_continuations = true};
    int r = ini_document_load(ret_document, path, &OPTIONS, problems);
    const IniDocument *document = *ret_document;
    bool holds_secret = false;
    for (size_t i = 0; document && i < document->n_sections; i++) {
        holds_secret = holds_secret || has_secret(&document->sections[i]);
        warn_about_comment(document, &document->sections[i], "token", problems);
        warn_about_comment(document, &document->sections[i], "cluster_id", problems);
    }
    if (holds_secret)
        file_warn_if_shared(path, document->mode, problems);
    return r;
}

bool databrickscfg_is_profile(const IniSection *section)
{
    return section->n_entries > 0 && strcmp(section->name, SETTINGS_SECTION) != 0;
}

const IniEntry *databrickscfg_default_profile(const IniDocument *document)
{
    const IniSection *section = ini_document_find(document, SETTINGS_SECTION);
    return is_set(section, "default_profile") ? ini_section_find(section, "default_profile") : NULL;
}

bool databrickscfg_other_login(const IniSection *section, Text *ret_login)
{
    const IniEntry *auth_type = ini_section_find(section, "auth_type");
    if (auth_type && *auth_type->value) {
        if (strcasecmp(auth_type->value, "pat") == 0)
            return false;
        text_printf(ret_login, "auth_type %s", auth_type->value);
        return true;
    }
    if (is_set(section, "token"))
        return false;
    for (size_t i = 0; i < sizeof LOGIN_KEYS / sizeof LOGIN_KEYS[0]; i++) {
        if (is_set(section, LOGIN_KEYS[i].key)) {
            text_printf(ret_login, "auth_type %s (%s)", LOGIN_KEYS[i].auth_type, LOGIN_KEYS[i].key);
            return true;
        }
    }
    return false;
}

void databricks_host_deinit(DatabricksHost *host)
{
    free(host->host);
    *host = (DatabricksHost)DATABRICKS_HOST_NULL;
}

/* Moves `text` behind the scheme. */
static int take_scheme(DatabricksHost *host, const char **text, Text *complaint)
{
    const char *end = strstr(*text, "://");
    host->use_tls = true;
    host->lacks_scheme = !end;
    if (!end)
        return 0;
    size_t length = (size_t)(end - *text);
    bool is_http = length == 4 && strncasecmp(*text, "http", 4) == 0;
    bool is_https = length == 5 && strncasecmp(*text, "https", 5) == 0;
    if (!is_http && !is_https) {
        text_append(complaint, "a Databricks host starts with https://");
        return -EINVAL;
    }
    host->use_tls = is_https;
    *text = end + 3;
    return 0;
}

static int check_host(const DatabricksHost *host, const Address *address, Text *complaint)
{
    if (!address->host)
        text_append(complaint, "there is no host name; write https://NAME.cloud.databricks.com");
    else if (address->has_port && address->port == 0)
        text_append(complaint, "port 0 cannot be connected to");
    else if (!host->use_tls && !address_is_loopback(address->host))
        text_append(complaint, "http:// would send the token unencrypted; write https://");
    return complaint->length ? -EINVAL : 0;
}

int databricks_host_parse(DatabricksHost *ret_host, const char *text, Text *complaint)
{
    _cleanup_(databricks_host_deinit) DatabricksHost host = DATABRICKS_HOST_NULL;
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    if (take_scheme(&host, &text, complaint) < 0)
        return -EINVAL;
    _cleanup_(mem_freep) char *authority = mem_copy_bytes_as_string(text, strcspn(text, "/?#"));
    if (strchr(authority, '@')) {
        text_append(complaint, "there must be no user name in the host");
        return -EINVAL;
    }
    if (ini_value_has_comment(text)) {
        text_append(complaint, "a comment takes a line of its own");
        return -EINVAL;
    }
    if (address_parse(&address, authority, complaint) < 0 || check_host(&host, &address, complaint) < 0)
        return -EINVAL;
    host.host = steal(address.host);
    host.port = address.has_port ? address.port : host.use_tls ? 443 : 80;
    *ret_host = host;
    host = (DatabricksHost)DATABRICKS_HOST_NULL;
    return 0;
}
