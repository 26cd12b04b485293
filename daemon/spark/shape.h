#pragma once

/*
 * What the scanner looks for in one kind of message: a row for each field it knows, by field number. Private
 * to scanner.c, which walks the rows, and method.c, which has them. Pure; any thread.
 */

#include <stdint.h>

#include "spark/scanner.h"

typedef enum FieldKind {
    FIELD_SKIP,    /* not looked for; the kind of every row left out */
    FIELD_TEXT,    /* a string, kept in `slot` */
    FIELD_BOOL,    /* a flag that says yes when any of its occurrences does, or the last one where it clears
                      itself */
    FIELD_MESSAGE, /* sets the flag `slot` if there is one; is looked into if there is a `child` */
} FieldKind;

/* No field is called by slot 0 in a message row: session ids are texts. */
#define FIELD_NO_FLAG 0

typedef struct FieldRow {
    uint8_t kind;
    uint8_t slot;
    uint16_t clears; /* bit set of slots that become absent before: the other members of a oneof */
    const MessageShape *child;
} FieldRow;

struct MessageShape {
    uint32_t n_rows; /* field numbers from here on are skipped */
    const FieldRow *rows;
};
