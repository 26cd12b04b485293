#include "admin/file_watch.h"

#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#define QUIET_MS      200  /* after the last event: an editor writes in several steps */
#define QUIET_MOST_MS 2000 /* after the first one */

/* One name in one folder, which is all there is to know when the loop tells of an event. */
typedef struct WatchedName {
    ListLink link; /* in watch->names */
    FileWatch *watch;
    uv_fs_event_t event;
    char *name;   /* in that folder */
    char *folder; /* its own name: what an event about the folder itself carries */
} WatchedName;

struct FileWatch {
    uv_loop_t *loop;
    Deadlines *deadlines;
    const Log *log;
    void (*on_change)(void *context);
    void *context;
    List names;
    size_t n_open; /* handles that the loop has not closed yet */
    bool is_closing;
    Deadline quiet;
    uint64_t first_event_ns;
};

static void free_if_closed(FileWatch *watch)
{
    if (watch->is_closing && watch->n_open == 0)
        free(watch);
}

static void on_name_closed(uv_handle_t *handle)
{
    WatchedName *name = container_of(handle, WatchedName, event);
    FileWatch *watch = name->watch;
    free(name->name);
    free(name->folder);
    free(name);
    watch->n_open--;
    free_if_closed(watch);
}

static void on_quiet(Deadline *deadline)
{
    FileWatch *watch = container_of(deadline, FileWatch, quiet);
    watch->on_change(watch->context);
}

/* Secret managers swap a whole folder behind a link whose name begins with two dots. */
static bool is_about(const WatchedName *name, const char *file)
{
    return !file || strcmp(file, name->name) == 0 || strcmp(file, name->folder) == 0 ||
           strncmp(file, "..", 2) == 0;
}

static void on_event(uv_fs_event_t *event, const char *file, int events, int status)
{
    WatchedName *name = container_of(event, WatchedName, event);
    FileWatch *watch = name->watch;
    uint64_t now_ns = clock_now_ns();
    (void)events;
    if (status == 0 && !is_about(name, file))
        return;
    if (!deadline_is_set(&watch->quiet))
        watch->first_event_ns = now_ns;
    if (now_ns - watch->first_event_ns < QUIET_MOST_MS * NS_PER_MS)
        deadline_set(watch->deadlines, &watch->quiet, now_ns + QUIET_MS * NS_PER_MS);
}

static void close_names(List *names)
{
    for (ListLink *link; (link = list_first(names));) {
        list_remove(names, link);
        uv_close((uv_handle_t *)&container_of(link, WatchedName, link)->event, on_name_closed);
    }
}

/* Takes the place of the path `folder`: its nearest ancestor that exists, and what is to appear there. */
static void climb_to_existing(char *folder, char *name)
{
    while (access(folder, F_OK) != 0 && strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0) {
        char copy[PATH_MAX];
        strcpy(copy, folder);
        strcpy(name, basename(copy));
        strcpy(copy, folder);
        strcpy(folder, dirname(copy));
    }
}

static void add(FileWatch *watch, const char *path)
{
    char folder[PATH_MAX], name[PATH_MAX], copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return; /* no such file can be */
    strcpy(copy, path);
    strcpy(name, basename(copy));
    strcpy(copy, path);
    strcpy(folder, dirname(copy));
    climb_to_existing(folder, name);
    WatchedName *watched = mem_new(WatchedName);
    watched->watch = watch;
    watched->name = mem_copy_string(name);
    strcpy(copy, folder);
    watched->folder = mem_copy_string(basename(copy));
    int error = uv_fs_event_init(watch->loop, &watched->event);
    if (error == 0) {
        watch->n_open++;
        list_append(&watch->names, &watched->link);
        error = uv_fs_event_start(&watched->event, on_event, folder, 0);
    } else {
        free(watched->name);
        free(watched->folder);
        free(watched);
    }
    if (error != 0)
        log_write(watch->log, LOG_LEVEL_WARNING,
                  "changes of %s will not be noticed (%s); after one, run: sparkbouncer reload", path,
                  uv_strerror(error));
}

void file_watch_set(FileWatch *watch, char *const *files, size_t n_files)
{
    List former;
    list_init(&former);
    for (ListLink *link; (link = list_first(&watch->names));) {
        list_remove(&watch->names, link);
        list_append(&former, link);
    }
    for (size_t i = 0; i < n_files; i++) {
        _cleanup_(mem_freep) char *real = realpath(files[i], NULL);
        add(watch, files[i]);
        if (real && strcmp(real, files[i]) != 0) /* somewhere behind a link */
            add(watch, real);
    }
    close_names(&former); /* only now: what is watched twice keeps the events that are on their way */
}

FileWatch *file_watch_new(uv_loop_t *loop, Deadlines *deadlines, const Log *log,
                          void (*on_change)(void *context), void *context)
{
    FileWatch *watch = mem_new(FileWatch);
    *watch = (FileWatch){.loop = loop,
                         .deadlines = deadlines,
                         .log = log,
                         .on_change = on_change,
                         .context = context,
                         .quiet = DEADLINE_INIT(on_quiet)};
    list_init(&watch->names);
    return watch;
}

FileWatch *file_watch_close(FileWatch *watch)
{
    if (!watch)
        return NULL;
    deadline_clear(watch->deadlines, &watch->quiet);
    watch->is_closing = true;
    close_names(&watch->names);
    free_if_closed(watch);
    return NULL;
}
