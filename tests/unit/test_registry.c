/* Registry: who finds which session, what goes when it is full, and who hears of it. */

#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_number.h"
#include "session/registry.h"

static Registry registry;
static const int here, elsewhere; /* targets */
static unsigned n_gone[1000];     /* how often on_operation_gone came, by the number in `release` */

static void on_operation_gone(Operation *operation)
{
    ck_assert_ptr_nonnull(operation->session); /* it is still there */
    n_gone[(uintptr_t)operation->release]++;
}

static void set_up(void)
{
    registry_init(&registry, 3);
    registry.on_operation_gone = on_operation_gone;
}

static void tear_down(void)
{
    registry_deinit(&registry);
}

static Session *use(const char *session_id)
{
    return registry_use(&registry, 1000, "user", session_id, &here, 1);
}

static Session *find(const char *session_id)
{
    return registry_find(&registry, 1000, "user", session_id);
}

static Operation *add_operation(Session *session, const char *operation_id, uintptr_t number)
{
    Operation *operation = registry_use_operation(&registry, session, operation_id);
    ck_assert_ptr_nonnull(operation);
    operation->release = (void *)number;
    return operation;
}

START_TEST(a_session_is_found_again)
{
    ck_assert_ptr_null(find("s"));
    Session *session = registry_use(&registry, 1000, "user", "s", &here, 10);
    ck_assert_ptr_eq(find("s"), session);
    ck_assert_ptr_eq(registry_use(&registry, 1000, "user", "s", &here, 20), session);
    ck_assert_uint_eq(session->created_ns, 10);
    ck_assert_uint_eq(session->used_ns, 20);
    ck_assert_uint_eq(session->n_calls, 2);
    ck_assert_str_eq(session->session_id, "s");
    ck_assert_str_eq(session->user_id, "user");
    ck_assert_uint_eq(registry.sessions.n_entries, 1);
}
END_TEST

START_TEST(the_same_id_of_somebody_else_is_another_session)
{
    Session *session = use("s");
    Session *other_user = registry_use(&registry, 1000, "other", "s", &here, 1);
    Session *other_owner = registry_use(&registry, 1001, "user", "s", &here, 1);
    ck_assert_ptr_ne(session, other_user);
    ck_assert_ptr_ne(session, other_owner);
    ck_assert_ptr_ne(other_user, other_owner);
    ck_assert_ptr_eq(find("s"), session);
    ck_assert_ptr_eq(registry_find(&registry, 1001, "user", "s"), other_owner);
    ck_assert_ptr_null(registry_find(&registry, 1001, "other", "s"));
    ck_assert_ptr_null(registry_find(&registry, SESSION_OWNER_UNKNOWN, "user", "s"));
}
END_TEST

/* The two ids are hashed one after the other; where one ends must still count. */
START_TEST(the_same_ids_elsewhere_are_another_session)
{
    Session *first = registry_use(&registry, 1, "user", "s", &here, 1);
    Session *second = registry_use(&registry, 1, "user", "s", &elsewhere, 2);
    ck_assert_ptr_ne(first, second);
    ck_assert_ptr_eq(registry_use(&registry, 1, "user", "s", &here, 3), first);
    ck_assert_ptr_eq(registry_find(&registry, 1, "user", "s"), first); /* the later one draws nothing away */
    registry_forget(&registry, first);
    ck_assert_ptr_eq(registry_find(&registry, 1, "user", "s"), second);
}
END_TEST

START_TEST(ids_do_not_run_into_each_other)
{
    Session *session = registry_use(&registry, 1, "cd", "ab", &here, 1);
    ck_assert_ptr_null(registry_find(&registry, 1, "d", "abc"));
    ck_assert_ptr_null(registry_find(&registry, 1, "", "abcd"));
    ck_assert_ptr_null(registry_find(&registry, 1, "abcd", ""));
    ck_assert_ptr_ne(registry_use(&registry, 1, "d", "abc", &here, 1), session);
}
END_TEST

START_TEST(what_is_pinned_stays_while_there_are_others)
{
    registry_deinit(&registry);
    registry_init(&registry, 4);
    ck_assert(registry_pin(&registry, use("a")));
    ck_assert(registry_pin(&registry, use("b")));
    ck_assert(registry_pin(&registry, find("b"))); /* once is enough */
    ck_assert(!registry_pin(&registry, use("c"))); /* half of them */
    (void)use("d");
    (void)use("e");
    ck_assert_ptr_nonnull(find("a"));
    ck_assert_ptr_nonnull(find("b"));
    ck_assert_ptr_null(find("c"));
    registry_forget(&registry, find("a"));
    ck_assert(registry_pin(&registry, find("d")));
    /* Unused for a day it goes like others. */
    (void)registry_use(&registry, 1000, "user", "f", &here, 2 + 86400 * UINT64_C(1000000000));
    (void)registry_use(&registry, 1000, "user", "g", &here, 2 + 86400 * UINT64_C(1000000000));
    ck_assert_ptr_null(find("b"));
}
END_TEST

START_TEST(the_least_recently_used_goes_when_it_is_full)
{
    Session *a = use("a");
    use("b");
    use("c");
    ck_assert_ptr_eq(use("a"), a);
    use("d");
    ck_assert_ptr_eq(find("a"), a);
    ck_assert_ptr_null(find("b"));
    ck_assert_ptr_nonnull(find("c"));
    ck_assert_ptr_nonnull(find("d"));
    ck_assert_uint_eq(registry.sessions.n_entries, 3);
    ck_assert_ptr_nonnull(find("c")); /* finding alone is no use */
    use("e");
    ck_assert_ptr_null(find("c"));
}
END_TEST

START_TEST(a_reference_keeps_a_forgotten_session)
{
    Session *session = session_ref(use("s"));
    session_ref(session);
    registry_forget(&registry, session);
    ck_assert(session->is_forgotten);
    ck_assert_ptr_null(find("s"));
    ck_assert_str_eq(session->session_id, "s");
    ck_assert_ptr_null(registry_use_operation(&registry, session, "o"));
    registry_forget(&registry, session); /* a second time */
    Session *next = use("s");
    ck_assert_ptr_ne(next, session);
    ck_assert_ptr_null(session_unref(session));
    ck_assert_str_eq(session->session_id, "s");
    ck_assert_ptr_null(session_unref(session));
    ck_assert_ptr_eq(find("s"), next);
}
END_TEST

START_TEST(those_in_use_go_last_when_it_is_full)
{
    Session *a = session_ref(use("a"));
    use("b"), use("c"), use("d");
    ck_assert_ptr_eq(find("a"), a);
    ck_assert_ptr_null(find("b"));
    Session *c = session_ref(find("c")), *d = session_ref(find("d"));
    use("e"); /* all are in use: the oldest goes all the same */
    ck_assert_ptr_null(find("a"));
    ck_assert(a->is_forgotten);
    ck_assert_uint_eq(registry.sessions.n_entries, 3);
    session_unref(a), session_unref(c), session_unref(d);
    registry_forget(&registry, NULL);
    ck_assert_ptr_null(session_unref(NULL));
}
END_TEST

START_TEST(the_last_reference_does_not_end_a_known_session)
{
    Session *session = session_ref(use("s"));
    session_unref(session);
    ck_assert_ptr_eq(find("s"), session);
}
END_TEST

START_TEST(ids_too_long_are_not_kept)
{
    char session_id[SESSION_ID_SIZE + 1], user_id[SESSION_USER_SIZE + 1];
    memset(session_id, 's', sizeof session_id);
    memset(user_id, 'u', sizeof user_id);
    session_id[SESSION_ID_SIZE] = user_id[SESSION_USER_SIZE] = '\0';
    ck_assert_ptr_null(registry_use(&registry, 1, "user", session_id, &here, 1));
    ck_assert_ptr_null(registry_use(&registry, 1, user_id, "s", &here, 1));
    ck_assert_ptr_null(registry_find(&registry, 1, user_id, session_id));
    ck_assert_uint_eq(registry.sessions.n_entries, 0);
    Session *session = use("s");
    ck_assert_ptr_null(registry_use_operation(&registry, session, session_id));
    session_id[SESSION_ID_SIZE - 1] = user_id[SESSION_USER_SIZE - 1] = '\0'; /* just short enough */
    session = registry_use(&registry, 1, user_id, session_id, &here, 1);
    ck_assert_str_eq(session->session_id, session_id);
    ck_assert_str_eq(session->user_id, user_id);
    ck_assert_ptr_nonnull(registry_use_operation(&registry, session, session_id));
}
END_TEST

START_TEST(operations_belong_to_their_session)
{
    Session *a = use("a"), *b = use("b");
    Operation *operation = add_operation(a, "o", 1);
    ck_assert_ptr_eq(registry_find_operation(&registry, a, "o"), operation);
    ck_assert_ptr_eq(registry_use_operation(&registry, a, "o"), operation);
    ck_assert_ptr_null(registry_find_operation(&registry, b, "o"));
    ck_assert_ptr_ne(add_operation(b, "o", 2), operation);
    registry_forget_operation(&registry, operation);
    registry_forget_operation(&registry, NULL);
    ck_assert_ptr_null(registry_find_operation(&registry, a, "o"));
    ck_assert_ptr_nonnull(registry_find_operation(&registry, b, "o"));
    ck_assert_uint_eq(n_gone[1], 1);
    ck_assert_uint_eq(n_gone[2], 0);
}
END_TEST

START_TEST(the_oldest_operation_goes_when_there_are_too_many)
{
    char id[SESSION_ID_SIZE];
    Session *session = use("s");
    for (uintptr_t i = 0; i < SESSION_MAX_OPERATIONS + 10; i++) {
        (void)snprintf(id, sizeof id, "o%zu", (size_t)i);
        add_operation(session, id, i);
    }
    ck_assert_uint_eq(session->operations.n_entries, SESSION_MAX_OPERATIONS);
    for (size_t i = 0; i < SESSION_MAX_OPERATIONS + 10; i++)
        ck_assert_uint_eq(n_gone[i], i < 10);
    ck_assert_ptr_null(registry_find_operation(&registry, session, "o9"));
    ck_assert_ptr_nonnull(registry_find_operation(&registry, session, "o10"));
}
END_TEST

START_TEST(the_oldest_of_all_goes_when_all_sessions_have_too_many)
{
    char id[SESSION_ID_SIZE];
    registry_deinit(&registry);
    registry_init(&registry, 1000);
    registry.on_operation_gone = on_operation_gone;
    for (size_t i = 0; i < REGISTRY_MAX_OPERATIONS; i++) {
        (void)snprintf(id, sizeof id, "%zu", i % 500); /* sessions take turns */
        Session *session = use(id);
        (void)snprintf(id, sizeof id, "%zu", i / 500);
        add_operation(session, id, 0);
    }
    ck_assert_uint_eq(registry.operations.n_entries, REGISTRY_MAX_OPERATIONS);
    ck_assert_uint_eq(n_gone[0], 0);
    add_operation(use("499"), "new", 1);
    ck_assert_uint_eq(n_gone[0], 1);
    ck_assert_uint_eq(registry.operations.n_entries, REGISTRY_MAX_OPERATIONS);
    ck_assert_ptr_null(registry_find_operation(&registry, find("0"), "0"));
    ck_assert_ptr_nonnull(registry_find_operation(&registry, find("1"), "0"));
    ck_assert_ptr_nonnull(registry_find_operation(&registry, find("499"), "new"));
    ck_assert_uint_eq(n_gone[1], 0);
}
END_TEST

START_TEST(each_operation_is_gone_once)
{
    Session *a = use("a"), *b = use("b");
    add_operation(a, "1", 1);
    add_operation(a, "2", 2);
    add_operation(b, "3", 3);
    registry_forget_operation(&registry, registry_find_operation(&registry, a, "1"));
    registry_forget(&registry, a);
    ck_assert_uint_eq(n_gone[1], 1);
    ck_assert_uint_eq(n_gone[2], 1);
    ck_assert_uint_eq(n_gone[3], 0);
    use("c"), use("d"), use("e"); /* pushes b out */
    ck_assert_uint_eq(n_gone[3], 1);
    add_operation(find("e"), "4", 4);
    registry_deinit(&registry);
    ck_assert_uint_eq(n_gone[4], 1);
    ck_assert_uint_eq(n_gone[1] + n_gone[2] + n_gone[3], 3);
    set_up();
}
END_TEST

START_TEST(nobody_need_listen)
{
    registry.on_operation_gone = NULL;
    add_operation(use("s"), "o", 1);
    registry_forget(&registry, find("s"));
    ck_assert_uint_eq(n_gone[1], 0);
}
END_TEST

/* ---- connections that use a session */

START_TEST(connections_come_and_go)
{
    List a, b;
    list_init(&a);
    list_init(&b);
    Session *session = use("s");
    ck_assert(!session_has_clients(session));
    session_add_client(session, &a, 7);
    session_add_client(session, &a, 7);
    session_add_client(session, &b, 7);
    ck_assert_uint_eq(a.n_entries, 1);
    session_client_gone(container_of(list_first(&a), SessionClient, link));
    ck_assert(list_is_empty(&a));
    ck_assert(session_has_clients(session));
    ck_assert(!session->is_shared); /* a process may have several connections */
    registry_forget(&registry, session);
    ck_assert(list_is_empty(&b));
}
END_TEST

START_TEST(a_second_process_shares_it_for_good)
{
    List a, b;
    list_init(&a);
    list_init(&b);
    Session *session = use("s");
    session_add_client(session, &a, 7);
    session_client_gone(container_of(list_first(&a), SessionClient, link));
    session_add_client(session, &b, 8);
    ck_assert(session->is_shared);
    session_client_gone(container_of(list_first(&b), SessionClient, link));
    ck_assert(session->is_shared);
    ck_assert(!session_has_clients(session));
}
END_TEST

START_TEST(more_connections_than_are_known_share_it)
{
    List lists[SESSION_MAX_CLIENTS + 1];
    Session *session = use("s");
    for (size_t i = 0; i <= SESSION_MAX_CLIENTS; i++) {
        list_init(&lists[i]);
        ck_assert(!session->is_shared);
        session_add_client(session, &lists[i], 7);
    }
    ck_assert(session->is_shared);
    ck_assert(list_is_empty(&lists[SESSION_MAX_CLIENTS]));
    registry_forget(&registry, session);
}
END_TEST

START_TEST(an_operation_belongs_to_the_latest_connection)
{
    List a, b;
    list_init(&a);
    list_init(&b);
    Operation *operation = add_operation(use("s"), "o", 1);
    operation_serve(operation, &a);
    operation_serve(operation, &b);
    ck_assert(list_is_empty(&a));
    ck_assert_ptr_eq(container_of(list_first(&b), Operation, client_link), operation);
    operation_client_gone(operation);
    operation_client_gone(operation);
    ck_assert(list_is_empty(&b));
    ck_assert_ptr_null(operation->of_client);
    operation_serve(operation, &a);
    registry_forget_operation(&registry, operation);
    ck_assert(list_is_empty(&a));
}
END_TEST

/* ---- time */

START_TEST(what_nobody_uses_expires)
{
    registry_use(&registry, 1, "user", "a", &here, 100);
    registry_use(&registry, 1, "user", "b", &here, 150);
    ck_assert_uint_eq(registry_expire(&registry, 150, 100), 200);
    ck_assert_uint_eq(registry.sessions.n_entries, 2);
    ck_assert_uint_eq(registry_expire(&registry, 200, 100), 250);
    ck_assert_uint_eq(registry.sessions.n_entries, 1);
    registry_use(&registry, 1, "user", "b", &here, 240);
    ck_assert_uint_eq(registry_expire(&registry, 250, 100), 340);
    ck_assert_uint_eq(registry_expire(&registry, 340, 100), 0); /* nothing is left: not to be called again */
    ck_assert_uint_eq(registry.sessions.n_entries, 0);
}
END_TEST

START_TEST(a_session_in_use_does_not_expire)
{
    Session *a = session_ref(registry_use(&registry, 1, "user", "a", &here, 100));
    Session *b = session_ref(registry_use(&registry, 1, "user", "b", &here, 110));
    registry_use(&registry, 1, "user", "c", &here, 120);
    ck_assert_uint_eq(registry_expire(&registry, 1000, 100), 1100);
    ck_assert_uint_eq(registry.sessions.n_entries, 2);
    session_unref(a);
    ck_assert_uint_eq(registry_expire(&registry, 1100, 100), 1200); /* counted from its last use */
    session_unref(b);
    ck_assert_uint_eq(registry.sessions.n_entries, 1);
}
END_TEST

START_TEST(a_clone_of_a_named_session_stays)
{
    registry_use(&registry, 1, "user", "a", &here, 100)->kind = SESSION_CLONE;
    registry_use(&registry, 1, "user", "b", &here, 100);
    ck_assert_uint_eq(registry_expire(&registry, 1000, 100), 0);
    ck_assert_uint_eq(registry.sessions.n_entries, 1);
    ck_assert_ptr_nonnull(registry_find(&registry, 1, "user", "a"));
}
END_TEST

/* ---- memory */

static size_t bytes_in_use(void)
{
    return mallinfo2().uordblks;
}

/* With its share of the table and what the allocator adds. */
START_TEST(memory_of_a_session_and_of_an_operation)
{
    enum { N = 10000, SESSION_LIMIT = 1024, OPERATION_LIMIT = 1024 };
    static char id[SESSION_ID_SIZE];
#ifdef __SANITIZE_ADDRESS__
    return; /* its allocator does not count this way */
#endif
    registry_deinit(&registry);
    registry_init(&registry, N);
    size_t before = bytes_in_use();
    for (int i = 0; i < N; i++) {
        (void)snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", i);
        use(id);
    }
    size_t with_sessions = bytes_in_use();
    ck_assert_uint_le((with_sessions - before) / N, SESSION_LIMIT);
    for (int i = 0; i < N; i++) {
        (void)snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", i);
        add_operation(find(id), id, 0);
    }
    ck_assert_uint_le((bytes_in_use() - with_sessions) / N, OPERATION_LIMIT); /* the rest is release.c's */
}
END_TEST

/* ---- random uses against a list in order of use */

#define MODEL_SESSIONS 20

START_TEST(random_uses_keep_the_latest)
{
    int order[MODEL_SESSIONS]; /* latest first */
    size_t n = 0;
    registry_deinit(&registry);
    registry_init(&registry, 8);
    for (int step = 0; step < 20000; step++) {
        int id = (int)random_number(MODEL_SESSIONS);
        char session_id[8];
        size_t at = 0;
        (void)snprintf(session_id, sizeof session_id, "%d", id);
        while (at < n && order[at] != id)
            at++;
        ck_assert_int_eq(find(session_id) != NULL, at < n && at < 8);
        if (random_number(10) == 0) {
            registry_forget(&registry, find(session_id));
            if (at < n)
                memmove(order + at, order + at + 1, (--n - at) * sizeof *order);
            continue;
        }
        use(session_id);
        memmove(order + 1, order, (at < n ? at : n < 8 ? n : 7) * sizeof *order);
        order[0] = id;
        n += at == n && n < 8;
        ck_assert_uint_eq(registry.sessions.n_entries, n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *tests = tcase_create("registry");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_session_is_found_again);
    tcase_add_test(tests, the_same_ids_elsewhere_are_another_session);
    tcase_add_test(tests, the_same_id_of_somebody_else_is_another_session);
    tcase_add_test(tests, ids_do_not_run_into_each_other);
    tcase_add_test(tests, what_is_pinned_stays_while_there_are_others);
    tcase_add_test(tests, the_least_recently_used_goes_when_it_is_full);
    tcase_add_test(tests, a_reference_keeps_a_forgotten_session);
    tcase_add_test(tests, those_in_use_go_last_when_it_is_full);
    tcase_add_test(tests, the_last_reference_does_not_end_a_known_session);
    tcase_add_test(tests, ids_too_long_are_not_kept);
    tcase_add_test(tests, operations_belong_to_their_session);
    tcase_add_test(tests, the_oldest_operation_goes_when_there_are_too_many);
    tcase_add_test(tests, the_oldest_of_all_goes_when_all_sessions_have_too_many);
    tcase_add_test(tests, each_operation_is_gone_once);
    tcase_add_test(tests, nobody_need_listen);
    tcase_add_test(tests, connections_come_and_go);
    tcase_add_test(tests, a_second_process_shares_it_for_good);
    tcase_add_test(tests, more_connections_than_are_known_share_it);
    tcase_add_test(tests, an_operation_belongs_to_the_latest_connection);
    tcase_add_test(tests, what_nobody_uses_expires);
    tcase_add_test(tests, a_session_in_use_does_not_expire);
    tcase_add_test(tests, a_clone_of_a_named_session_stays);
    tcase_add_test(tests, memory_of_a_session_and_of_an_operation);
    tcase_add_test(tests, random_uses_keep_the_latest);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
