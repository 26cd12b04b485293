#pragma once

/*
 * Record: one JSON line for each thing that happened at a fake end, so that tests can wait for it and assert
 * on it. A line is one write, so that several writers to one file do not mix. Not thread-safe.
 */

#include <stdbool.h>

#include "bytes.h"

typedef struct Record {
    int fd; /* -1: nothing is kept */
} Record;

/* `path` "-" is standard output; NULL keeps nothing. False with a message on standard error. */
bool record_open(Record *record, const char *path);
/* Writes the line and empties it. */
void record_write(Record *record, Bytes *line);
