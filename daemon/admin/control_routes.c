#include "admin/control_routes.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "conf/values.h"

typedef struct Route {
    const char *method, *path;
    bool has_body;
    /* The answer's document; sets what else there is to it. `body` is an object, NULL where there is none. */
    json_t *(*answer)(const ControlHost *host, const json_t *body, ControlAnswer *answer);
} Route;

/* `sentence` may name things as bytes that are no text. */
static json_t *error_document(ControlAnswer *answer, unsigned status, const char *sentence)
{
    json_t *text = json_string(sentence);
    answer->status = status;
    return json_pack("{s:o}", "error", text ? text : json_string("(not printable)"));
}

static json_t *answer_status(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    (void)body;
    (void)answer;
    return host->status(host->context);
}

static json_t *answer_ready(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    (void)body;
    bool is_ready = host->is_ready(host->context);
    answer->status = is_ready ? 200 : 503;
    return json_pack("{s:b}", "ready", is_ready);
}

static json_t *answer_stop(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    (void)host;
    (void)body;
    answer->status = 202;
    answer->stops = true;
    return json_pack("{s:b}", "stopping", 1);
}

static json_t *answer_reload(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    (void)body;
    ControlQuestion *question = mem_new(ControlQuestion);
    list_link_init(&question->link);
    if (host->reload(host->context, question)) {
        answer->question = question;
        return NULL;
    }
    free(question);
    return error_document(answer, 503, "the daemon stops");
}

/* ---- bodies */

/* NULL when it is not there, and with `*is_wrong` set when it is no string. */
static const char *string_of(const json_t *body, const char *key, bool *is_wrong)
{
    const json_t *value = json_object_get(body, key);
    if (!value || json_is_null(value))
        return NULL;
    *is_wrong |= !json_is_string(value);
    return json_string_value(value);
}

static bool has_only(const json_t *body, const char *const *keys, size_t n_keys)
{
    size_t n_known = 0;
    for (size_t i = 0; i < n_keys; i++)
        n_known += json_object_get(body, keys[i]) != NULL;
    return json_object_size(body) == n_known;
}

static json_t *answer_add_guest(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    static const char *const KEYS[] = {"host", "token", "cluster_id", "serverless"};
    _cleanup_(text_deinit) Text problem = TEXT_NULL;
    bool is_wrong = !has_only(body, KEYS, sizeof KEYS / sizeof KEYS[0]);
    const json_t *serverless = json_object_get(body, "serverless");
    GuestProfile guest = {.host = string_of(body, "host", &is_wrong),
                          .token = string_of(body, "token", &is_wrong),
                          .cluster_id = string_of(body, "cluster_id", &is_wrong),
                          .is_serverless = json_is_true(serverless)};
    is_wrong |= serverless && !json_is_boolean(serverless) && !json_is_null(serverless);
    if (is_wrong || !guest.host || !guest.token)
        return error_document(answer, 400,
                              "a profile has the strings host and token, perhaps cluster_id, and perhaps "
                              "serverless, which is true or false; nothing else");
    answer->status = 201;
    const char *name = host->add_guest(host->context, &guest, &answer->status, &problem);
    return name ? json_pack("{s:s}", "profile", name)
                : error_document(answer, answer->status, text_string(&problem));
}

static json_t *answer_probe(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    static const char *const KEYS[] = {"profile"};
    _cleanup_(text_deinit) Text problem = TEXT_NULL;
    bool is_wrong = !has_only(body, KEYS, 1);
    const char *profile = string_of(body, "profile", &is_wrong);
    if (is_wrong || !profile)
        return error_document(answer, 400, "a probe has the string profile and nothing else");
    answer->status = 202;
    if (!host->probe(host->context, profile, &answer->status, &problem))
        return error_document(answer, answer->status, text_string(&problem));
    return json_pack("{s:b}", "probing", 1);
}

static json_t *answer_start(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    static const char *const KEYS[] = {"profile"};
    _cleanup_(text_deinit) Text problem = TEXT_NULL;
    bool is_wrong = !has_only(body, KEYS, 1);
    const char *profile = string_of(body, "profile", &is_wrong);
    if (is_wrong || !profile)
        return error_document(answer, 400, "a start has the string profile and nothing else");
    answer->status = 202;
    if (!host->start(host->context, profile, &answer->status, &problem))
        return error_document(answer, answer->status, text_string(&problem));
    return json_pack("{s:b}", "starting", 1);
}

static json_t *answer_sessions(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    (void)body;
    (void)answer;
    return host->sessions(host->context);
}

static json_t *answer_release_session(const ControlHost *host, const json_t *body, ControlAnswer *answer)
{
    static const char *const KEYS[] = {"name", "profile", "user"};
    _cleanup_(text_deinit) Text problem = TEXT_NULL;
    bool is_wrong = !has_only(body, KEYS, sizeof KEYS / sizeof KEYS[0]);
    SessionRelease release = {.name = string_of(body, "name", &is_wrong),
                              .profile = string_of(body, "profile", &is_wrong),
                              .user = string_of(body, "user", &is_wrong)};
    if (is_wrong || !release.name || !value_is_session_name(release.name, strlen(release.name)))
        return error_document(answer, 400,
                              "a release has the string name, the name of a session, perhaps profile and "
                              "user; nothing else");
    ControlQuestion *question = mem_new(ControlQuestion);
    list_link_init(&question->link);
    if (host->release_session(host->context, &release, question, &answer->status, &problem)) {
        answer->question = question;
        return NULL;
    }
    free(question);
    return error_document(answer, answer->status, text_string(&problem));
}

/* ---- routes */

static const Route ROUTES[] = {
    {"GET", "/status", false, answer_status},
    {"GET", "/ready", false, answer_ready},
    {"POST", "/stop", false, answer_stop},
    {"POST", "/reload", false, answer_reload},
    {"POST", "/profiles", true, answer_add_guest},
    {"POST", "/probe", true, answer_probe},
    {"POST", "/start", true, answer_start},
    {"GET", "/sessions", false, answer_sessions},
    {"POST", "/sessions/release", true, answer_release_session},
};

static const Route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++)
        if (strcmp(ROUTES[i].path, path) == 0)
            return &ROUTES[i];
    return NULL;
}

/* What the parser says of an error may quote the body, which may have a token in it. */
static json_t *answer_body(const ControlHost *host, const Route *route, const ControlRequest *request,
                           ControlAnswer *answer)
{
    json_error_t error;
    json_t *body =
        json_loadb(request->body ? request->body : "", request->body_length, JSON_REJECT_DUPLICATES, &error);
    json_t *document = json_is_object(body)
                           ? route->answer(host, body, answer)
                           : error_document(answer, 400, "this page takes a body: one JSON object");
    json_decref(body);
    return document;
}

static json_t *route_document(const ControlHost *host, const ControlRequest *request, ControlAnswer *answer)
{
    const Route *route = find_route(request->path);
    if (!route) {
        answer->status = 404;
        return json_pack("{s:s}", "error", "there is no such page; try /status");
    }
    if (strcmp(route->method, request->method) != 0) {
        answer->status = 405;
        answer->allowed = route->method;
        return json_pack("{s:s+}", "error", "this page takes only ", route->method);
    }
    return route->has_body ? answer_body(host, route, request, answer) : route->answer(host, NULL, answer);
}

char *control_body(json_t *document)
{
    char *body = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return body ? body
                : mem_copy_string("{}"); /* jansson out of memory; the rest of the daemon will notice */
}

void control_answer(const ControlHost *host, const ControlRequest *request, ControlAnswer *ret_answer)
{
    *ret_answer = (ControlAnswer){.status = 200};
    json_t *document = route_document(host, request, ret_answer);
    if (!ret_answer->question)
        ret_answer->body = control_body(document);
}

void control_question_answer(ControlQuestion *question, unsigned status, json_t *document)
{
    if (question->asker)
        question->deliver(question->asker, status, document);
    else
        json_decref(document);
    free(question);
}
