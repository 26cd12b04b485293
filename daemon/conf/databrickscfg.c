#include "conf/databrickscfg.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "conf/address.h"
#include "conf/auth_attribute.h"
#include "conf/file.h"

#define SETTINGS_SECTION "__settings__"

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
    for (size_t i = 0; i < N_AUTH_ATTRIBUTES; i++)
        if (AUTH_ATTRIBUTES[i].is_secret && is_set(section, AUTH_ATTRIBUTES[i].name))
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
        for (size_t id = 0; id < N_AUTH_ATTRIBUTES; id++)
            warn_about_comment(document, &document->sections[i], AUTH_ATTRIBUTES[id].name, problems);
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
