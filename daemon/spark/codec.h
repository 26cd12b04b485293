#pragma once

/*
 * Building and decoding whole envelopes with protobuf-c, from the trimmed proto/envelope.proto. Off the hot
 * path but for the answer to ReleaseExecute, which is small. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/*
 * Writes a gRPC-framed ReleaseExecuteResponse {session_id, operation_id, server_side_session_id} (prefix
 * included). Returns its length, or 0 when it would not fit.
 */
size_t codec_write_release_response(uint8_t *bytes, size_t capacity, const char *session_id,
                                    const char *operation_id, const char *server_side_session_id);

/* What a ReattachExecuteRequest says; strings are borrowed, NULL ones are left out. */
typedef struct ReattachFields {
    const char *session_id, *user_id, *operation_id, *client_type;
    const char *last_response_id; /* NULL: from the beginning; never "" (the server takes
                                     that for an id) */
    const char *client_observed_server_side_session_id;
} ReattachFields;

#define CODEC_REATTACH_SIZE                                                                                  \
    1024 /* enough for any of them, as each string has less than ENVELOPE_TEXT_SIZE                          \
          */

/* Writes a gRPC-framed ReattachExecuteRequest. Returns its length, or 0 when it would not fit. */
size_t codec_write_reattach_request(uint8_t *bytes, size_t capacity, const ReattachFields *fields);

/* Whose session a request of our own is about; strings are borrowed, a NULL user is left out. */
typedef struct SessionFields {
    const char *session_id, *user_id;
} SessionFields;

#define CODEC_SESSION_REQUEST_SIZE 512 /* enough for both of these, as ids and names are bounded */

/* Writes a gRPC-framed InterruptRequest for one operation. Returns its length, or 0 when it would not fit. */
size_t codec_write_interrupt_request(uint8_t *bytes, size_t capacity, const SessionFields *fields,
                                     const char *operation_id);
/* Writes a gRPC-framed ReleaseSessionRequest. Returns its length, or 0 when it would not fit. */
size_t codec_write_release_session_request(uint8_t *bytes, size_t capacity, const SessionFields *fields);

/* Writes a gRPC-framed ReleaseSessionResponse; `server_side_session_id` may be NULL. Returns its length, or 0
 * when it would not fit. */
size_t codec_write_release_session_response(uint8_t *bytes, size_t capacity, const char *session_id,
                                            const char *server_side_session_id);
/* Writes the field of an ExecutePlanRequest that is one more tag. Returns its length, or 0 when it would not
 * fit. */
size_t codec_write_plan_tag(uint8_t *bytes, size_t capacity, const char *tag);
/* A gRPC-framed InterruptRequest of type "all" becomes one of type "tag"; the rest stays as it was, unknown
 * fields too. False, with nothing appended, when it is another, or cannot be read. */
bool codec_narrow_interrupt(const uint8_t *bytes, size_t length, const char *tag, Text *request);

/* ---- whole requests of the daemon's own: gRPC-framed, appended to `request` */

/* Stops the operations of a tag. */
void codec_write_interrupt_tag(Text *request, const char *user_id, const char *session_id, const char *tag);
/* Ends a session so that its id can be used again (servers before 4.0 know no other way). */
void codec_write_release_session(Text *request, const char *user_id, const char *session_id);
/* Asks for one setting: the cheapest call that makes a session. */
void codec_write_config_get(Text *request, const char *user_id, const char *session_id);
/* Makes a session with what another has. */
void codec_write_clone_session(Text *request, const char *user_id, const char *session_id,
                               const char *new_session_id);
