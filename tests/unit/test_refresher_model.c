/* Refresher: any order of events, against a model that knows only what was given when. */

#include "refresher_rig.h"

#define N_WAITERS 8

static struct {
    Waiting waiting[N_WAITERS];
    Credential *old;
    char token[16]; /* the latest; "": none */
    uint64_t expires_at;
    bool is_refused;
    unsigned n_tokens;
    uint64_t refusal_mint_at; /* the latest mint that a refusal has started; 0: none */
} model;

static bool model_has_token(void)
{
    return model.token[0] && !model.is_refused && boot < model.expires_at;
}

static void assert_model(void)
{
    if (model_has_token())
        expect_token(model.token);
    else
        expect_none();
    for (size_t i = 0; i < N_WAITERS; i++)
        if (model.waiting[i].is_waiting)
            ck_assert_msg(mint.done || deadlines.n_entries, "a waiter is forgotten");
}

static void model_give(void)
{
    static const uint64_t LIVES_MS[] = {0, 3000, 60 * 1000, HOUR_MS, 24 * HOUR_MS};
    uint64_t lives_ms = LIVES_MS[random_number(5)], life = lives_ms * NS_PER_MS;
    (void)snprintf(model.token, sizeof model.token, "t%u", ++model.n_tokens);
    uint64_t margin = life / 5 < 40 * NS_PER_S ? life / 5 : 40 * NS_PER_S;
    model.expires_at = life ? boot + life - margin : UINT64_MAX;
    model.is_refused = false;
    give(model.token, lives_ms);
}

static void model_refuse(void)
{
    Credential *current = refresher_current(refresher);
    unsigned n_started = mint.n_started;
    bool mint_ran = mint.done != NULL;
    if (!current)
        return;
    credential_unref(model.old);
    model.old = credential_ref(current);
    model.is_refused = true;
    bool may_come = refresher_refused(refresher, current);
    ck_assert(!mint_ran || mint.n_started == n_started);
    ck_assert_msg(may_come == (mint.done != NULL), "what it says is not what it does");
    if (!may_come)
        ck_assert_uint_lt(boot - model.refusal_mint_at, 10 * NS_PER_S);
    if (mint.n_started > n_started && model.refusal_mint_at)
        ck_assert_uint_ge(boot - model.refusal_mint_at, 10 * NS_PER_S);
    if (may_come)
        model.refusal_mint_at = boot;
}

static void random_wait(void)
{
    Waiting *waiting = &model.waiting[random_number(N_WAITERS)];
    if (!waiting->is_waiting) {
        start_waiting(waiting);
    } else if (random_number(3) == 0) {
        refresher_stop_waiting(refresher, &waiting->waiter);
        waiting->is_waiting = false;
    }
}

static void random_event(void)
{
    switch (random_number(12)) {
    case 0: pass(random_number(2000) * NS_PER_MS); break;
    case 1: pass(random_number(3600) * NS_PER_S); break;
    case 2: sleep_for(random_number(7200) * (random_number(4) == 0 ? NS_PER_S : NS_PER_MS)); break;
    case 3:
    case 4:
    case 5: random_wait(); break;
    case 6: model_refuse(); break;
    case 7:
        if (model.old && model.old != refresher_current(refresher))
            (void)refresher_refused(refresher, model.old);
        break;
    case 8: refresher_warm(refresher); break;
    case 9:
        if (mint.done)
            refuse_to_mint(random_number(2) ? MINT_FAILED : MINT_LOGIN_NEEDED, "no");
        break;
    default:
        if (mint.done)
            model_give();
        break;
    }
}

START_TEST(random_events_keep_to_the_model)
{
    unsigned n_ready = 0, n_failed = 0;
    is_random = true;
    memset(&model, 0, sizeof model);
    for (size_t i = 0; i < N_WAITERS; i++)
        waiting_init(&model.waiting[i]);
    make_with(AUTH_OAUTH_M2M);
    for (int i = 0; i < 200000; i++) {
        random_event();
        assert_model();
    }
    run_due();
    if (mint.done)
        model_give();
    for (size_t i = 0; i < N_WAITERS; i++) {
        ck_assert(!model.waiting[i].is_waiting);
        n_ready += model.waiting[i].n_ready;
        n_failed += model.waiting[i].n_failed;
    }
    ck_assert_uint_gt(n_ready, 1000);
    ck_assert_uint_gt(n_failed, 1000);
    ck_assert_uint_gt(model.n_tokens, 1000);
    credential_unref(model.old);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refresher_model");
    TCase *tests = tcase_create("refresher_model");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, random_events_keep_to_the_model);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
