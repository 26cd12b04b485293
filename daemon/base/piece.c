#include "base/piece.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static void piece_free(Piece *piece)
{
    block_unref(piece->block);
    free(piece);
}

static Piece *piece_new_copy(const uint8_t *bytes, size_t length)
{
    Piece *piece = mem_alloc(sizeof(Piece) + length);
    memcpy(piece->inlined, bytes, length);
    piece->block = NULL;
    piece->bytes = piece->inlined;
    piece->length = length;
    piece->next = NULL;
    return piece;
}

static Piece *piece_new_reference(const uint8_t *bytes, size_t length, Block *block)
{
    Piece *piece = mem_alloc(sizeof(Piece));
    piece->block = block_ref(block);
    piece->bytes = bytes;
    piece->length = length;
    piece->next = NULL;
    return piece;
}

static void append_piece(PieceQueue *queue, Piece *piece)
{
    piece->next = NULL;
    if (queue->tail)
        queue->tail->next = piece;
    else
        queue->head = piece;
    queue->tail = piece;
    queue->n_bytes += piece->length;
}

static Piece *remove_first(PieceQueue *queue)
{
    Piece *piece = queue->head;
    queue->head = piece->next;
    if (!queue->head)
        queue->tail = NULL;
    return piece;
}

void piece_queue_deinit(PieceQueue *queue)
{
    while (queue->head)
        piece_free(remove_first(queue));
    queue->n_bytes = 0;
}

void piece_queue_append(PieceQueue *queue, const uint8_t *bytes, size_t length, Block *block)
{
    Piece *last = queue->tail;
    if (block && last && last->block == block && last->bytes + last->length == bytes) {
        last->length += length; /* goes on where the last piece ended */
        queue->n_bytes += length;
    } else if (!block || length < PIECE_COPY_BELOW) {
        append_piece(queue, piece_new_copy(bytes, length));
    } else {
        append_piece(queue, piece_new_reference(bytes, length, block));
    }
}

void piece_queue_advance(PieceQueue *queue, size_t n_bytes, PieceQueue *kept)
{
    Piece *piece = queue->head;
    assert(n_bytes <= piece->length);
    queue->n_bytes -= n_bytes;
    if (n_bytes == piece->length) {
        remove_first(queue);
        if (kept)
            append_piece(kept, piece);
        else
            piece_free(piece);
        return;
    }
    if (kept)
        piece_queue_append(kept, piece->bytes, n_bytes, piece->block);
    piece->bytes += n_bytes;
    piece->length -= n_bytes;
}

void piece_queue_copy(const PieceQueue *queue, uint8_t *bytes)
{
    for (const Piece *piece = queue->head; piece; piece = piece->next) {
        memcpy(bytes, piece->bytes, piece->length);
        bytes += piece->length;
    }
}

void piece_queue_prepend_all(PieceQueue *queue, PieceQueue *front)
{
    if (!front->head)
        return;
    front->tail->next = queue->head;
    queue->head = front->head;
    if (!queue->tail)
        queue->tail = front->tail;
    queue->n_bytes += front->n_bytes;
    *front = (PieceQueue)PIECE_QUEUE_INIT;
}

size_t piece_queue_compact(PieceQueue *queue)
{
    size_t n_copied = 0;
    Piece *previous = NULL;
    for (Piece *piece = queue->head; piece; previous = piece, piece = piece->next) {
        if (!piece->block || piece->length * 2 >= piece->block->pool->block_size)
            continue;
        Piece *copy = piece_new_copy(piece->bytes, piece->length);
        copy->next = piece->next;
        if (previous)
            previous->next = copy;
        else
            queue->head = copy;
        if (queue->tail == piece)
            queue->tail = copy;
        piece_free(piece);
        piece = copy;
        n_copied += copy->length;
    }
    return n_copied;
}
