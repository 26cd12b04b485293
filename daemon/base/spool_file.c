#include "base/spool_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_STRETCHES 64                  /* of memory that one write takes */
#define WRITE_MOST    ((uint64_t)1 << 20) /* bytes of one write: so that no file holds a thread for long */

struct SpoolFile {
    SpoolFiles *files;
    SpoolFileState state;
    const SpoolFileEvents *events;
    void *context;
    int fd; /* -1: none */
    char *folder;
    char *name;         /* while it has one */
    PieceQueue pending; /* to be written; the bytes of a write stay here until it is done */
    uint64_t limit;     /* bytes of the file; byte n of the queue lies at n % limit */
    uint64_t n_written, n_read;
    uint64_t n_bytes; /* that it takes on disk */
    ListLink link;    /* in files->waiting */
    uv_fs_t work;     /* opening, writing, closing: one after the other */
    uv_fs_t reading;
    Block *block; /* that is read into */
    bool is_working, is_reading;
    bool is_wanted; /* the next bytes are asked for */
    bool is_held;   /* the owner is told something, and may let go of it */
};

static void go_on(SpoolFile *file);

/* ---- states */

#define TO(state) (1u << (state))
static const unsigned TRANSITIONS[] = {
    [SPOOL_FILE_OPENING] = TO(SPOOL_FILE_OPEN) | TO(SPOOL_FILE_FAILED) | TO(SPOOL_FILE_CLOSING),
    [SPOOL_FILE_OPEN] = TO(SPOOL_FILE_FAILED) | TO(SPOOL_FILE_CLOSING),
    [SPOOL_FILE_FAILED] = TO(SPOOL_FILE_FAILED) | TO(SPOOL_FILE_CLOSING),
    [SPOOL_FILE_CLOSING] = 0,
};

static void set_state(SpoolFile *file, SpoolFileState state)
{
    assert(TRANSITIONS[file->state] & TO(state));
    file->state = state;
}

/* `action`: made, written or read. */
static void fail(SpoolFile *file, const char *action, int error, bool is_lost)
{
    _cleanup_(text_deinit) Text reason = TEXT_NULL;
    if (file->state == SPOOL_FILE_CLOSING)
        return;
    set_state(file, SPOOL_FILE_FAILED);
    text_printf(&reason, "a temporary file in %s cannot be %s: %s", file->folder, action, uv_strerror(error));
    file->is_held = true;
    file->events->on_failed(file->context, text_string(&reason), is_lost);
    file->is_held = false;
}

/* ---- room for all */

void spool_files_init(SpoolFiles *files, uv_loop_t *loop, BlockPool *blocks, const char *folder,
                      uint64_t limit)
{
    *files = (SpoolFiles){.loop = loop, .blocks = blocks, .folder = folder, .limit = limit};
    list_init(&files->waiting);
}

/* Each that waits has one more try; those that still find no room wait on. */
static void wake_waiting(SpoolFiles *files)
{
    for (size_t n = files->waiting.n_entries; n > 0 && !list_is_empty(&files->waiting); n--) {
        SpoolFile *file = container_of(list_first(&files->waiting), SpoolFile, link);
        list_remove(&files->waiting, &file->link);
        go_on(file);
    }
}

void spool_files_change(SpoolFiles *files, const char *folder, uint64_t limit)
{
    files->folder = folder;
    files->limit = limit;
    files->has_no_unnamed_file = false;
    wake_waiting(files);
}

/* libuv refuses a request for the pool only when there is no memory. */
static void expect_begun(int error)
{
    if (error != 0)
        abort();
}

/* ---- the end */

static void gone(SpoolFile *file)
{
    SpoolFiles *files = file->files;
    files->n_bytes -= file->n_bytes;
    free(file->folder);
    free(file->name);
    free(file);
    wake_waiting(files);
}

static void on_closed(uv_fs_t *request)
{
    uv_fs_req_cleanup(request);
    gone(container_of(request, SpoolFile, work));
}

/* Requests that the pool has begun cannot be called back: the file and its memory stay until they are done.
 * Closing takes the disk a while too: it has to give back all the room. */
static void close_when_unused(SpoolFile *file)
{
    if (file->is_working || file->is_reading || file->is_held)
        return;
    piece_queue_deinit(&file->pending);
    file->is_working = true;
    if (file->fd < 0)
        gone(file);
    else
        expect_begun(uv_fs_close(file->files->loop, &file->work, file->fd, on_closed));
}

SpoolFile *spool_file_free(SpoolFile *file)
{
    if (!file)
        return NULL;
    set_state(file, SPOOL_FILE_CLOSING);
    file->files->n_unread -= spool_file_unread(file);
    list_remove(&file->files->waiting, &file->link);
    close_when_unused(file);
    return NULL;
}

/* ---- opening */

static void opened(SpoolFile *file, int error)
{
    file->is_working = false;
    if (error < 0)
        fail(file, "made", error, false);
    else if (file->state == SPOOL_FILE_OPENING)
        set_state(file, SPOOL_FILE_OPEN);
    go_on(file);
}

static void on_unlinked(uv_fs_t *request)
{
    SpoolFile *file = container_of(request, SpoolFile, work);
    int error = (int)request->result;
    uv_fs_req_cleanup(request);
    opened(file, error);
}

static void on_named(uv_fs_t *request)
{
    SpoolFile *file = container_of(request, SpoolFile, work);
    int result = (int)request->result;
    if (result >= 0) {
        file->fd = result;
        file->name = mem_copy_string(request->path);
    }
    uv_fs_req_cleanup(request);
    if (result >= 0)
        expect_begun(uv_fs_unlink(file->files->loop, &file->work, file->name, on_unlinked));
    else
        opened(file, result);
}

/* One with a name, which is taken from it at once. */
static void open_named(SpoolFile *file)
{
    _cleanup_(text_deinit) Text name = TEXT_NULL;
    text_printf(&name, "%s/sparkbouncer-XXXXXX", file->folder);
    file->files->has_no_unnamed_file = true;
    expect_begun(uv_fs_mkstemp(file->files->loop, &file->work, text_string(&name), on_named));
}

#ifdef O_TMPFILE
static void on_opened(uv_fs_t *request)
{
    SpoolFile *file = container_of(request, SpoolFile, work);
    int result = (int)request->result;
    bool is_unknown = result == -EOPNOTSUPP || result == -EISDIR || result == -EINVAL;
    uv_fs_req_cleanup(request);
    if (result >= 0)
        file->fd = result;
    if (is_unknown && file->state == SPOOL_FILE_OPENING)
        open_named(file);
    else
        opened(file, result);
}
#endif

static void open_file(SpoolFile *file)
{
    file->is_working = true;
#ifdef O_TMPFILE
    if (!file->files->has_no_unnamed_file) {
        expect_begun(uv_fs_open(file->files->loop, &file->work, file->folder, O_TMPFILE | O_EXCL | O_RDWR,
                                0600, on_opened));
        return;
    }
#endif
    open_named(file);
}

SpoolFile *spool_file_new(SpoolFiles *files, uint64_t limit, const SpoolFileEvents *events, void *context)
{
    SpoolFile *file = mem_new(SpoolFile);
    *file = (SpoolFile){.files = files,
                        .state = SPOOL_FILE_OPENING,
                        .events = events,
                        .context = context,
                        .fd = -1,
                        .folder = mem_copy_string(files->folder),
                        .limit = limit};
    list_link_init(&file->link);
    open_file(file);
    return file;
}

/* ---- writing */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How much may be written now, without a gap and without growing beyond what there is for all. */
static uint64_t writable(const SpoolFile *file)
{
    const SpoolFiles *files = file->files;
    uint64_t place = file->n_written % file->limit;
    uint64_t length = lesser(file->pending.n_bytes, WRITE_MOST);
    length = lesser(length, file->limit - spool_file_unread(file));
    length = lesser(length, file->limit - place);
    uint64_t reused = file->n_bytes > place ? file->n_bytes - place : 0;
    uint64_t left = files->limit > files->n_bytes ? files->limit - files->n_bytes : 0;
    return lesser(length, reused + left);
}

static void account(SpoolFile *file, uint64_t end)
{
    if (end <= file->n_bytes)
        return;
    file->files->n_bytes += end - file->n_bytes;
    file->n_bytes = end;
}

static void written(SpoolFile *file, size_t length)
{
    for (size_t left = length; left > 0;) {
        size_t part = file->pending.head->length < left ? file->pending.head->length : left;
        piece_queue_advance(&file->pending, part, NULL);
        left -= part;
    }
    file->n_written += length;
    file->files->n_unread += length;
    file->is_held = true;
    file->events->on_written(file->context, length);
    file->is_held = false;
}

static void on_written(uv_fs_t *request)
{
    SpoolFile *file = container_of(request, SpoolFile, work);
    ssize_t result = request->result;
    uv_fs_req_cleanup(request);
    file->is_working = false;
    if (result <= 0)
        fail(file, "written", result < 0 ? (int)result : UV_EIO, false);
    else if (file->state != SPOOL_FILE_CLOSING)
        written(file, (size_t)result);
    go_on(file);
}

static void start_write(SpoolFile *file)
{
    uv_buf_t buffers[MAX_STRETCHES];
    unsigned n = 0;
    uint64_t length = 0;
    if (file->state != SPOOL_FILE_OPEN || file->is_working || file->pending.n_bytes == 0)
        return;
    uint64_t most = writable(file);
    uint64_t place = file->n_written % file->limit;
    for (const Piece *piece = file->pending.head; piece && n < MAX_STRETCHES && length < most;
         piece = piece->next) {
        uint64_t part = lesser(piece->length, most - length);
        buffers[n++] = uv_buf_init((char *)(uintptr_t)piece->bytes, (unsigned)part);
        length += part;
    }
    list_remove(&file->files->waiting, &file->link);
    if (length == 0) {
        list_append(&file->files->waiting, &file->link);
        return;
    }
    account(file, place + length);
    file->is_working = true;
    expect_begun(
        uv_fs_write(file->files->loop, &file->work, file->fd, buffers, n, (int64_t)place, on_written));
}

void spool_file_append(SpoolFile *file, const uint8_t *bytes, size_t length, Block *block)
{
    piece_queue_append(&file->pending, bytes, length, block);
    go_on(file);
}

/* ---- reading */

static void was_read(SpoolFile *file, Block *block, size_t length)
{
    file->n_read += length;
    file->files->n_unread -= length;
    block->used = (uint32_t)length;
    file->is_held = true;
    file->events->on_read(file->context, block->bytes, length, block);
    file->is_held = false;
}

static void on_read(uv_fs_t *request)
{
    SpoolFile *file = container_of(request, SpoolFile, reading);
    Block *block = steal(file->block);
    ssize_t result = request->result;
    uv_fs_req_cleanup(request);
    file->is_reading = false;
    if (result <= 0)
        fail(file, "read", result < 0 ? (int)result : UV_EIO, true);
    else if (file->state != SPOOL_FILE_CLOSING)
        was_read(file, block, (size_t)result);
    block_unref(block);
    go_on(file);
}

static void start_read(SpoolFile *file)
{
    uint64_t place = file->n_read % file->limit;
    if (file->state == SPOOL_FILE_CLOSING || !file->is_wanted || file->is_reading ||
        spool_file_unread(file) == 0)
        return;
    Block *block = block_pool_get(file->files->blocks);
    uint64_t length = lesser(lesser(block->pool->block_size, spool_file_unread(file)), file->limit - place);
    uv_buf_t buffer = uv_buf_init((char *)block->bytes, (unsigned)length);
    file->block = block;
    file->is_wanted = false;
    file->is_reading = true;
    expect_begun(
        uv_fs_read(file->files->loop, &file->reading, file->fd, &buffer, 1, (int64_t)place, on_read));
}

void spool_file_read(SpoolFile *file)
{
    file->is_wanted = true;
    start_read(file);
}

/* ---- both */

static bool is_stuck(const SpoolFile *file)
{
    return file->state != SPOOL_FILE_CLOSING && !file->is_working && !file->is_reading &&
           spool_file_unread(file) == 0 && file->pending.n_bytes > 0;
}

/* After whatever has happened. */
static void go_on(SpoolFile *file)
{
    if (file->state == SPOOL_FILE_CLOSING) {
        close_when_unused(file);
        return;
    }
    start_write(file);
    start_read(file);
    if (is_stuck(file))
        file->events->on_stuck(file->context);
}

void spool_file_take_back(SpoolFile *file, PieceQueue *ret_pending)
{
    assert(!file->is_working);
    *ret_pending = file->pending;
    file->pending = (PieceQueue)PIECE_QUEUE_INIT;
}

size_t spool_file_pending(const SpoolFile *file)
{
    return file->pending.n_bytes;
}

uint64_t spool_file_unread(const SpoolFile *file)
{
    return file->n_written - file->n_read;
}
