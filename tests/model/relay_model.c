/*
 * Random interleavings of what clients ask, what a server does, and what breaks, against a model of what must
 * hold: nothing lost, doubled or changed, nothing executed twice, nothing released that is still wanted.
 *
 *   relay-model [--runs N] [--seed S]      N scripts from seed S on; 1 when only a seed is given
 *   relay-model --seed S --tell            says what happens
 *
 * A script that fails is made shorter as long as it fails, and printed.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "rig.h"
#include "script.h"

#define FIRST_SEED 1
#define MAX_RUNS   1000000000

typedef struct Options {
    uint64_t seed, runs;
    bool tells;
} Options;

/* With the process that runs the scripts. */
typedef struct Shared {
    uint64_t seed;
    const char *rule; /* that was broken; NULL: none, and if the process has failed it has crashed */
} Shared;

static Shared *shared;

static bool fails(const Script *script)
{
    shared->rule = NULL;
    script_run(script);
    shared->rule = model.rule;
    return model_is_violated();
}

/* In a process of its own, as it may crash. */
static bool fails_elsewhere(const Script *script)
{
    int status;
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        _exit(fails(script));
    }
    return waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Without every part of `n` steps that it does not need to break the same rule. True: some could go. */
static bool drop_parts(Script *script, unsigned n)
{
    const char *rule = shared->rule;
    unsigned n_before = script->n_steps;
    for (unsigned first = 0; first + n <= script->n_steps;) {
        Script shorter = *script;
        script_drop(&shorter, first, n);
        if (fails_elsewhere(&shorter) && shared->rule == rule)
            *script = shorter;
        else
            first += n;
    }
    shared->rule = rule;
    return script->n_steps < n_before;
}

static void shorten(Script *script)
{
    for (unsigned n = script->n_steps / 2; n > 1; n /= 2)
        (void)drop_parts(script, n);
    while (drop_parts(script, 1))
        continue;
}

static void report(uint64_t seed)
{
    Script script;
    script_make(&script, seed);
    (void)printf("seed %llu fails (relay-model --seed %llu)\n", (unsigned long long)seed,
                 (unsigned long long)seed);
    if (!fails_elsewhere(&script)) {
        (void)printf("but not when it is run alone\n");
        return;
    }
    shorten(&script);
    (void)printf("%u steps are enough (… : the daemon does not go on before the next):\n", script.n_steps);
    script_print(&script);
    (void)printf("what happens then:\n");
    model.is_told = true;
    (void)fflush(stdout);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)fails(&script); /* may crash, with which all is said */
}

/* 0: all well; 1: shared->seed fails. */
static int run_all(const Options *options)
{
    Script script;
    model.is_told = options->tells;
    for (uint64_t i = 0; i < options->runs; i++) {
        shared->seed = options->seed + i;
        script_make(&script, shared->seed);
        if (fails(&script))
            return 1;
    }
    return 0;
}

static bool read_number(const char *text, uint64_t *ret)
{
    char *end;
    unsigned long long value = text ? strtoull(text, &end, 10) : 0;
    *ret = value;
    return text && *text && *end == '\0' && value <= MAX_RUNS;
}

static bool read_options(int argc, char **argv, Options *options)
{
    bool has_runs = false, has_seed = false;
    *options = (Options){.seed = FIRST_SEED, .runs = 1000};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tell") == 0)
            options->tells = true;
        else if (strcmp(argv[i], "--runs") == 0 && read_number(argv[i + 1], &options->runs))
            has_runs = ++i;
        else if (strcmp(argv[i], "--seed") == 0 && read_number(argv[i + 1], &options->seed))
            has_seed = ++i;
        else
            return false;
    }
    if (has_seed && !has_runs)
        options->runs = 1;
    return true;
}

int main(int argc, char **argv)
{
    Options options;
    int status;
    if (!read_options(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: relay-model [--runs N] [--seed S] [--tell]\n");
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    rig_open();
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int result = run_all(&options);
        (void)fflush(stdout);
        exit(result); /* and not _exit(): what is left is looked for then */
    }
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        (void)printf("%llu scripts are well\n", (unsigned long long)options.runs);
        return 0;
    }
    report(shared->seed);
    return 1;
}
