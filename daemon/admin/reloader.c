#include "admin/reloader.h"

#include <jansson.h>

#include "base/list.h"
#include "base/mem.h"

typedef enum ReloaderState {
    RELOADER_IDLE,
    RELOADER_LOADING,
    RELOADER_LOADING_AND_ASKED, /* by those who want what is in the files by now: once more after this one */
    RELOADER_CLOSING,           /* a load still runs; nobody wants it any more */
} ReloaderState;

struct Reloader {
    const Log *log;
    const SettingsSource *source;
    ReloaderHost host;
    ReloaderState state;
    uv_loop_t *loop;
    uv_work_t work;
    const char *why, *next_why;
    List questions, next_questions; /* for the load that runs, for the one after */
    Settings *settings;             /* what the load that runs has brought */
    Problems problems;
};

static void reloader_free(Reloader *reloader)
{
    settings_unref(reloader->settings);
    problems_deinit(&reloader->problems);
    free(reloader);
}

/* ---- what is said about it */

static json_t *sentences(const Problems *problems, bool are_errors)
{
    json_t *document = json_array();
    for (size_t i = 0; i < problems->n_entries; i++) {
        const Problem *problem = &problems->entries[i];
        json_t *sentence = problem->is_error == are_errors ? json_string(problem->sentence) : NULL;
        if (problem->is_error == are_errors)
            (void)json_array_append_new(document, sentence ? sentence : json_string("(not printable)"));
    }
    return document;
}

static void log_problems(const Reloader *reloader)
{
    const Problems *problems = &reloader->problems;
    for (size_t i = 0; i < problems->n_entries; i++)
        log_write(reloader->log, problems->entries[i].is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s",
                  problems->entries[i].sentence);
    if (problems->n_errors > 0)
        log_write(reloader->log, LOG_LEVEL_ERROR,
                  "the configuration is not reloaded (%s): %zu error%s; what was in force before stays",
                  reloader->why, problems->n_errors, problems->n_errors == 1 ? "" : "s");
}

/* Takes the document over. */
static void answer(List *questions, unsigned status, json_t *document)
{
    for (ListLink *link; (link = list_first(questions));) {
        list_remove(questions, link);
        control_question_answer(container_of(link, ControlQuestion, link), status, json_incref(document));
    }
    json_decref(document);
}

static void conclude(Reloader *reloader, json_t *changes)
{
    log_problems(reloader);
    if (changes) {
        (void)json_object_set_new(changes, "warnings", sentences(&reloader->problems, false));
        answer(&reloader->questions, 200, changes);
        return;
    }
    answer(&reloader->questions, 409,
           json_pack("{s:s, s:o, s:o}", "error",
                     "the configuration has errors; what was in force before stays", "problems",
                     sentences(&reloader->problems, true), "warnings",
                     sentences(&reloader->problems, false)));
}

/* ---- loading */

static void begin(Reloader *reloader);

/* On a thread of the pool: nothing here is the loop's meanwhile but `state` and the lists. */
static void load(uv_work_t *work)
{
    Reloader *reloader = container_of(work, Reloader, work);
    if (settings_load(&reloader->settings, reloader->source, &reloader->problems) != 0)
        reloader->settings = NULL;
}

static void on_loaded(uv_work_t *work, int status)
{
    Reloader *reloader = container_of(work, Reloader, work);
    (void)status; /* cancelled only when closing */
    if (reloader->state == RELOADER_CLOSING) {
        reloader_free(reloader);
        return;
    }
    json_t *changes = NULL;
    if (reloader->settings)
        changes =
            reloader->host.apply(reloader->host.context, steal(reloader->settings), &reloader->problems);
    reloader->host.end(reloader->host.context, changes != NULL);
    conclude(reloader, changes);
    problems_deinit(&reloader->problems);
    bool is_asked = reloader->state == RELOADER_LOADING_AND_ASKED;
    reloader->state = RELOADER_IDLE;
    if (is_asked)
        begin(reloader);
}

static void begin(Reloader *reloader)
{
    reloader->state = RELOADER_LOADING;
    reloader->why = reloader->next_why;
    for (ListLink *link; (link = list_first(&reloader->next_questions));) {
        list_remove(&reloader->next_questions, link);
        list_append(&reloader->questions, link);
    }
    reloader->host.begin(reloader->host.context);
    if (uv_queue_work(reloader->loop, &reloader->work, load, on_loaded) != 0)
        abort(); /* only without a callback */
}

void reloader_request(Reloader *reloader, const char *why, ControlQuestion *question)
{
    reloader->next_why = why;
    if (question)
        list_append(&reloader->next_questions, &question->link);
    if (reloader->state == RELOADER_IDLE)
        begin(reloader);
    else if (reloader->state == RELOADER_LOADING)
        reloader->state = RELOADER_LOADING_AND_ASKED;
}

/* ---- beginning and end */

Reloader *reloader_new(uv_loop_t *loop, const Log *log, const SettingsSource *source,
                       const ReloaderHost *host)
{
    Reloader *reloader = mem_new(Reloader);
    *reloader =
        (Reloader){.log = log, .source = source, .host = *host, .loop = loop, .problems = PROBLEMS_NULL};
    list_init(&reloader->questions);
    list_init(&reloader->next_questions);
    return reloader;
}

Reloader *reloader_close(Reloader *reloader)
{
    if (!reloader)
        return NULL;
    bool is_loading = reloader->state != RELOADER_IDLE;
    reloader->state = RELOADER_CLOSING;
    answer(&reloader->questions, 503, json_pack("{s:s}", "error", "the daemon stops"));
    answer(&reloader->next_questions, 503, json_pack("{s:s}", "error", "the daemon stops"));
    if (is_loading)
        (void)uv_cancel((uv_req_t *)&reloader->work);
    else
        reloader_free(reloader);
    return NULL;
}
