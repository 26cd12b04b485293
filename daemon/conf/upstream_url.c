#include "conf/upstream_url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/address.h"
#include "conf/values.h"

#define CLUSTER_KEY "x-databricks-cluster-id"

void upstream_url_deinit(UpstreamUrl *url)
{
    free(url->host);
    secret_free(url->token);
    free(url->cluster_id);
    *url = (UpstreamUrl)UPSTREAM_URL_NULL;
}

/* In place; false when a `%` is not followed by two hex digits or a control character comes out. */
static bool percent_decode(char *string)
{
    char *out = string;
    for (const char *p = string; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '%') {
            int high = text_hex_digit(p[1]);
            int low = high < 0 ? -1 : text_hex_digit(p[2]);
            if (low < 0)
                return false;
            c = (unsigned char)(high * 16 + low);
            p += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        *out++ = (char)c;
    }
    *out = '\0';
    return true;
}

/* Control characters are gone by now. */
static bool is_ascii(const char *value)
{
    while (*value && (unsigned char)*value < 0x80)
        value++;
    return *value == '\0';
}

static int apply_parameter(UpstreamUrl *url, const char *key, const char *value, Text *complaint)
{
    bool is_token = strcmp(key, "token") == 0, is_cluster = strcmp(key, CLUSTER_KEY) == 0;
    bool is_use_ssl = strcmp(key, "use_ssl") == 0;
    if (!is_token && !is_cluster && !is_use_ssl) {
        if (url->token) /* it may be a part of it */
            text_append(complaint,
                        "what follows the token is not known here (write a ; in it as %3B); known are "
                        "use_ssl, token and " CLUSTER_KEY);
        else
            text_printf(complaint, "\"%s\" is not known here; known are use_ssl, token and " CLUSTER_KEY,
                        key);
        return -EINVAL;
    }
    if ((is_token && url->token) || (is_cluster && url->cluster_id) || (is_use_ssl && url->use_ssl_is_set)) {
        text_printf(complaint, "%s is there twice", key);
        return -EINVAL;
    }
    if (is_use_ssl) {
        _cleanup_(text_deinit) Text reason = TEXT_NULL;
        url->use_ssl_is_set = true;
        int r = value_parse_boolean(value, &url->use_ssl, &reason);
        if (r < 0)
            text_printf(complaint, "use_ssl: %s", text_string(&reason));
        return r;
    }
    if (*value == '\0' || !is_ascii(value)) {
        text_printf(complaint, *value ? "%s has a character that a header cannot carry" : "%s is empty", key);
        return -EINVAL;
    }
    if (is_token)
        url->token = secret_new(value, strlen(value));
    else
        url->cluster_id = mem_copy_string(value);
    return 0;
}

static int parse_parameters(UpstreamUrl *url, char *parameters, Text *complaint)
{
    char *rest = parameters;
    char *key;
    while ((key = strsep(&rest, ";")) != NULL) {
        if (*key == '\0')
            continue;
        char *value = strchr(key, '=');
        if (!value || value == key) {
            text_append(complaint, "each parameter must be key=value");
            return -EINVAL;
        }
        *value++ = '\0';
        if (!percent_decode(key) || !percent_decode(value)) {
            text_append(complaint, "a % must be followed by two hexadecimal digits of a visible character");
            return -EINVAL;
        }
        if (apply_parameter(url, key, value, complaint) < 0)
            return -EINVAL;
    }
    return 0;
}

static int parse_authority(UpstreamUrl *url, const char *authority, Text *complaint)
{
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    if (strchr(authority, ';')) {
        text_append(complaint, "parameters come after a slash: write sc://host:port/;key=value");
        return -EINVAL;
    }
    if (strchr(authority, '@')) {
        text_append(complaint, "there is no user name in such a URL; write sc://host:port/;token=...");
        return -EINVAL;
    }
    if (address_parse(&address, authority, complaint) < 0)
        return -EINVAL;
    if (!address.host || (address.has_port && address.port == 0)) {
        text_append(complaint, address.host ? "port 0 cannot be connected to" : "there is no host name");
        return -EINVAL;
    }
    url->host = steal(address.host);
    url->port = address.has_port ? address.port : UPSTREAM_DEFAULT_PORT;
    return 0;
}

int upstream_url_parse(UpstreamUrl *ret_url, const char *text, Text *complaint)
{
    _cleanup_(upstream_url_deinit) UpstreamUrl url = UPSTREAM_URL_NULL;
    if (strncasecmp(text, "sc://", 5) != 0) {
        text_append(complaint, "write sc://host:port");
        return -EINVAL;
    }
    _cleanup_(mem_freep) char *copy = mem_copy_string(text + 5);
    size_t length = strlen(copy);
    char *path = strchr(copy, '/');
    if (path)
        *path++ = '\0';
    int r = parse_authority(&url, copy, complaint);
    if (r == 0 && path && *path && *path != ';') {
        text_append(complaint, "there must be no path; parameters start with /;");
        r = -EINVAL;
    }
    if (r == 0 && path)
        r = parse_parameters(&url, path, complaint);
    secret_wipe(copy, length); /* by now it has NULs inside */
    if (r < 0)
        return r;
    *ret_url = url;
    url = (UpstreamUrl)UPSTREAM_URL_NULL;
    return 0;
}
