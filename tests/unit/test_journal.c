#include "session/journal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Journals all;
static Journal *journal;

static void setup(void)
{
    all = (Journals){0};
    journal = journal_new(&all, 64 * 1024);
}

static void teardown(void)
{
    journal = journal_free(journal);
    ck_assert_uint_eq(all.n_bytes, 0);
}

static JournalEntry *entry(SessionChangeKind kind, const char *what, size_t length)
{
    SessionChange change = {kind, ""};
    uint8_t *bytes = mem_alloc_zeroed(length + 1, 1);
    memcpy(bytes, what, strlen(what) < length ? strlen(what) : length);
    strcpy(change.what, what);
    JournalEntry *made = journal_entry_new(METHOD_CONFIG, &change, bytes, length);
    free(bytes);
    return made;
}

START_TEST(order_and_bytes_are_kept)
{
    static const char *const WHAT[] = {"setting a", "view v", "setting a"};
    for (size_t i = 0; i < 3; i++)
        journal_add(journal, entry(CHANGE_REPEATABLE, WHAT[i], 20));
    size_t i = 0;
    list_for_each(link, &journal->entries)
    {
        const JournalEntry *kept = container_of(link, const JournalEntry, link);
        ck_assert_str_eq(kept->change.what, WHAT[i]);
        ck_assert_str_eq((const char *)kept->bytes, WHAT[i++]);
        ck_assert_uint_eq(kept->length, 20);
    }
    ck_assert_uint_eq(i, 3);
    ck_assert_uint_eq(all.n_bytes, journal->n_bytes);
    ck_assert_uint_ge(journal->n_bytes, 60);
}
END_TEST

START_TEST(too_much_is_a_gap)
{
    journal_add(journal, entry(CHANGE_REPEATABLE, "setting a", 40 * 1024));
    ck_assert_str_eq(journal->gap, "");
    journal_add(journal, entry(CHANGE_REPEATABLE, "setting b", 40 * 1024));
    ck_assert_str_eq(journal->gap, "setting b was more than revive_limit allows");
    ck_assert(list_is_empty(&journal->entries));
    ck_assert_uint_eq(all.n_bytes, 0);
    journal_add(journal, entry(CHANGE_REPEATABLE, "setting c", 10));
    ck_assert(list_is_empty(&journal->entries));
}
END_TEST

START_TEST(all_together_are_bounded)
{
    Journal *large = journal_new(&all, 2 * (size_t)JOURNALS_LIMIT);
    journal_add(large, entry(CHANGE_REPEATABLE, "setting a", JOURNALS_LIMIT - 1024));
    ck_assert_str_eq(large->gap, "");
    journal_add(journal, entry(CHANGE_REPEATABLE, "setting b", 1024));
    ck_assert_str_ne(journal->gap, "");
    (void)journal_free(large);
}
END_TEST

START_TEST(the_first_gap_stays)
{
    journal_add(journal, entry(CHANGE_REPEATABLE, "setting a", 10));
    journal_add(journal, entry(CHANGE_OTHER, "SQL DROP", 0));
    journal_break(journal, "something else");
    ck_assert_str_eq(journal->gap, "SQL DROP cannot be repeated");
    ck_assert(list_is_empty(&journal->entries));
}
END_TEST

START_TEST(losses_are_told_once)
{
    char name[32];
    for (int i = 0; i < 2; i++) {
        journal_add(journal, entry(CHANGE_LOSABLE, "artifacts", 0));
        journal_add(journal, entry(CHANGE_LOSABLE, "view orders", 0));
        journal_add(journal, entry(CHANGE_NONE, "", 0));
    }
    ck_assert_uint_eq(journal->losses.n_entries, 2);
    ck_assert_str_eq(journal->gap, "");
    const JournalEntry *loss =
        journal_find_loss(journal, "[TABLE_OR_VIEW_NOT_FOUND] `orders` cannot be found");
    ck_assert_ptr_nonnull(loss);
    ck_assert_str_eq(loss->change.what, "view orders");
    ck_assert_ptr_null(journal_find_loss(journal, "[TABLE_OR_VIEW_NOT_FOUND] `artifacts` cannot be found"));
    for (int i = 0; i < 2 * JOURNAL_MAX_LOSSES; i++) {
        SessionChange change = {CHANGE_LOSABLE, ""};
        (void)snprintf(name, sizeof name, "view v%d", i);
        strcpy(change.what, name);
        journal_lose(journal, METHOD_EXECUTE_PLAN, &change);
    }
    ck_assert_uint_eq(journal->losses.n_entries, JOURNAL_MAX_LOSSES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("journal");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, order_and_bytes_are_kept);
    tcase_add_test(tests, too_much_is_a_gap);
    tcase_add_test(tests, all_together_are_bounded);
    tcase_add_test(tests, the_first_gap_stays);
    tcase_add_test(tests, losses_are_told_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
