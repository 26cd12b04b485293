/* Reloader: one load at a time, nobody is forgotten, and what has errors is not put into force. */

#include "admin/reloader.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define GOOD "[sparkbouncer]\nlisten = 127.0.0.1:0\n[profile p]\nupstream = sc://127.0.0.1:1\n"
#define BAD  "[sparkbouncer]\nlissten = x\n"

static uv_loop_t loop;
static Log logger;
static char folder[64], config[96], home[80];
static const char *environment[2];
static SettingsSource source;
static Reloader *reloader;
static struct {
    unsigned n_begun, n_applied, n_ended, n_changed;
    bool refuses;
} fake;

static void on_begin(void *context)
{
    ck_assert_ptr_eq(context, &fake);
    ck_assert_uint_eq(fake.n_begun, fake.n_ended); /* one at a time */
    fake.n_begun++;
}

static json_t *on_apply(void *context, Settings *settings, Problems *problems)
{
    ck_assert_ptr_eq(context, &fake);
    ck_assert_uint_eq(settings->n_profiles, 1);
    ck_assert_str_eq(settings->profiles[0].name, "p");
    settings_unref(settings);
    fake.n_applied++;
    if (!fake.refuses)
        return json_pack("{s:b}", "reloaded", 1);
    problems_add_error(problems, "not now");
    return NULL;
}

static void on_end(void *context, bool is_changed)
{
    ck_assert_ptr_eq(context, &fake);
    fake.n_ended++;
    fake.n_changed += is_changed;
}

/* All at once, as editors do: a load may be under way, and an empty file is a good one. */
static void write_config(const char *text)
{
    char next[sizeof config + 8];
    (void)snprintf(next, sizeof next, "%s.next", config);
    FILE *file = fopen(next, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(next, config), 0);
}

static void setup(void)
{
    static const ReloaderHost HOST = {.begin = on_begin, .apply = on_apply, .end = on_end, .context = &fake};
    memset(&fake, 0, sizeof fake);
    strcpy(folder, "/tmp/test_reloader.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(config, sizeof config, "%s/config.ini", folder);
    (void)snprintf(home, sizeof home, "HOME=%s", folder);
    environment[0] = home;
    source = (SettingsSource){.config_file = config, .environment = environment};
    logger = (Log){.fd = STDERR_FILENO, .level = LOG_LEVEL_ERROR};
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    reloader = reloader_new(&loop, &logger, &source, &HOST);
    write_config(GOOD);
}

static void teardown(void)
{
    reloader = reloader_close(reloader);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    (void)unlink(config);
    (void)rmdir(folder);
}

/* ---- questions */

typedef struct Asker {
    unsigned n_answers, status;
    char answer[512];
} Asker;

static void on_answer(void *context, unsigned status, json_t *document)
{
    Asker *asker = context;
    char *text = json_dumps(document, JSON_COMPACT);
    asker->n_answers++;
    asker->status = status;
    (void)snprintf(asker->answer, sizeof asker->answer, "%s", text);
    free(text);
    json_decref(document);
}

static void ask(Asker *asker)
{
    ControlQuestion *question = mem_new(ControlQuestion);
    list_link_init(&question->link);
    *asker = (Asker){.n_answers = 0};
    question->deliver = on_answer;
    question->asker = asker;
    reloader_request(reloader, "a test", question);
    ck_assert_uint_eq(asker->n_answers, 0); /* by a later event only */
}

static void expect_answer(const Asker *asker, unsigned status, const char *part)
{
    ck_assert_uint_eq(asker->n_answers, 1);
    ck_assert_uint_eq(asker->status, status);
    ck_assert_msg(strstr(asker->answer, part) != NULL, "%s", asker->answer);
}

START_TEST(good)
{
    Asker asker;
    ask(&asker);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    expect_answer(&asker, 200, "\"reloaded\":true");
    ck_assert_uint_eq(fake.n_changed, 1);
}
END_TEST

START_TEST(bad)
{
    Asker asker;
    write_config(BAD);
    ask(&asker);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    expect_answer(&asker, 409, "config.ini:2");
    ck_assert_uint_eq(fake.n_applied, 0);
    ck_assert_uint_eq(fake.n_ended, 1);
    ck_assert_uint_eq(fake.n_changed, 0);
}
END_TEST

START_TEST(refused_by_the_host)
{
    Asker asker;
    fake.refuses = true;
    ask(&asker);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    expect_answer(&asker, 409, "not now");
    fake.refuses = false; /* and what was wrong then is not held against the next */
    ask(&asker);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    expect_answer(&asker, 200, "\"warnings\":[]");
}
END_TEST

START_TEST(who_asks_meanwhile_gets_the_next)
{
    Asker first, second, third;
    ask(&first);
    ask(&second);
    ask(&third);
    reloader_request(reloader, "nobody waits", NULL);
    while (first.n_answers == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(second.n_answers + third.n_answers, 0);
    write_config(BAD); /* may come too late for the second load, but then there is the third */
    reloader_request(reloader, "what is in the files by now", NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(second.n_answers, 1);
    ck_assert_uint_eq(third.n_answers, 1);
    ck_assert_uint_eq(fake.n_begun, 3);
    ck_assert_uint_eq(fake.n_ended, 3);
}
END_TEST

START_TEST(closed_while_loading)
{
    Asker running, waiting;
    ask(&running);
    ask(&waiting);
    reloader = reloader_close(reloader);
    expect_answer(&running, 503, "stops");
    expect_answer(&waiting, 503, "stops");
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(fake.n_applied, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reloader");
    TCase *tests = tcase_create("reloader");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, good);
    tcase_add_test(tests, bad);
    tcase_add_test(tests, refused_by_the_host);
    tcase_add_test(tests, who_asks_meanwhile_gets_the_next);
    tcase_add_test(tests, closed_while_loading);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
