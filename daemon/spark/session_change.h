#pragma once

/*
 * SessionChange: what a request does to the state of its session, and whether the same could be done to a new
 * session by sending it once more. Recognises what it is sure of; the rest counts as a change that cannot be
 * repeated. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spark/method.h"

typedef enum SessionChangeKind {
    CHANGE_NONE,       /* nothing that a later request finds in the session */
    CHANGE_REPEATABLE, /* sent again, in order, it does the same and nothing else */
    CHANGE_LOSABLE,    /* what needs it fails when it is missing, and nothing goes wrong in silence */
    CHANGE_OTHER,      /* something else; what is repeated without it may mean another thing */
} SessionChangeKind;

#define SESSION_CHANGE_TEXT_SIZE 160

typedef struct SessionChange {
    SessionChangeKind kind;
    char what[SESSION_CHANGE_TEXT_SIZE]; /* "setting spark.sql.ansi.enabled", "view v", "SQL USE" */
} SessionChange;

#define SESSION_CHANGE_VIEW "view " /* how those begin that make one; its name follows */

/* Of the request's first message, without its prefix; `length` bytes of it are there, all if `is_whole`. */
SessionChange session_change_read(MethodId method, const uint8_t *bytes, size_t length, bool is_whole);
