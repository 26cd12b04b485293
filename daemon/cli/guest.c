#include "cli/guest.h"

#include <jansson.h>
#include <string.h>

#include "cli/control_client.h"
#include "cli/daemon_status.h"

#define WORST_ESCAPE 6 /* \u0000 */

/* JSON by hand, as jansson keeps copies that nobody wipes. */
static void append_json(Text *text, const char *value)
{
    for (; *value; value++) {
        if ((unsigned char)*value < 0x20)
            text_printf(text, "\\u%04x", (unsigned)*value);
        else
            text_printf(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    }
}

static void append_body(Text *body, const Project *project)
{
    bool has_scheme = strstr(project->guest_host, "://") != NULL;
    text_append(body, "{\"host\":\"");
    text_append(body, has_scheme ? "" : "https://");
    append_json(body, project->guest_host);
    text_append(body, "\",\"token\":\"");
    append_json(body, secret_reveal(project->guest_token));
    text_append(body, "\",\"cluster_id\":");
    text_append(body, project->cluster_id ? "\"" : "null");
    if (project->cluster_id) {
        append_json(body, project->cluster_id);
        text_append(body, "\"");
    }
    text_printf(body, ",\"serverless\":%s}", project->guest_is_serverless ? "true" : "false");
}

static char *take_name(const ControlReply *reply)
{
    json_t *document = json_loads(text_string(&reply->body), 0, NULL);
    const char *name = daemon_status_text(document, "profile");
    char *copy = name ? mem_copy_string(name) : NULL;
    json_decref(document);
    return copy;
}

/* What the daemon says is wrong: its "error", or the first of its "problems". */
static void explain(Text *reason, const ControlReply *reply)
{
    json_t *document = json_loads(text_string(&reply->body), 0, NULL);
    const char *error = daemon_status_text(document, "error");
    const json_t *problems = json_object_get(document, "problems");
    if (!error)
        error = json_string_value(json_array_get(problems, 0));
    if (reply->status == 404)
        text_append(reason, "the running daemon is of an older version that takes no host and token; run: "
                            "sparkbouncer stop, and this again");
    else
        text_printf(reason, "the daemon does not take DATABRICKS_HOST and DATABRICKS_TOKEN: %s",
                    error ? error : text_string(&reply->body));
    json_decref(document);
}

char *guest_register(const char *control_socket, const Project *project, Text *reason)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    size_t room = 256 + WORST_ESCAPE * (strlen(project->guest_host) + secret_length(project->guest_token) +
                                        (project->cluster_id ? strlen(project->cluster_id) : 0));
    Text body = {.bytes = mem_alloc_zeroed(room, 1), .length = 0, .capacity = room};
    append_body(&body, project);
    int error = control_client_post(control_socket, "/profiles", text_string(&body),
                                    CONTROL_CLIENT_TIMEOUT_MS, &reply);
    secret_wipe(body.bytes, body.capacity);
    text_deinit(&body);
    char *name = error == 0 && reply.status == 201 ? take_name(&reply) : NULL;
    if (!name && error == 0 && reply.status != 403)
        explain(reason, &reply);
    else if (!name)
        control_client_explain(reason, control_socket, error, &reply);
    return name;
}
