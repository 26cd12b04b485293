/* Orphan: every combination of facts; what must hold for anything to be ended. */

#include <check.h>
#include <stdlib.h>

#include "session/orphan.h"

START_TEST(an_operation_ends_only_if_all_speak_for_it)
{
    for (unsigned bits = 0; bits < 16; bits++) {
        OrphanOperationFacts facts = {.is_running = bits & 1,
                                      .is_connected = bits & 2,
                                      .is_streaming = bits & 4,
                                      .session_used = bits & 8};
        ck_assert_int_eq(orphan_operation(&facts), bits == 1);
    }
}
END_TEST

START_TEST(a_session_ends_only_if_all_speak_for_it)
{
    static const ProcessState STATES[] = {PROCESS_UNKNOWN, PROCESS_ALIVE, PROCESS_GONE};
    for (unsigned bits = 0; bits < 16; bits++)
        for (size_t i = 0; i < 3; i++) {
            OrphanSessionFacts facts = {.session_used = bits & 1,
                                        .is_connected = bits & 2,
                                        .is_shared = bits & 4,
                                        .is_named = bits & 8,
                                        .process = STATES[i]};
            ck_assert_int_eq(orphan_session(&facts), bits == 0 && STATES[i] == PROCESS_GONE);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("orphan");
    TCase *tests = tcase_create("orphan");
    tcase_add_test(tests, an_operation_ends_only_if_all_speak_for_it);
    tcase_add_test(tests, a_session_ends_only_if_all_speak_for_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
