#pragma once

/*
 * Finds the envelope of a Spark Connect message in its bytes as they pass: session, user, operation and
 * response ids, wherever the fields lie and however the bytes are split. Nothing is decoded or held back, and
 * nothing changed but session ids when that is asked for; what is not looked for is skipped by its length. As
 * in protobuf the last occurrence of a field wins, and repeated occurrences of a sub-message merge. Malformed
 * input stops the scan and nothing else. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What can be found. One slot has one meaning, whatever its field number in a given message. */
typedef enum EnvelopeSlot {
    ENVELOPE_SESSION_ID,
    ENVELOPE_USER_ID,     /* requests: user_context.user_id */
    ENVELOPE_CLIENT_TYPE, /* requests */
    ENVELOPE_OPERATION_ID,
    ENVELOPE_SERVER_SIDE_SESSION_ID, /* responses; in requests client_observed_server_side_session_id */
    ENVELOPE_RESPONSE_ID,            /* responses: response_id; ReattachExecute: last_response_id;
                                        ReleaseExecute: release_until.response_id */
    ENVELOPE_NEW_SESSION_ID,         /* CloneSessionResponse */
    ENVELOPE_N_STRINGS,
    ENVELOPE_RELEASE_ALL = ENVELOPE_N_STRINGS, /* ReleaseExecute: release_all is there (an empty message) */
    ENVELOPE_RELEASE_UNTIL,   /* ReleaseExecute: release_until is there; the later of the two wins (oneof) and
                                 clears the other, RESPONSE_ID with it */
    ENVELOPE_RESULT_COMPLETE, /* ExecutePlanResponse: field 14 is there */
    ENVELOPE_REATTACHABLE,    /* ExecutePlan: reattach_options.reattachable is true in any of the
                                 request_options, which is how the server reads it */
    ENVELOPE_RUNS_ON, /* ExecutePlanResponse: a streaming query or a pipeline has been started, which goes on
                         when the operation has ended */
    ENVELOPE_ALLOW_RECONNECT, /* ReleaseSession: allow_reconnect is true */
    ENVELOPE_N_SLOTS
} EnvelopeSlot;

#define ENVELOPE_TEXT_SIZE                                                                                   \
    128 /* longest value kept, with its NUL; ids are UUIDs of 36, user names are short */

/* A found value. */
typedef struct EnvelopeText {
    uint64_t offset;               /* of its first byte in the message (after the 5-byte gRPC prefix) */
    uint32_t length;               /* in the message; may be more than is kept */
    bool is_present;               /* only once its last byte was seen */
    char text[ENVELOPE_TEXT_SIZE]; /* NUL-terminated; the first ENVELOPE_TEXT_SIZE - 1 bytes; unset when not
                                      present */
} EnvelopeText;

typedef struct Envelope {
    EnvelopeText texts[ENVELOPE_N_STRINGS];
    bool flags[ENVELOPE_N_SLOTS]; /* only those from ENVELOPE_N_STRINGS on are used */
} Envelope;

/* Makes everything absent; costs no more than clearing the presence bits. */
void envelope_reset(Envelope *envelope);
/* The value when it is there, complete (not cut), not empty and without a NUL in it, else NULL. */
const char *envelope_text(const Envelope *envelope, EnvelopeSlot slot);

/* What to look for in one kind of message (private rows; see shape.h). */
typedef struct MessageShape MessageShape;

typedef enum ScannerState { SCANNER_RUNNING, SCANNER_MALFORMED } ScannerState;

#define SCANNER_MAX_DEPTH 4

#define SCANNER_ID_LENGTH 36 /* of a UUID */

typedef struct Scanner {
    const MessageShape *shape;
    Envelope *envelope;           /* borrowed */
    const char *const *new_texts; /* borrowed, by slot; what has SCANNER_ID_LENGTH is overwritten with the
                                     one of its slot, if there is one, as it passes; NULL: nothing is */
    ScannerState state;
    /* private: position in the message, the varint being read, the field, the nesting; see scanner.c */
    uint8_t step;
    uint8_t depth;
    uint8_t varint_shift;
    uint64_t varint;
    uint64_t position;
    uint64_t field_remaining;
    const struct FieldRow *row;
    uint64_t ends[SCANNER_MAX_DEPTH];
    const MessageShape *shapes[SCANNER_MAX_DEPTH];
} Scanner;

/* Starts a message. `shape` may be NULL: then everything is skipped. The envelope is not reset by this. */
void scanner_begin(Scanner *scanner, const MessageShape *shape, Envelope *envelope);
/* As above, for bytes that may be written to: the envelope has what stood there before. */
void scanner_begin_patch(Scanner *scanner, const MessageShape *shape, Envelope *envelope,
                         const char *const new_texts[ENVELOPE_N_STRINGS]);
/* The next bytes of the message; any split. Once malformed it stays so until the next scanner_begin(). */
ScannerState scanner_feed(Scanner *scanner, const uint8_t *bytes, size_t length);
/* After the last byte: false when the message was malformed or ends inside a field. */
bool scanner_end(Scanner *scanner);
