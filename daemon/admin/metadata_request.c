#include "admin/metadata_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/address.h"

/* Takes the same time wherever they differ. */
static bool secret_is(const char *path, const char *secret)
{
    unsigned char difference = 0;
    size_t length = strlen(secret);
    if (strlen(path) < length)
        return false;
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)(path[i] ^ secret[i]);
    return difference == 0;
}

/* Not a name that somebody else's DNS says is this machine. */
static bool host_is_ours(const char *host, uint16_t port)
{
    char address[32], name[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    (void)snprintf(name, sizeof name, "localhost:%u", port);
    return host && (strcmp(host, address) == 0 || strcasecmp(host, name) == 0);
}

static unsigned refuse(unsigned status, const char *reason, const char **ret_reason)
{
    *ret_reason = reason;
    return status;
}

unsigned metadata_request_check(const MetadataRequest *request, const char *secret, uint16_t port,
                                const char **ret_profile, const char **ret_reason)
{
    const char *path = request->path;
    if (request->origin || request->fetch_site || !host_is_ours(request->host, port))
        return refuse(403, "this is not for browsers", ret_reason);
    if (path[0] != '/' || !secret_is(path + 1, secret))
        return refuse(404, "there is no such page; 'sparkbouncer status --json' has the address", ret_reason);
    path += 1 + strlen(secret);
    if (path[0] != '\0' && path[0] != '/')
        return refuse(404, "there is no such page; 'sparkbouncer status --json' has the address", ret_reason);
    if (strcmp(request->method, "GET") != 0)
        return refuse(405, "this page takes only GET", ret_reason);
    if (!request->version || strcmp(request->version, "1") != 0)
        return refuse(400, "X-Databricks-Metadata-Version: 1 is missing", ret_reason);
    if (!request->workspace || !*request->workspace)
        return refuse(400, "X-Databricks-Host is missing: for which workspace?", ret_reason);
    *ret_profile = path[0] && path[1] ? path + 1 : NULL;
    return 200;
}

bool metadata_request_is_for(const char *workspace, const ProfileSettings *profile)
{
    _cleanup_(text_deinit) Text complaint = TEXT_NULL;
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    uint16_t port = 443;
    if (strncasecmp(workspace, "https://", 8) == 0) {
        workspace += 8;
    } else if (strncasecmp(workspace, "http://", 7) == 0) {
        workspace += 7;
        port = 80;
    }
    _cleanup_(mem_freep) char *place = mem_copy_bytes_as_string(workspace, strcspn(workspace, "/?#"));
    if (address_parse(&address, place, &complaint) < 0 || !address.host)
        return false;
    if (address.has_port)
        port = address.port;
    return port == profile->port && strcasecmp(address.host, profile->host) == 0;
}

const ProfileSettings *metadata_request_find(const Settings *settings, const char *workspace,
                                             const char *name)
{
    const ProfileSettings *first = NULL;
    for (size_t i = 0; i < settings->n_profiles; i++) {
        const ProfileSettings *profile = &settings->profiles[i];
        bool is_named = name && strcmp(name, profile->name) == 0;
        bool is_default =
            !name && settings->default_profile && strcmp(settings->default_profile, profile->name) == 0;
        if (profile->problem || (name && !is_named) || !metadata_request_is_for(workspace, profile))
            continue;
        if (is_named || is_default)
            return profile;
        if (!first)
            first = profile;
    }
    return first;
}
