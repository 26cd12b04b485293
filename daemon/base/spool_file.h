#pragma once

/*
 * SpoolFile: a queue of bytes that lies on disk. What is appended comes back in order, whenever it is asked
 * for. It is a temporary file that has no name, of which at most a certain stretch is used, over and over;
 * bytes that cannot be written, for want of room or because of an error, stay in memory and can be taken
 * back: none is lost. Loop thread only; the disk is waited for in libuv's pool.
 *
 * SpoolFiles: what all of them share: the folder they are made in and the room that they may take together.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/block.h"
#include "base/list.h"
#include "base/piece.h"

typedef struct SpoolFile SpoolFile;

typedef struct SpoolFiles {
    uv_loop_t *loop;
    BlockPool *blocks; /* that is read into */
    const char *folder;
    uint64_t limit;           /* bytes that they may take on disk together */
    uint64_t n_bytes;         /* that they take, or are about to */
    uint64_t n_unread;        /* of them: written and not read yet */
    List waiting;             /* files that have something to write and no room for it */
    bool has_no_unnamed_file; /* the folder's file system knows no O_TMPFILE */
} SpoolFiles;

typedef enum SpoolFileState {
    SPOOL_FILE_OPENING, /* what is appended is kept in memory until it is there */
    SPOOL_FILE_OPEN,
    SPOOL_FILE_FAILED,  /* nothing is written any more; what was can be read */
    SPOOL_FILE_CLOSING, /* its owner has let go of it: it waits for its requests */
} SpoolFileState;

/* Never from within the functions below, but for on_stuck. The file may be given up in each of them. */
typedef struct SpoolFileEvents {
    /* So many bytes more are on disk and no longer in memory. */
    void (*on_written)(void *context, size_t length);
    /* What spool_file_read() has asked for. The bytes lie in `block`, of which a reference may be taken. */
    void (*on_read)(void *context, const uint8_t *bytes, size_t length, Block *block);
    /* Everything on disk has been read, and what is in memory cannot be written now: it is to be taken back.
     * May come from within spool_file_append(), as its last act. */
    void (*on_stuck)(void *context);
    /* Nothing will be written any more. `reason`: part of a sentence, with the folder. `is_lost`: what was
     * written cannot be read. */
    void (*on_failed)(void *context, const char *reason, bool is_lost);
} SpoolFileEvents;

/* `folder` is borrowed until it is replaced. */
void spool_files_init(SpoolFiles *files, uv_loop_t *loop, BlockPool *blocks, const char *folder,
                      uint64_t limit);
/* For files that are made from now on; the limit for all, at once. */
void spool_files_change(SpoolFiles *files, const char *folder, uint64_t limit);
static inline bool spool_files_have_room(const SpoolFiles *files)
{
    return files->n_bytes < files->limit;
}

/* Never NULL: an error comes by on_failed. `limit`: bytes, > 0. `events` are borrowed. */
SpoolFile *spool_file_new(SpoolFiles *files, uint64_t limit, const SpoolFileEvents *events, void *context);
/* No event comes any more; the file goes when what is under way has ended. Takes NULL; returns NULL. */
SpoolFile *spool_file_free(SpoolFile *file);
/* As stream_queue(): bytes in `block` are referenced, or copied. */
void spool_file_append(SpoolFile *file, const uint8_t *bytes, size_t length, Block *block);
/* Wants the next bytes by one on_read, as soon as there are any. */
void spool_file_read(SpoolFile *file);
/* In on_stuck: what is in memory, as the only contents of `ret_pending`. */
void spool_file_take_back(SpoolFile *file, PieceQueue *ret_pending);
/* Bytes in memory, not written yet. */
size_t spool_file_pending(const SpoolFile *file);
/* Bytes on disk, not read yet. */
uint64_t spool_file_unread(const SpoolFile *file);
static inline bool spool_file_is_empty(const SpoolFile *file)
{
    return spool_file_unread(file) == 0 && spool_file_pending(file) == 0;
}
