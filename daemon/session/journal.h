#pragma once

/*
 * Journal: the requests that have made a session what it is, as far as sending them again, in order, makes
 * another session the same. With a gap in it a journal is good for nothing, since what comes after may mean
 * something else: then it only tells what the gap is. Pure; loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mem.h"
#include "spark/session_change.h"

#define JOURNALS_LIMIT     (64 * 1024 * 1024) /* bytes of all journals together */
#define JOURNAL_MAX_LOSSES 64                 /* that are told apart */
#define JOURNAL_GAP_SIZE   256

/* What all journals take. */
typedef struct Journals {
    size_t n_bytes;
} Journals;

typedef struct JournalEntry {
    ListLink link;
    MethodId method;
    SessionChange change;
    size_t length;
    uint8_t bytes[]; /* the request's messages as they were sent, framed; none when it cannot be repeated */
} JournalEntry;

typedef struct Journal {
    Journals *all;
    List entries; /* oldest first; with a gap there are none */
    List losses;  /* entries without bytes: what a new session does not have */
    size_t limit, n_bytes;
    char gap[JOURNAL_GAP_SIZE]; /* part of a sentence; empty: the journal is whole */
    unsigned n_revivals;
    size_t n_restored; /* by the last one */
} Journal;

/* `bytes` are copied; NULL with a length of 0. */
JournalEntry *journal_entry_new(MethodId method, const SessionChange *change, const uint8_t *bytes,
                                size_t length);
/* Takes NULL; returns NULL. */
JournalEntry *journal_entry_free(JournalEntry *entry);

/* Holds `limit` bytes at the most. */
Journal *journal_new(Journals *all, size_t limit);
/* Takes NULL; returns NULL. */
Journal *journal_free(Journal *journal);
/* The request has been answered OK. Takes the entry over; one that cannot be kept makes a gap. */
void journal_add(Journal *journal, JournalEntry *entry);
/* Something has happened to the session that the journal does not know; the first reason stays. */
void journal_break(Journal *journal, const char *gap);
/* A new session does not have what `change` has made. Told once. */
void journal_lose(Journal *journal, MethodId method, const SessionChange *change);
/* The loss that an error message speaks of: a view that it names; NULL: none. */
const JournalEntry *journal_find_loss(const Journal *journal, const char *message);
