#include "spark/scanner.h"

#include <string.h>

#include "spark/shape.h"

/* What the next byte belongs to. */
typedef enum ScannerStep { STEP_TAG, STEP_VARINT, STEP_LENGTH, STEP_TEXT, STEP_SKIP } ScannerStep;

typedef enum WireType { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 } WireType;

#define VARINT_MAX_SHIFT 63 /* of the tenth byte */

/* The bytes being fed; `next` moves. */
typedef struct Piece {
    const uint8_t *begin, *next, *end;
} Piece;

static const FieldRow unknown_field = {FIELD_SKIP, FIELD_NO_FLAG, 0, NULL};

void envelope_reset(Envelope *envelope)
{
    for (size_t i = 0; i < ENVELOPE_N_STRINGS; i++)
        envelope->texts[i].is_present = false;
    memset(envelope->flags, 0, sizeof(envelope->flags));
}

const char *envelope_text(const Envelope *envelope, EnvelopeSlot slot)
{
    const EnvelopeText *text = &envelope->texts[slot];
    if (!text->is_present || text->length == 0 || text->length >= ENVELOPE_TEXT_SIZE)
        return NULL;
    /* With a NUL inside, two different ids would look the same. */
    return memchr(text->text, '\0', text->length) ? NULL : text->text;
}

static void envelope_clear(Envelope *envelope, uint32_t slots)
{
    for (uint32_t slot = 0; slot < ENVELOPE_N_SLOTS; slot++) {
        if (!(slots >> slot & 1))
            continue;
        if (slot < ENVELOPE_N_STRINGS)
            envelope->texts[slot].is_present = false;
        else
            envelope->flags[slot] = false;
    }
}

void scanner_begin(Scanner *scanner, const MessageShape *shape, Envelope *envelope)
{
    scanner->shape = shape;
    scanner->envelope = envelope;
    scanner->new_texts = NULL;
    scanner->state = SCANNER_RUNNING;
    scanner->step = STEP_TAG;
    scanner->depth = 0;
    scanner->varint = 0;
    scanner->varint_shift = 0;
    scanner->position = 0;
    scanner->field_remaining = 0;
    scanner->row = &unknown_field;
    scanner->ends[0] = UINT32_MAX; /* gRPC has no longer messages */
    scanner->shapes[0] = shape;
}

void scanner_begin_patch(Scanner *scanner, const MessageShape *shape, Envelope *envelope,
                         const char *const new_texts[ENVELOPE_N_STRINGS])
{
    scanner_begin(scanner, shape, envelope);
    scanner->new_texts = new_texts;
}

static inline uint64_t position_of(const Scanner *scanner, const Piece *piece)
{
    return scanner->position + (uint64_t)(piece->next - piece->begin);
}

/* A field is through: leaves the messages that end with it. */
static inline void end_field(Scanner *scanner, const Piece *piece)
{
    uint64_t position = position_of(scanner, piece);
    scanner->step = STEP_TAG;
    while (scanner->depth > 0 && position == scanner->ends[scanner->depth])
        scanner->depth--;
    if (position > scanner->ends[scanner->depth])
        scanner->state = SCANNER_MALFORMED;
}

static inline bool fits(const Scanner *scanner, const Piece *piece, uint64_t length)
{
    uint64_t position = position_of(scanner, piece), end = scanner->ends[scanner->depth];
    return position <= end && length <= end - position;
}

/* Reads on; true when the varint is complete in *ret_value. */
static inline bool take_varint(Scanner *scanner, Piece *piece, uint64_t *ret_value)
{
    if (scanner->varint_shift == 0 && *piece->next < 0x80) {
        *ret_value = *piece->next++;
        return true;
    }
    while (piece->next < piece->end) {
        uint8_t byte = *piece->next++;
        scanner->varint |= (uint64_t)(byte & 0x7f) << scanner->varint_shift;
        if (byte < 0x80) {
            *ret_value = scanner->varint;
            scanner->varint = 0;
            scanner->varint_shift = 0;
            return true;
        }
        if (scanner->varint_shift == VARINT_MAX_SHIFT) {
            scanner->state = SCANNER_MALFORMED;
            return false;
        }
        scanner->varint_shift = (uint8_t)(scanner->varint_shift + 7);
    }
    return false;
}

static inline void begin_skip(Scanner *scanner, uint64_t length)
{
    scanner->field_remaining = length;
    scanner->step = STEP_SKIP;
}

static inline void on_fixed(Scanner *scanner, const Piece *piece, uint64_t length)
{
    if (fits(scanner, piece, length))
        begin_skip(scanner, length);
    else
        scanner->state = SCANNER_MALFORMED;
}

static inline void on_tag(Scanner *scanner, const Piece *piece, uint64_t tag)
{
    const MessageShape *shape = scanner->shapes[scanner->depth];
    uint64_t number = tag >> 3;
    if (number == 0 || tag > UINT32_MAX) {
        scanner->state = SCANNER_MALFORMED;
        return;
    }
    scanner->row = number < shape->n_rows ? &shape->rows[number] : &unknown_field;
    switch (tag & 7) {
    case WIRE_VARINT: scanner->step = STEP_VARINT; break;
    case WIRE_FIXED64: on_fixed(scanner, piece, 8); break;
    case WIRE_LENGTH: scanner->step = STEP_LENGTH; break;
    case WIRE_FIXED32: on_fixed(scanner, piece, 4); break;
    default: scanner->state = SCANNER_MALFORMED; /* groups too: no Spark message has any */
    }
}

static inline void on_varint(Scanner *scanner, const Piece *piece, uint64_t value)
{
    if (scanner->row->kind == FIELD_BOOL) {
        envelope_clear(scanner->envelope, scanner->row->clears);
        scanner->envelope->flags[scanner->row->slot] |= value != 0;
    }
    end_field(scanner, piece);
}

static inline void begin_text(Scanner *scanner, const Piece *piece, uint64_t length)
{
    EnvelopeText *text = &scanner->envelope->texts[scanner->row->slot];
    text->offset = position_of(scanner, piece);
    text->length = (uint32_t)length;
    text->is_present = false;
    scanner->field_remaining = length;
    scanner->step = STEP_TEXT;
}

static inline void begin_message(Scanner *scanner, const Piece *piece, uint64_t length)
{
    const FieldRow *row = scanner->row;
    if (row->slot != FIELD_NO_FLAG)
        scanner->envelope->flags[row->slot] = true;
    if (row->child == NULL) {
        begin_skip(scanner, length);
        return;
    }
    scanner->depth++; /* no shape nests deeper than SCANNER_MAX_DEPTH */
    scanner->ends[scanner->depth] = position_of(scanner, piece) + length;
    scanner->shapes[scanner->depth] = row->child;
    end_field(scanner, piece);
}

static inline void on_length(Scanner *scanner, const Piece *piece, uint64_t length)
{
    if (!fits(scanner, piece, length)) {
        scanner->state = SCANNER_MALFORMED;
        return;
    }
    if (scanner->row->clears != 0)
        envelope_clear(scanner->envelope, scanner->row->clears);
    switch (scanner->row->kind) {
    case FIELD_TEXT: begin_text(scanner, piece, length); break;
    case FIELD_MESSAGE: begin_message(scanner, piece, length); break;
    default: begin_skip(scanner, length);
    }
}

/* Takes what there is of the field's remaining bytes; returns how many. */
static inline size_t take_remaining(Scanner *scanner, Piece *piece)
{
    size_t n = (size_t)(piece->end - piece->next);
    if (n > scanner->field_remaining)
        n = (size_t)scanner->field_remaining;
    piece->next += n;
    scanner->field_remaining -= n;
    return n;
}

static inline void on_skip(Scanner *scanner, Piece *piece)
{
    (void)take_remaining(scanner, piece);
    if (scanner->field_remaining == 0)
        end_field(scanner, piece);
}

static inline void on_text(Scanner *scanner, Piece *piece)
{
    EnvelopeText *text = &scanner->envelope->texts[scanner->row->slot];
    const uint8_t *bytes = piece->next;
    size_t done = text->length - (size_t)scanner->field_remaining;
    size_t n = take_remaining(scanner, piece);
    if (done < ENVELOPE_TEXT_SIZE - 1) {
        size_t room = ENVELOPE_TEXT_SIZE - 1 - done;
        memcpy(text->text + done, bytes, n < room ? n : room);
    }
    const char *new_text = scanner->new_texts ? scanner->new_texts[scanner->row->slot] : NULL;
    if (new_text && text->length == SCANNER_ID_LENGTH)
        memcpy((uint8_t *)(uintptr_t)bytes, new_text + done, n); /* scanner_begin_patch() */
    if (scanner->field_remaining > 0)
        return;
    text->text[text->length < ENVELOPE_TEXT_SIZE ? text->length : ENVELOPE_TEXT_SIZE - 1] = '\0';
    text->is_present = true;
    end_field(scanner, piece);
}

/* The bytes after a length, as far as the piece has them; at once, so that an empty field is through too. */
static inline void on_contents(Scanner *scanner, Piece *piece)
{
    if (scanner->step == STEP_TEXT)
        on_text(scanner, piece);
    else if (scanner->step == STEP_SKIP)
        on_skip(scanner, piece);
}

/* One step of the scan, or a whole field where its bytes are there. The piece is not at its end. */
static inline void advance(Scanner *scanner, Piece *piece)
{
    uint64_t value = 0;
    switch ((ScannerStep)scanner->step) {
    case STEP_TAG:
        if (!take_varint(scanner, piece, &value))
            return;
        on_tag(scanner, piece, value);
        if (scanner->step != STEP_LENGTH || piece->next == piece->end)
            return;
        __attribute__((fallthrough));
    case STEP_LENGTH:
        if (take_varint(scanner, piece, &value)) {
            on_length(scanner, piece, value);
            on_contents(scanner, piece);
        }
        return;
    case STEP_VARINT:
        if (take_varint(scanner, piece, &value))
            on_varint(scanner, piece, value);
        return;
    case STEP_TEXT: on_text(scanner, piece); return;
    case STEP_SKIP: on_skip(scanner, piece); return;
    }
}

ScannerState scanner_feed(Scanner *scanner, const uint8_t *bytes, size_t length)
{
    if (scanner->shape == NULL || scanner->state != SCANNER_RUNNING || length == 0)
        return scanner->state;
    Piece piece = {bytes, bytes, bytes + length};
    while (scanner->state == SCANNER_RUNNING && piece.next < piece.end)
        advance(scanner, &piece);
    scanner->position += length;
    return scanner->state;
}

bool scanner_end(Scanner *scanner)
{
    return scanner->state == SCANNER_RUNNING && scanner->step == STEP_TAG && scanner->varint_shift == 0 &&
           scanner->depth == 0;
}
