#include "admin/control_routes.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"

typedef struct Route {
    const char *method, *path;
    /* The answer's document; sets what else there is to it. */
    json_t *(*answer)(const ControlHost *host, ControlAnswer *answer);
} Route;

static json_t *answer_status(const ControlHost *host, ControlAnswer *answer)
{
    (void)answer;
    return host->status(host->context);
}

static json_t *answer_ready(const ControlHost *host, ControlAnswer *answer)
{
    bool is_ready = host->is_ready(host->context);
    answer->status = is_ready ? 200 : 503;
    return json_pack("{s:b}", "ready", is_ready);
}

static json_t *answer_stop(const ControlHost *host, ControlAnswer *answer)
{
    (void)host;
    answer->status = 202;
    answer->stops = true;
    return json_pack("{s:b}", "stopping", 1);
}

static const Route ROUTES[] = {
    {"GET", "/status", answer_status},
    {"GET", "/ready", answer_ready},
    {"POST", "/stop", answer_stop},
};

static const Route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++)
        if (strcmp(ROUTES[i].path, path) == 0)
            return &ROUTES[i];
    return NULL;
}

static json_t *route_document(const ControlHost *host, const char *method, const char *path,
                              ControlAnswer *answer)
{
    const Route *route = find_route(path);
    if (!route) {
        answer->status = 404;
        return json_pack("{s:s}", "error", "there is no such page; try /status");
    }
    if (strcmp(route->method, method) != 0) {
        answer->status = 405;
        answer->allowed = route->method;
        return json_pack("{s:s+}", "error", "this page takes only ", route->method);
    }
    return route->answer(host, answer);
}

void control_answer(const ControlHost *host, const char *method, const char *path, ControlAnswer *ret_answer)
{
    *ret_answer = (ControlAnswer){.status = 200};
    json_t *document = route_document(host, method, path, ret_answer);
    ret_answer->body = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (!ret_answer->body) /* jansson out of memory; the rest of the daemon will notice */
        ret_answer->body = mem_copy_string("{}");
}
