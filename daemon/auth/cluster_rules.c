#include "auth/cluster_rules.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

#define MAX_WORDS        400 /* bytes of the workspace's own words: they go into gRPC headers */
#define MAX_POLL_DELAY_S 10

static const char *const NAMES[] = {
    [CLUSTER_UNKNOWN] = "UNKNOWN",       [CLUSTER_PENDING] = "PENDING",
    [CLUSTER_RUNNING] = "RUNNING",       [CLUSTER_RESTARTING] = "RESTARTING",
    [CLUSTER_RESIZING] = "RESIZING",     [CLUSTER_TERMINATING] = "TERMINATING",
    [CLUSTER_TERMINATED] = "TERMINATED", [CLUSTER_ERROR] = "ERROR",
    [CLUSTER_MISSING] = "MISSING",       [CLUSTER_FORBIDDEN] = "FORBIDDEN",
    [CLUSTER_UNASKABLE] = "UNASKABLE",
};

/* ---- states */

const char *cluster_state_name(ClusterState state)
{
    return NAMES[state];
}

bool cluster_state_serves(ClusterState state)
{
    return state == CLUSTER_RUNNING || state == CLUSTER_RESIZING;
}

/* Of those that the workspace has. */
static ClusterState state_from_name(const char *name)
{
    for (ClusterState state = CLUSTER_PENDING; name && state <= CLUSTER_ERROR; state++)
        if (strcmp(NAMES[state], name) == 0)
            return state;
    return CLUSTER_UNKNOWN;
}

/* ---- answers */

void cluster_reply_deinit(ClusterReply *reply)
{
    free(reply->name);
    free(reply->message);
    *reply = (ClusterReply)CLUSTER_REPLY_NULL;
}

/* A copy of the string, cut between characters; NULL for what is none or empty. */
static char *copy_words(const json_t *json)
{
    const char *words = json_string_value(json);
    size_t length = words ? strlen(words) : 0;
    if (length > MAX_WORDS)
        for (length = MAX_WORDS; length > 0 && ((uint8_t)words[length] & 0xc0) == 0x80;)
            length--;
    return length > 0 ? mem_copy_bytes_as_string(words, length) : NULL;
}

static void set_unaskable(ClusterReply *reply, unsigned http_status, const char *words)
{
    Text message = TEXT_NULL;
    text_printf(&message, "it answers HTTP %u", http_status);
    if (words)
        text_printf(&message, ": %s", words);
    free(reply->message);
    reply->kind = CLUSTER_REPLY_STATE;
    reply->state = CLUSTER_UNASKABLE;
    reply->message = text_take(&message);
}

/* What the error is about, where get and start mean the same by it. */
static void read_error(ClusterReply *reply, unsigned http_status, const json_t *document)
{
    const char *code = json_string_value(json_object_get(document, "error_code"));
    const char *words = reply->message ? reply->message : "";
    bool is_missing = code && (strcmp(code, "RESOURCE_DOES_NOT_EXIST") == 0 ||
                               strcmp(code, "INVALID_PARAMETER_VALUE") == 0);
    /* The workspace says 403 for a token that it does not know, too. */
    bool is_about_token = !code || strcasestr(words, "token") || strcasestr(words, "credential");
    if (http_status == 401 || (http_status == 403 && is_about_token)) {
        reply->kind = CLUSTER_REPLY_TOKEN_REFUSED;
    } else if (http_status == 403) {
        reply->state = CLUSTER_FORBIDDEN;
    } else if (is_missing) {
        reply->state = CLUSTER_MISSING;
    } else {
        set_unaskable(reply, http_status, document ? reply->message : "not as a Databricks workspace does");
    }
}

static json_t *load(ClusterReply *reply, const char *body, size_t length)
{
    json_t *document = json_loadb(body, length, 0, NULL);
    reply->message = copy_words(json_object_get(document, "message"));
    return document;
}

void cluster_reply_read_get(ClusterReply *reply, unsigned http_status, const char *body, size_t length)
{
    json_t *document = load(reply, body, length);
    const char *state = json_string_value(json_object_get(document, "state"));
    if (http_status == 200 && state) {
        free(reply->message);
        reply->state = state_from_name(state);
        reply->name = copy_words(json_object_get(document, "cluster_name"));
        reply->message = copy_words(json_object_get(document, "state_message"));
    } else {
        read_error(reply, http_status, document);
    }
    json_decref(document);
}

void cluster_reply_read_start(ClusterReply *reply, unsigned http_status, const char *body, size_t length)
{
    json_t *document = load(reply, body, length);
    const char *code = json_string_value(json_object_get(document, "error_code"));
    if (http_status == 200 && document)
        reply->kind = CLUSTER_REPLY_STARTED;
    else if (code && strcmp(code, "INVALID_STATE") == 0)
        reply->kind = CLUSTER_REPLY_FASTER;
    else
        read_error(reply, http_status, document);
    if (reply->kind == CLUSTER_REPLY_STATE && reply->state == CLUSTER_FORBIDDEN)
        reply->kind = CLUSTER_REPLY_DENIED;
    json_decref(document);
}

/* ---- decisions */

ClusterStep cluster_next_step(ClusterState state, bool is_under_way)
{
    switch (state) {
    case CLUSTER_RUNNING:
    case CLUSTER_RESIZING: return CLUSTER_STEP_READY;
    case CLUSTER_TERMINATED: return is_under_way ? CLUSTER_STEP_FAIL : CLUSTER_STEP_START;
    case CLUSTER_PENDING:
    case CLUSTER_RESTARTING:
    case CLUSTER_TERMINATING:
    case CLUSTER_UNASKABLE: return CLUSTER_STEP_WAIT;
    case CLUSTER_UNKNOWN:
    case CLUSTER_ERROR:
    case CLUSTER_MISSING:
    case CLUSTER_FORBIDDEN: break;
    }
    return CLUSTER_STEP_FAIL;
}

uint64_t cluster_poll_delay_ms(unsigned n_polls, uint32_t random)
{
    uint64_t seconds = n_polls < MAX_POLL_DELAY_S ? n_polls + 1 : MAX_POLL_DELAY_S;
    return seconds * 1000 + random % 1000;
}
