#include "session/journal.h"

#include <stdio.h>
#include <string.h>

JournalEntry *journal_entry_new(MethodId method, const SessionChange *change, const uint8_t *bytes,
                                size_t length)
{
    JournalEntry *entry = mem_alloc(sizeof *entry + length);
    *entry = (JournalEntry){.method = method, .change = *change, .length = length};
    list_link_init(&entry->link);
    if (length > 0)
        memcpy(entry->bytes, bytes, length);
    return entry;
}

JournalEntry *journal_entry_free(JournalEntry *entry)
{
    free(entry);
    return NULL;
}

Journal *journal_new(Journals *all, size_t limit)
{
    Journal *journal = mem_new(Journal);
    journal->all = all;
    journal->limit = limit;
    list_init(&journal->entries);
    list_init(&journal->losses);
    return journal;
}

static size_t size_of(const JournalEntry *entry)
{
    return sizeof *entry + entry->length;
}

static void clear(Journal *journal)
{
    for (ListLink *link; (link = list_first(&journal->entries));) {
        list_remove(&journal->entries, link);
        (void)journal_entry_free(container_of(link, JournalEntry, link));
    }
    journal->all->n_bytes -= journal->n_bytes;
    journal->n_bytes = 0;
}

Journal *journal_free(Journal *journal)
{
    if (!journal)
        return NULL;
    clear(journal);
    for (ListLink *link; (link = list_first(&journal->losses));) {
        list_remove(&journal->losses, link);
        (void)journal_entry_free(container_of(link, JournalEntry, link));
    }
    free(journal);
    return NULL;
}

void journal_break(Journal *journal, const char *gap)
{
    if (journal->gap[0])
        return;
    (void)snprintf(journal->gap, sizeof journal->gap, "%s", gap);
    clear(journal);
}

static void keep(Journal *journal, JournalEntry *entry)
{
    char gap[JOURNAL_GAP_SIZE];
    size_t size = size_of(entry);
    if (journal->gap[0]) {
        (void)journal_entry_free(entry);
        return;
    }
    if (size <= journal->limit - journal->n_bytes && size <= JOURNALS_LIMIT - journal->all->n_bytes) {
        list_append(&journal->entries, &entry->link);
        journal->n_bytes += size;
        journal->all->n_bytes += size;
        return;
    }
    (void)snprintf(gap, sizeof gap, "%s was more than revive_limit allows", entry->change.what);
    journal_break(journal, gap);
    (void)journal_entry_free(entry);
}

void journal_lose(Journal *journal, MethodId method, const SessionChange *change)
{
    list_for_each(link, &journal->losses)
    {
        if (strcmp(container_of(link, JournalEntry, link)->change.what, change->what) == 0)
            return;
    }
    if (journal->losses.n_entries < JOURNAL_MAX_LOSSES)
        list_append(&journal->losses, &journal_entry_new(method, change, NULL, 0)->link);
}

void journal_add(Journal *journal, JournalEntry *entry)
{
    char gap[JOURNAL_GAP_SIZE];
    switch (entry->change.kind) {
    case CHANGE_REPEATABLE: keep(journal, entry); return;
    case CHANGE_LOSABLE: journal_lose(journal, entry->method, &entry->change); break;
    case CHANGE_OTHER:
        (void)snprintf(gap, sizeof gap, "%s cannot be repeated", entry->change.what);
        journal_break(journal, gap);
        break;
    case CHANGE_NONE: break;
    }
    (void)journal_entry_free(entry);
}

const JournalEntry *journal_find_loss(const Journal *journal, const char *message)
{
    size_t n_label = strlen(SESSION_CHANGE_VIEW);
    list_for_each(link, &journal->losses)
    {
        const JournalEntry *loss = container_of(link, const JournalEntry, link);
        const char *name = loss->change.what + n_label;
        if (strncmp(loss->change.what, SESSION_CHANGE_VIEW, n_label) == 0 && *name && strstr(message, name))
            return loss;
    }
    return NULL;
}
