#pragma once

/*
 * PieceQueue: bytes on their way from one socket to another, as pieces of the blocks they were received into.
 * Small pieces are copied, so that a few waiting bytes do not hold a large block. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/block.h"

#define PIECE_COPY_BELOW 4096 /* bytes; measured: referencing smaller pieces costs more than copying them */

typedef struct Piece {
    struct Piece *next;
    Block *block; /* a reference; NULL: the bytes follow this struct */
    const uint8_t *bytes;
    size_t length;
    uint8_t inlined[];
} Piece;

typedef struct PieceQueue {
    Piece *head, *tail;
    size_t n_bytes;
} PieceQueue;

#define PIECE_QUEUE_INIT                                                                                     \
    {                                                                                                        \
        NULL, NULL, 0                                                                                        \
    }

/* Frees what is queued; the queue is empty afterwards and may be used again. */
void piece_queue_deinit(PieceQueue *queue);
/* Appends bytes that lie in `block` (a reference is taken when they are not copied), or anywhere when it is
 * NULL. */
void piece_queue_append(PieceQueue *queue, const uint8_t *bytes, size_t length, Block *block);
/* Takes `n_bytes` off the front of the first piece; frees it, or moves it to `kept` when that is given, once
 * empty. A piece given to `kept` in parts arrives there whole and in order. */
void piece_queue_advance(PieceQueue *queue, size_t n_bytes, PieceQueue *kept);
/* Copies all that is queued to `bytes`, which must hold queue->n_bytes. */
void piece_queue_copy(const PieceQueue *queue, uint8_t *bytes);
/* Puts everything in `front` before what is in `queue`; `front` is empty afterwards. */
void piece_queue_prepend_all(PieceQueue *queue, PieceQueue *front);
/* Copies every piece that pins more than twice its size out of its block. Returns how many bytes were copied.
 */
size_t piece_queue_compact(PieceQueue *queue);
