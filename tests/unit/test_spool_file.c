/* SpoolFile: every byte comes back once and in order, from disk or from memory, whatever the disk does. */

#include "base/spool_file.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "random_number.h"

#define KIB        ((size_t)1024)
#define BLOCK_SIZE (16 * KIB)

/* One queue and both its ends. */
typedef struct Queue {
    SpoolFile *file;
    uint64_t n_appended, n_returned;
    uint64_t n_written; /* as on_written has told */
    unsigned n_reads;   /* blocks that were read */
    unsigned n_stuck, n_failed;
    bool is_lost;
    bool reads_on; /* asks for the next block in on_read */
    char reason[256];
} Queue;

static uv_loop_t loop;
static BlockPool blocks;
static SpoolFiles files;
static Queue queues[3];
static char folder[64];

static uint8_t byte_at(uint64_t position)
{
    return (uint8_t)((position * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static void returned(Queue *queue, const uint8_t *bytes, size_t length)
{
    size_t n_right = 0;
    while (n_right < length && bytes[n_right] == byte_at(queue->n_returned + n_right))
        n_right++;
    ck_assert_uint_eq(n_right, length);
    queue->n_returned += length;
}

static void on_written(void *context, size_t length)
{
    ((Queue *)context)->n_written += length;
}

static void on_read(void *context, const uint8_t *bytes, size_t length, Block *block)
{
    Queue *queue = context;
    ck_assert_ptr_eq(bytes, block->bytes);
    ck_assert_uint_le(length, BLOCK_SIZE);
    returned(queue, bytes, length);
    queue->n_reads++;
    if (queue->reads_on)
        spool_file_read(queue->file);
}

static void on_stuck(void *context)
{
    Queue *queue = context;
    PieceQueue pending;
    queue->n_stuck++;
    spool_file_take_back(queue->file, &pending);
    ck_assert_uint_gt(pending.n_bytes, 0);
    for (const Piece *piece = pending.head; piece; piece = piece->next)
        returned(queue, piece->bytes, piece->length);
    piece_queue_deinit(&pending);
}

static void on_failed(void *context, const char *reason, bool is_lost)
{
    Queue *queue = context;
    queue->n_failed++;
    queue->is_lost = is_lost;
    (void)snprintf(queue->reason, sizeof queue->reason, "%s", reason);
    if (is_lost)
        queue->file = spool_file_free(queue->file);
}

static const SpoolFileEvents EVENTS = {
    .on_written = on_written, .on_read = on_read, .on_stuck = on_stuck, .on_failed = on_failed};

static void setup(void)
{
    memset(queues, 0, sizeof queues);
    strcpy(folder, "/tmp/test_spool_file.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    block_pool_init(&blocks, BLOCK_SIZE);
    spool_files_init(&files, &loop, &blocks, folder, 1024 * KIB);
}

/* All has been given back: the folder is empty, no descriptor, no block and no byte is held. */
static void teardown(void)
{
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++)
        queues[i].file = spool_file_free(queues[i].file);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_uint_eq(files.n_bytes, 0);
    ck_assert_uint_eq(files.n_unread, 0);
    ck_assert(list_is_empty(&files.waiting));
    block_pool_deinit(&blocks);
    ck_assert_int_eq(rmdir(folder), 0);
}

static Queue *begin(size_t i, size_t limit)
{
    queues[i].file = spool_file_new(&files, limit, &EVENTS, &queues[i]);
    return &queues[i];
}

static void append(Queue *queue, size_t length)
{
    while (length > 0) {
        size_t part = length < BLOCK_SIZE ? length : BLOCK_SIZE;
        Block *own = block_pool_get(&blocks);
        for (size_t i = 0; i < part; i++)
            own->bytes[i] = byte_at(queue->n_appended + i);
        queue->n_appended += part;
        spool_file_append(queue->file, own->bytes, part, own);
        block_unref(own);
        length -= part;
    }
}

static void run_until_idle(void)
{
    (void)uv_run(&loop, UV_RUN_DEFAULT);
}

/* The descriptor of the only file that is open below the folder. */
static int find_descriptor(char *ret_path, size_t size)
{
    char link[64];
    for (int fd = 3; fd < 64; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, ret_path, size - 1);
        ret_path[length > 0 ? length : 0] = '\0';
        if (length > 0 && strncmp(ret_path, folder, strlen(folder)) == 0)
            return fd;
    }
    return -1;
}

static size_t count_names(void)
{
    size_t n = 0;
    DIR *directory = opendir(folder);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        n += entry->d_name[0] != '.';
    (void)closedir(directory);
    return n;
}

/* ---- order */

START_TEST(comes_back_in_order)
{
    Queue *queue = begin(0, 512 * KIB);
    append(queue, 100 * KIB);
    ck_assert_uint_eq(spool_file_pending(queue->file), 100 * KIB); /* it is not open yet */
    run_until_idle();
    ck_assert_uint_eq(queue->n_written, 100 * KIB);
    ck_assert_uint_eq(spool_file_pending(queue->file), 0);
    ck_assert_uint_eq(spool_file_unread(queue->file), 100 * KIB);
    ck_assert_uint_eq(files.n_unread, 100 * KIB);
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_reads, 1); /* one block a question */
    ck_assert_uint_eq(queue->n_returned, BLOCK_SIZE);
    queue->reads_on = true;
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_returned, 100 * KIB);
    ck_assert(spool_file_is_empty(queue->file));
    append(queue, 10); /* the question still stands */
    run_until_idle();
    ck_assert_uint_eq(queue->n_returned, 100 * KIB + 10);
    ck_assert_uint_eq(queue->n_stuck + queue->n_failed, 0);
}
END_TEST

/* A file that is small against what goes through it: its places are used again and again. */
START_TEST(goes_round)
{
    random_number_state += (uint64_t)_i;
    bool is_within = true;
    Queue *queue = begin(0, 50000);
    for (unsigned step = 0; step < 2000; step++) {
        if (spool_file_pending(queue->file) < 64 * KIB)
            append(queue, 1 + random_number(_i % 2 ? 20000 : 300));
        if (random_number(3) == 0)
            spool_file_read(queue->file);
        (void)uv_run(&loop, random_number(2) ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        is_within &= spool_file_unread(queue->file) <= 50000 && files.n_bytes <= 50000;
    }
    queue->reads_on = true;
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_returned, queue->n_appended);
    ck_assert_uint_eq(queue->n_written, queue->n_appended);
    ck_assert_uint_gt(queue->n_returned, 100000);
    ck_assert(is_within);
    ck_assert_uint_eq(queue->n_stuck + queue->n_failed, 0);
}
END_TEST

/* ---- limits */

START_TEST(waits_when_full)
{
    Queue *queue = begin(0, 40 * KIB);
    append(queue, 100 * KIB);
    run_until_idle();
    ck_assert_uint_eq(queue->n_written, 40 * KIB);
    ck_assert_uint_eq(spool_file_pending(queue->file), 60 * KIB);
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_written, 40 * KIB + BLOCK_SIZE);
    queue->reads_on = true;
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_returned, 100 * KIB);
    ck_assert_uint_eq(files.n_bytes, 40 * KIB);
    ck_assert_uint_eq(queue->n_stuck, 0);
}
END_TEST

START_TEST(share_the_room)
{
    spool_files_change(&files, folder, 64 * KIB);
    Queue *first = begin(0, 40 * KIB), *second = begin(1, 40 * KIB), *third = begin(2, 40 * KIB);
    append(first, 50 * KIB);
    run_until_idle();
    append(second, 50 * KIB);
    run_until_idle();
    ck_assert_uint_eq(first->n_written, 40 * KIB);
    ck_assert_uint_eq(second->n_written, 24 * KIB);
    ck_assert(!spool_files_have_room(&files));
    append(third, 50 * KIB); /* there is no place for even one byte: it stays in memory */
    run_until_idle();
    ck_assert_uint_eq(third->n_stuck, 4); /* one for each block */
    ck_assert_uint_eq(third->n_returned, 50 * KIB);
    ck_assert_uint_eq(first->n_stuck + second->n_stuck, 0);
    first->file = spool_file_free(first->file); /* its room goes to who waits for it */
    run_until_idle();
    ck_assert_uint_eq(second->n_written, 40 * KIB);
    ck_assert_uint_eq(files.n_bytes, 40 * KIB);
    second->reads_on = true;
    spool_file_read(second->file);
    run_until_idle();
    ck_assert_uint_eq(second->n_returned, 50 * KIB);
}
END_TEST

START_TEST(limit_is_raised)
{
    spool_files_change(&files, folder, 10 * KIB);
    Queue *queue = begin(0, 512 * KIB);
    append(queue, 50 * KIB);
    run_until_idle();
    ck_assert_uint_eq(queue->n_written, 10 * KIB);
    spool_files_change(&files, folder, 1024 * KIB);
    run_until_idle();
    ck_assert_uint_eq(queue->n_written, 50 * KIB);
}
END_TEST

/* ---- a disk that does not take it */

START_TEST(disk_is_full)
{
    struct rlimit before, less;
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    less = before;
    less.rlim_cur = 30000; /* in the middle of a block */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &less), 0);
    Queue *queue = begin(0, 512 * KIB);
    append(queue, 100 * KIB);
    run_until_idle();
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_uint_eq(queue->n_failed, 1);
    ck_assert(!queue->is_lost);
    ck_assert_ptr_nonnull(strstr(queue->reason, folder));
    ck_assert_ptr_nonnull(strstr(queue->reason, "cannot be written: file too large"));
    ck_assert_uint_eq(queue->n_written, 30000);
    append(queue, 10 * KIB); /* behind what waits in memory */
    queue->reads_on = true;
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_stuck, 1);
    ck_assert_uint_eq(queue->n_returned, 110 * KIB);
}
END_TEST

START_TEST(folder_is_not_there)
{
    files.has_no_unnamed_file = _i == 1;
    files.folder = "/nowhere/at/all";
    Queue *queue = begin(0, 512 * KIB);
    append(queue, 100 * KIB);
    run_until_idle();
    ck_assert_uint_eq(queue->n_failed, 1);
    ck_assert(!queue->is_lost);
    ck_assert_str_eq(queue->reason,
                     "a temporary file in /nowhere/at/all cannot be made: no such file or directory");
    ck_assert_uint_eq(queue->n_stuck, 1);
    ck_assert_uint_eq(queue->n_returned, 100 * KIB);
    append(queue, 7); /* who goes on all the same gets it back at once */
    ck_assert_uint_eq(queue->n_returned, 100 * KIB + 7);
}
END_TEST

START_TEST(what_was_written_is_gone)
{
    char path[256];
    Queue *queue = begin(0, 512 * KIB);
    append(queue, 100 * KIB);
    run_until_idle();
    ck_assert_int_eq(ftruncate(find_descriptor(path, sizeof path), 10), 0);
    queue->reads_on = true;
    spool_file_read(queue->file);
    run_until_idle();
    ck_assert_uint_eq(queue->n_returned, 10);
    ck_assert_uint_eq(queue->n_failed, 1);
    ck_assert(queue->is_lost);
    ck_assert_ptr_nonnull(strstr(queue->reason, "cannot be read"));
}
END_TEST

/* ---- privacy */

START_TEST(has_no_name)
{
    char path[256];
    struct stat status;
    files.has_no_unnamed_file = _i == 1;
    Queue *queue = begin(0, 512 * KIB);
    append(queue, 100 * KIB);
    run_until_idle();
    ck_assert_uint_eq(queue->n_written, 100 * KIB);
    ck_assert_uint_eq(count_names(), 0);
    int fd = find_descriptor(path, sizeof path);
    ck_assert_int_ge(fd, 0);
    ck_assert_ptr_nonnull(strstr(path, "(deleted)"));
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    queue->file = spool_file_free(queue->file);
    run_until_idle();
    ck_assert_int_eq(find_descriptor(path, sizeof path), -1);
}
END_TEST

/* ---- given up while requests are under way */

START_TEST(freed_at_any_moment)
{
    char path[256];
    files.has_no_unnamed_file = _i % 2;
    Queue *queue = begin(0, 100 * KIB);
    append(queue, 90 * KIB);
    queue->reads_on = true;
    spool_file_read(queue->file);
    for (int turn = 0; turn < _i / 2; turn++)
        (void)uv_run(&loop, UV_RUN_ONCE);
    queue->file = spool_file_free(queue->file);
    ck_assert_uint_eq(files.n_unread, 0);
    uint64_t n_returned = queue->n_returned, n_written = queue->n_written;
    run_until_idle();
    ck_assert_uint_eq(queue->n_returned, n_returned); /* nothing is told any more */
    ck_assert_uint_eq(queue->n_written, n_written);
    ck_assert_int_eq(find_descriptor(path, sizeof path), -1);
    ck_assert_uint_eq(count_names(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_file");
    TCase *tests = tcase_create("spool_file");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, comes_back_in_order);
    tcase_add_loop_test(tests, goes_round, 0, 6);
    tcase_add_test(tests, waits_when_full);
    tcase_add_test(tests, share_the_room);
    tcase_add_test(tests, limit_is_raised);
    tcase_add_test(tests, disk_is_full);
    tcase_add_loop_test(tests, folder_is_not_there, 0, 2);
    tcase_add_test(tests, what_was_written_is_gone);
    tcase_add_loop_test(tests, has_no_name, 0, 2);
    tcase_add_loop_test(tests, freed_at_any_moment, 0, 24);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
