/* Refresher: getting a token, its life, its chain, and refusals. */

#include "refresher_rig.h"

/* ---- getting one */

START_TEST(a_static_token_is_ready_without_any_timer)
{
    profile.auth.token = secret_new("pat", 3);
    make_with(AUTH_PAT);
    expect_token("pat");
    pass(1000 * HOUR_NS);
    expect_token("pat");
    ck_assert_uint_eq(deadlines.n_entries, 0);
    ck_assert_uint_eq(mint.n_started, 0);
    ck_assert_int_eq(facts().state, REFRESHER_READY);
    ck_assert_int_eq(facts().type, AUTH_PAT);
}
END_TEST

START_TEST(a_server_that_wants_nothing_gets_nothing)
{
    make();
    Credential *credential = refresher_current(refresher);
    ck_assert_ptr_nonnull(credential);
    ck_assert_ptr_null(credential->authorization);
    ck_assert_int_eq(facts().type, N_AUTH_TYPES);
    ck_assert(!refresher_refused(refresher, credential));
    ck_assert_ptr_eq(refresher_current(refresher), credential);
    expect_problem("w.example wants a token");
}
END_TEST

START_TEST(fifty_waiters_cause_one_mint)
{
    Waiting waiting[50];
    make_with(AUTH_OAUTH_M2M);
    ck_assert_int_eq(facts().state, REFRESHER_NONE);
    for (size_t i = 0; i < 50; i++) {
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    run_due();
    ck_assert_int_eq(facts().state, REFRESHER_MINTING);
    refresher_stop_waiting(refresher, &waiting[7].waiter);
    refresher_stop_waiting(refresher, &waiting[7].waiter);
    give("one", HOUR_MS);
    for (size_t i = 0; i < 50; i++)
        ck_assert_uint_eq(waiting[i].n_ready, i == 7 ? 0 : 1);
    ck_assert_uint_eq(mint.n_started, 1);
    expect_token("one");
    ck_assert_uint_eq(facts().n_refreshes, 1);
    ck_assert_uint_eq(facts().lives_ms, HOUR_MS);
}
END_TEST

START_TEST(fifty_at_an_expired_token_cause_one_mint)
{
    Waiting waiting[50];
    make_ready(HOUR_MS);
    sleep_for(2 * HOUR_NS);
    for (size_t i = 0; i < 50; i++) {
        expect_none();
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    give("two", HOUR_MS);
    for (size_t i = 0; i < 50; i++)
        ck_assert_uint_eq(waiting[i].n_ready, 1);
    ck_assert_uint_eq(mint.n_started, 2);
}
END_TEST

START_TEST(a_failure_is_told_to_all_and_not_tried_again_at_once)
{
    Waiting waiting[3];
    make_with(AUTH_OAUTH_M2M);
    for (size_t i = 0; i < 3; i++) {
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    fail_network();
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(waiting[i].n_failed, 1);
    expect_problem("cannot resolve");
    ck_assert_int_eq(facts().state, REFRESHER_FAILED);
    ck_assert(!facts().needs_person);
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    ck_assert_uint_eq(mint.n_started, 1);
    pass(NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 1); /* nobody asks */
    ck_assert_uint_eq(wait_for_one().n_failed, 0);
    ck_assert_uint_eq(mint.n_started, 2);
    give("one", HOUR_MS);
    ck_assert_ptr_null(facts().problem);
    expect_token("one");
}
END_TEST

START_TEST(waiting_for_what_is_there_is_served_by_a_later_event)
{
    make_ready(HOUR_MS);
    ck_assert_uint_eq(wait_for_one().n_ready, 1);
    ck_assert_uint_eq(mint.n_started, 1);
}
END_TEST

START_TEST(a_lapsed_login_needs_a_person)
{
    make_with(AUTH_DATABRICKS_CLI);
    refresher_warm(refresher);
    refuse_to_mint(MINT_LOGIN_NEEDED, "profile dev: run databricks auth login -p dev");
    ck_assert(facts().needs_person);
    expect_problem("databricks auth login");
}
END_TEST

START_TEST(freeing_cancels_the_mint)
{
    make_with(AUTH_OAUTH_M2M);
    refresher_warm(refresher);
    refresher_warm(refresher);
    refresher = refresher_free(refresher);
    ck_assert_uint_eq(mint.n_started, 1);
    ck_assert_uint_eq(mint.n_cancelled, 1);
}
END_TEST

/* ---- the chain */

START_TEST(the_first_that_is_set_up_is_remembered)
{
    make_chain();
    refresher_warm(refresher);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: databricks-cli: no login");
    ck_assert_int_eq(mint.type, AUTH_AZURE_CLI);
    give("one", HOUR_MS);
    ck_assert_int_eq(facts().type, AUTH_AZURE_CLI);
    sleep_for(HOUR_NS);
    (void)wait_for_one();
    ck_assert_int_eq(mint.type, AUTH_AZURE_CLI);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: azure-cli: gone"); /* then it is looked for anew */
    ck_assert_int_eq(mint.type, AUTH_DATABRICKS_CLI);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: databricks-cli: no login");
    ck_assert_int_eq(mint.type, AUTH_GOOGLE_ID);
    give("two", HOUR_MS);
    expect_token("two");
}
END_TEST

START_TEST(what_is_set_up_but_fails_ends_the_chain)
{
    make_chain();
    refresher_warm(refresher);
    refuse_to_mint(MINT_LOGIN_NEEDED, "profile dev: log in again");
    ck_assert_uint_eq(mint.n_started, 1);
    ck_assert_str_eq(refresher_problem(refresher), "profile dev: log in again");
}
END_TEST

START_TEST(none_that_is_set_up_names_what_each_said)
{
    make_chain();
    ck_assert_uint_eq(wait_for_one().n_ready, 0);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: databricks-cli: no login");
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: azure-cli: not installed");
    refuse_to_mint(MINT_NOT_CONFIGURED, "google-id: no account");
    ck_assert_str_eq(refresher_problem(refresher),
                     "profile dev: there is no login for w.example: databricks-cli: no login; azure-cli: not "
                     "installed; google-id: no account");
    ck_assert(facts().needs_person);
    ck_assert_uint_eq(facts().n_failures, 1);
}
END_TEST

START_TEST(the_only_one_speaks_for_itself)
{
    make_with(AUTH_AZURE_CLI);
    refresher_warm(refresher);
    refuse_to_mint(MINT_NOT_CONFIGURED, "profile dev: azure-cli: not installed");
    ck_assert_str_eq(refresher_problem(refresher), "profile dev: azure-cli: not installed");
}
END_TEST

/* ---- the life of a token */

START_TEST(it_is_refreshed_ahead_and_kept_meanwhile)
{
    make_ready(HOUR_MS);
    pass(40 * 60 * NS_PER_S - 1);
    ck_assert_uint_eq(mint.n_started, 1);
    pass(1);
    ck_assert_uint_eq(mint.n_started, 2);
    ck_assert_int_eq(facts().state, REFRESHER_REFRESHING);
    expect_token("one");
    ck_assert_uint_eq(wait_for_one().n_ready, 1);
    give("two", HOUR_MS);
    expect_token("two");
    ck_assert_int_eq(facts().state, REFRESHER_READY);
}
END_TEST

START_TEST(jitter_delays_the_refresh_by_a_fifth_of_its_window_at_most)
{
    fixed_random = 1023;
    make_ready(HOUR_MS);
    pass(43 * 60 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 1);
    pass(60 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    give("two", 10 * 1000); /* half of a short life: 5 to 6 s */
    pass(5 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    pass(NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 3);
}
END_TEST

START_TEST(it_counts_as_dead_before_its_end)
{
    make_ready(HOUR_MS);
    sleep_for(HOUR_NS - 41 * NS_PER_S);
    expect_token("one"); /* and a refresh begins */
    ck_assert_uint_eq(mint.n_started, 2);
    sleep_for(NS_PER_S);
    expect_none();
    give("two", 10 * 1000); /* a fifth of a short life */
    sleep_for(8 * NS_PER_S - 1);
    expect_token("two");
    sleep_for(1);
    expect_none();
    fail_network();
}
END_TEST

START_TEST(sleep_longer_than_its_life_is_noticed_at_the_first_use)
{
    make_ready(HOUR_MS);
    pass(10 * NS_PER_S);
    sleep_for(8 * HOUR_NS);
    ck_assert_uint_eq(mint.n_started, 1); /* no timer knows of it */
    ck_assert_int_eq(facts().state, REFRESHER_NONE);
    expect_none();
    (void)wait_for_one();
    give("two", HOUR_MS);
    expect_token("two");
}
END_TEST

START_TEST(one_of_unknown_life_has_no_timer)
{
    make_ready(0);
    ck_assert_uint_eq(deadlines.n_entries, 0);
    pass(1000 * HOUR_NS);
    expect_token("one");
    ck_assert_uint_eq(facts().lives_ms, 0);
}
END_TEST

START_TEST(absurd_lives_are_harmless)
{
    make_ready(UINT64_MAX);
    pass(1000 * HOUR_NS);
    expect_token("one");
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    give("two", 1);
    expect_token("two");
    pass(NS_PER_MS);
    expect_none();
    pass(HOUR_NS);
    ck_assert_uint_eq(mint.n_started, 2); /* nobody needs one */
    ck_assert_uint_eq(deadlines.n_entries, 0);
}
END_TEST

START_TEST(a_failed_refresh_keeps_the_last_good_token_to_its_end)
{
    make_ready(HOUR_MS);
    pass(40 * 60 * NS_PER_S);
    fail_network();
    expect_token("one");
    expect_problem("cannot resolve");
    ck_assert_int_eq(facts().state, REFRESHER_READY);
    pass(29 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    pass(NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 3);
    while (refresher_current(refresher)) {
        if (mint.done)
            fail_network();
        pass(NS_PER_S);
    }
    ck_assert_uint_ge(boot, 5000 * NS_PER_S + HOUR_NS - 40 * NS_PER_S);
    ck_assert_uint_lt(boot, 5000 * NS_PER_S + HOUR_NS);
    ck_assert_uint_lt(mint.n_started, 40);
    if (mint.done)
        fail_network();
    ck_assert_int_eq(facts().state, REFRESHER_FAILED);
    pass(10 * HOUR_NS);
    ck_assert_ptr_null((void *)(uintptr_t)mint.done); /* not tried any more while nobody asks */
    (void)wait_for_one();
    give("two", HOUR_MS);
    expect_token("two");
}
END_TEST

START_TEST(clock_skew_is_known)
{
    make_with(AUTH_OAUTH_M2M);
    refresher_warm(refresher);
    MintOutcome outcome = {.result = MINT_OK,
                           .token = {.access = secret_new("x", 1), .lives_ms = HOUR_MS, .skew_s = -300}};
    end_mint(&outcome);
    ck_assert_int_eq(facts().skew_s, -300);
}
END_TEST

/* ---- refusals */

START_TEST(a_refused_one_is_replaced_once_for_all_that_were_refused)
{
    make_ready(HOUR_MS);
    Credential *one = credential_ref(refresher_current(refresher));
    ck_assert(refresher_refused(refresher, one));
    ck_assert(refresher_refused(refresher, one));
    expect_none();
    ck_assert_uint_eq(mint.n_started, 2);
    give("two", HOUR_MS);
    ck_assert(refresher_refused(refresher, one)); /* from before */
    expect_token("two");
    ck_assert_uint_eq(mint.n_started, 2);
    credential_unref(one);
}
END_TEST

START_TEST(refusing_one_after_the_other_does_not_hammer)
{
    make_ready(HOUR_MS);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    give("two", HOUR_MS);
    Credential *two = credential_ref(refresher_current(refresher));
    ck_assert(!refresher_refused(refresher, two));
    ck_assert(!refresher_refused(refresher, two));
    expect_problem("w.example refuses the token that oauth-m2m gives");
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    pass(10 * NS_PER_S - 1);
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    ck_assert_uint_eq(mint.n_started, 2);
    pass(1);
    (void)wait_for_one();
    give("three", HOUR_MS);
    expect_token("three");
    credential_unref(two);
}
END_TEST

/* It was good meanwhile: somebody revokes tokens, and none is refused for what it is. */
START_TEST(one_that_was_accepted_is_replaced_at_once)
{
    make_ready(HOUR_MS);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    give("two", HOUR_MS);
    refresher_current(refresher)->was_accepted = true;
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    give("three", HOUR_MS);
    expect_token("three");
}
END_TEST

START_TEST(the_same_token_again_is_not_tried_again)
{
    make_ready(HOUR_MS);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    Waiting waiting;
    waiting_init(&waiting);
    start_waiting(&waiting);
    give("one", HOUR_MS);
    ck_assert_uint_eq(waiting.n_failed, 1);
    expect_none();
    pass(300 * NS_PER_S); /* the server may have changed its mind */
    (void)wait_for_one();
    give("one", HOUR_MS);
    expect_token("one");
}
END_TEST

START_TEST(a_refused_pat_is_refused_for_good)
{
    profile.auth.token = secret_new("pat", 3);
    profile.auth.token_place = (char[]){"/home/me/.databrickscfg:7"};
    make_with(AUTH_PAT);
    Credential *pat = credential_ref(refresher_current(refresher));
    ck_assert(!refresher_refused(refresher, pat));
    ck_assert(!refresher_refused(refresher, pat));
    expect_none();
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    pass(1000 * HOUR_NS);
    ck_assert_uint_eq(wait_for_one().n_failed, 1);
    refresher_warm(refresher);
    ck_assert_uint_eq(mint.n_started, 0);
    ck_assert(facts().needs_person);
    expect_problem("/home/me/.databrickscfg:7");
    expect_problem("w.example");
    credential_unref(pat);
}
END_TEST

START_TEST(a_pat_from_a_file_is_read_again)
{
    profile.auth.token = secret_new("pat", 3);
    profile.auth.token_file = (char[]){"/run/token"};
    make_with(AUTH_PAT);
    ck_assert_uint_eq(mint.n_started, 0);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    Waiting waiting;
    waiting_init(&waiting);
    start_waiting(&waiting);
    give("pat", 0);
    ck_assert_uint_eq(waiting.n_failed, 1);
    expect_problem("/run/token");
    pass(1000 * HOUR_NS); /* never forgotten */
    start_waiting(&waiting);
    give("pat", 0);
    ck_assert_uint_eq(waiting.n_failed, 2);
    pass(HOUR_NS);
    start_waiting(&waiting);
    give("new", 0);
    ck_assert_uint_eq(waiting.n_ready, 1);
    expect_token("new");
}
END_TEST

START_TEST(refused_by_the_first_that_gets_it)
{
    Waiting waiting[3];
    make_with(AUTH_OAUTH_M2M);
    for (size_t i = 0; i < 3; i++) {
        waiting_init(&waiting[i]);
        start_waiting(&waiting[i]);
    }
    waiting[0].refuses = true;
    give("one", HOUR_MS);
    ck_assert_uint_eq(waiting[0].n_ready, 1);
    ck_assert(waiting[1].is_waiting && waiting[2].is_waiting); /* for the next */
    give("two", HOUR_MS);
    ck_assert_uint_eq(waiting[1].n_ready + waiting[2].n_ready, 2);
    ck_assert_uint_eq(mint.n_started, 2);
}
END_TEST

START_TEST(refused_while_its_successor_is_on_its_way)
{
    make_ready(HOUR_MS);
    pass(45 * 60 * NS_PER_S);
    ck_assert_uint_eq(mint.n_started, 2);
    ck_assert(refresher_refused(refresher, refresher_current(refresher)));
    expect_none();
    ck_assert_int_eq(facts().state, REFRESHER_MINTING);
    give("two", HOUR_MS);
    expect_token("two");
    ck_assert_uint_eq(mint.n_started, 2);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, a_static_token_is_ready_without_any_timer);
    tcase_add_test(tests, a_server_that_wants_nothing_gets_nothing);
    tcase_add_test(tests, fifty_waiters_cause_one_mint);
    tcase_add_test(tests, fifty_at_an_expired_token_cause_one_mint);
    tcase_add_test(tests, a_failure_is_told_to_all_and_not_tried_again_at_once);
    tcase_add_test(tests, waiting_for_what_is_there_is_served_by_a_later_event);
    tcase_add_test(tests, a_lapsed_login_needs_a_person);
    tcase_add_test(tests, freeing_cancels_the_mint);
    tcase_add_test(tests, the_first_that_is_set_up_is_remembered);
    tcase_add_test(tests, what_is_set_up_but_fails_ends_the_chain);
    tcase_add_test(tests, none_that_is_set_up_names_what_each_said);
    tcase_add_test(tests, the_only_one_speaks_for_itself);
    tcase_add_test(tests, it_is_refreshed_ahead_and_kept_meanwhile);
    tcase_add_test(tests, jitter_delays_the_refresh_by_a_fifth_of_its_window_at_most);
    tcase_add_test(tests, it_counts_as_dead_before_its_end);
    tcase_add_test(tests, sleep_longer_than_its_life_is_noticed_at_the_first_use);
    tcase_add_test(tests, one_of_unknown_life_has_no_timer);
    tcase_add_test(tests, absurd_lives_are_harmless);
    tcase_add_test(tests, a_failed_refresh_keeps_the_last_good_token_to_its_end);
    tcase_add_test(tests, clock_skew_is_known);
    tcase_add_test(tests, a_refused_one_is_replaced_once_for_all_that_were_refused);
    tcase_add_test(tests, one_that_was_accepted_is_replaced_at_once);
    tcase_add_test(tests, refusing_one_after_the_other_does_not_hammer);
    tcase_add_test(tests, the_same_token_again_is_not_tried_again);
    tcase_add_test(tests, a_refused_pat_is_refused_for_good);
    tcase_add_test(tests, a_pat_from_a_file_is_read_again);
    tcase_add_test(tests, refused_by_the_first_that_gets_it);
    tcase_add_test(tests, refused_while_its_successor_is_on_its_way);
}

int main(void)
{
    Suite *suite = suite_create("refresher");
    TCase *tests = tcase_create("refresher");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
