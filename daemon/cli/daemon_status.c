#include "cli/daemon_status.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control_client.h"

int daemon_status_fetch(const char *control_socket, json_t **ret_document, Text *reason)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    int error = control_client_request(control_socket, "GET", "/status", CONTROL_CLIENT_TIMEOUT_MS, &reply);
    if (error == 0 && reply.status == 200) {
        *ret_document = json_loads(text_string(&reply.body), 0, NULL);
        if (*ret_document)
            return 0;
        error = -EPROTO;
    }
    control_client_explain(reason, control_socket, error, &reply);
    return error != 0 ? error : -EACCES;
}

void daemon_status_release(json_t **document)
{
    json_decref(*document);
    *document = NULL;
}

const char *daemon_status_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

/* gRPC takes the name for the port's place in the URL, so it must look like one. */
static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

const char *daemon_status_address(const json_t *document)
{
    static const char TCP[] = "sc://", ABSTRACT[] = "sc://unix-abstract:";
    const json_t *listeners = json_object_get(document, "listeners");
    const char *found = NULL;
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const char *address = json_string_value(json_array_get(listeners, i));
        if (!address || strncmp(address, TCP, strlen(TCP)) != 0)
            continue;
        if (strncmp(address, ABSTRACT, strlen(ABSTRACT)) != 0)
            return address;
        if (!found && is_number(address + strlen(ABSTRACT)))
            found = address;
    }
    return found;
}

unsigned daemon_address_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon && is_number(colon + 1) ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

const json_t *daemon_status_profile(const json_t *document, const char *name)
{
    const json_t *profiles = json_object_get(document, "profiles");
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const json_t *profile = json_array_get(profiles, i);
        const char *own = daemon_status_text(profile, "name");
        bool is_default = json_is_true(json_object_get(profile, "is_default"));
        if (name ? own && strcmp(own, name) == 0 : is_default)
            return profile;
    }
    return NULL;
}

void daemon_status_append_names(Text *text, const json_t *document)
{
    const json_t *profiles = json_object_get(document, "profiles");
    const char *separator = "";
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const json_t *profile = json_array_get(profiles, i);
        const char *name = daemon_status_text(profile, "name");
        if (!name || json_is_true(json_object_get(profile, "is_guest")))
            continue;
        text_printf(text, "%s%s", separator, name);
        separator = ", ";
    }
}

/* ---- parts of a profile */

static bool is_one_of(const char *text, const char *const *names)
{
    for (; text && *names; names++)
        if (strcmp(text, *names) == 0)
            return true;
    return false;
}

const char *daemon_credential_type(const json_t *credential)
{
    const char *type = daemon_status_text(credential, "auth_type");
    return type ? type : daemon_status_text(credential, "type");
}

bool daemon_credential_is_ready(const json_t *credential)
{
    static const char *const READY[] = {"ready", "refreshing", NULL};
    return is_one_of(daemon_status_text(credential, "state"), READY);
}

bool daemon_credential_is_pending(const json_t *credential)
{
    static const char *const PENDING[] = {"none", "waiting", "minting", NULL};
    return daemon_credential_type(credential) && is_one_of(daemon_status_text(credential, "state"), PENDING);
}

bool daemon_credential_skew(const json_t *credential, int64_t *ret_seconds)
{
    const json_t *skew = json_object_get(credential, "clock_skew_s");
    if (!skew)
        skew = json_object_get(credential, "skew_s");
    *ret_seconds = json_integer_value(skew);
    return json_is_integer(skew);
}

const char *daemon_cluster_id(const json_t *profile)
{
    const char *id = daemon_status_text(json_object_get(profile, "cluster"), "id");
    return id ? id : daemon_status_text(profile, "cluster_id");
}

const char *daemon_cluster_state(const json_t *profile)
{
    const char *state = daemon_status_text(json_object_get(profile, "cluster"), "state");
    return state && strcmp(state, "UNKNOWN") != 0 ? state : NULL;
}
