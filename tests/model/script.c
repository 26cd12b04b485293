#include "script.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "rig.h"
#include "spark_client.h"
#include "spark_server.h"
#include "virtual_clock.h"

#define MAX_ROUNDS      400 /* of half a second: how long calls may take to end once all is well */
#define ROUND_MS        500
#define LAST_RELEASE_MS 20000 /* after which also the daemon's own calls have ended */

/* ---- steps */

typedef void (*StepFunction)(const uint16_t *numbers);

static void step_execute(const uint16_t *numbers)
{
    client_execute(numbers[0], numbers[0] % 8 != 7, numbers[1] | (uint32_t)numbers[2] << 16);
}

static void step_reattach(const uint16_t *numbers)
{
    client_reattach(numbers[0], numbers[1]);
}

static void step_release_until(const uint16_t *numbers)
{
    client_release_until(numbers[0]);
}

static void step_release_all(const uint16_t *numbers)
{
    client_release_all(numbers[0]);
}

static void step_cancel(const uint16_t *numbers)
{
    client_cancel(numbers[0]);
}

static void step_pause(const uint16_t *numbers)
{
    client_pause(numbers[0]);
}

static void step_die(const uint16_t *numbers)
{
    client_die(numbers[0]);
}

static void step_send(const uint16_t *numbers)
{
    server_send(numbers[0], numbers[1] % 4, numbers[2] % 3 ? 0 : numbers[2] % 256);
}

static void step_end_for_now(const uint16_t *numbers)
{
    server_end(numbers[0], SERVER_END_FOR_NOW);
}

static void step_end_badly(const uint16_t *numbers)
{
    server_end(numbers[0], (ServerEnd)(1 + numbers[1] % 4));
}

static void step_reset(const uint16_t *numbers)
{
    static const uint32_t CODES[] = {
        NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR,    NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM,
        NGHTTP2_CANCEL,   NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM, NGHTTP2_FLOW_CONTROL_ERROR};
    server_reset_call(numbers[0], CODES[numbers[1] % 8]);
}

static void step_go_away(const uint16_t *numbers)
{
    server_go_away(numbers[0], numbers[1]);
}

static void step_cut(const uint16_t *numbers)
{
    server_cut(numbers[0], numbers[1] % 257, numbers[2] % 3 == 0, numbers[2] & 64);
}

static void step_hold(const uint16_t *numbers)
{
    server_hold(numbers[0], numbers[1] & 1);
}

static void step_refuse(const uint16_t *numbers)
{
    server_refuse(numbers[0] % 3 == 0);
}

static void step_lose(const uint16_t *numbers)
{
    server_lose(numbers[0]);
}

static void step_fail_unary(const uint16_t *numbers)
{
    (void)numbers;
    server_fail_next_unary();
}

static void step_wait(const uint16_t *numbers)
{
    static const uint16_t WAITS_MS[] = {1, 60, 60, 120, 250, 600, 1100, 1100, 5000, 12000, 65000};
    virtual_clock_advance(WAITS_MS[numbers[0] % 11]);
}

static const struct {
    const char *name;
    unsigned weight;
    StepFunction function;
} STEPS[] = {
    {"client: execute", 14, step_execute},
    {"client: reattach", 4, step_reattach},
    {"client: release until", 9, step_release_until},
    {"client: release all", 3, step_release_all},
    {"client: cancel", 3, step_cancel},
    {"client: pause or read", 4, step_pause},
    {"client: die", 1, step_die},
    {"server: send", 40, step_send},
    {"server: end for now", 5, step_end_for_now},
    {"server: end badly", 4, step_end_badly},
    {"server: reset a stream", 9, step_reset},
    {"server: go away", 3, step_go_away},
    {"server: cut", 8, step_cut},
    {"server: hold or go on", 6, step_hold},
    {"server: refuse or not", 3, step_refuse},
    {"server: lose", 2, step_lose},
    {"server: fail a release", 2, step_fail_unary},
    {"time", 18, step_wait},
};
#define N_STEPS (sizeof STEPS / sizeof STEPS[0])

/* ---- making */

/* SplitMix64 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint8_t pick_kind(uint64_t random)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < N_STEPS; i++)
        sum += STEPS[i].weight;
    unsigned at = (unsigned)(random % sum);
    for (uint8_t i = 0;; i++) {
        if (at < STEPS[i].weight)
            return i;
        at -= STEPS[i].weight;
    }
}

void script_make(Script *script, uint64_t seed)
{
    uint64_t state = seed;
    script->n_steps = 5 + (unsigned)(random_next(&state) % (SCRIPT_MAX_STEPS - 5));
    uint64_t settling = random_next(&state) % 4; /* of so many steps one does not settle; 0: all do */
    for (unsigned i = 0; i < script->n_steps; i++) {
        Step *step = &script->steps[i];
        uint64_t numbers = random_next(&state);
        step->kind = pick_kind(random_next(&state));
        step->settles = settling == 0 || random_next(&state) % (settling + 1) != 0;
        memcpy(step->numbers, &numbers, sizeof step->numbers);
    }
}

void script_drop(Script *script, unsigned first, unsigned n)
{
    memmove(script->steps + first, script->steps + first + n,
            (script->n_steps - first - n) * sizeof script->steps[0]);
    script->n_steps -= n;
}

void script_print(const Script *script)
{
    for (unsigned i = 0; i < script->n_steps; i++) {
        const Step *step = &script->steps[i];
        (void)printf("  %3u %-24s %5u %5u %5u%s\n", i, STEPS[step->kind].name, step->numbers[0],
                     step->numbers[1], step->numbers[2], step->settles ? "" : "  …");
    }
}

/* ---- running */

/* No stream of results is open that nobody waits for. */
static void check_streams(void)
{
    for (unsigned i = 0; i < model.n_operations; i++) {
        const ModelOperation *operation = &model.operations[i];
        unsigned n_streams = server_count_streams(operation), n_calls = clients_count_calls(operation);
        if (n_streams > n_calls)
            model_violated("%s has %u streams at the server and %u calls of its client",
                           model_operation_id(operation), n_streams, n_calls);
    }
}

static void settle(void)
{
    rig_settle();
    check_streams();
}

/* All is well from now on: every call has to come to its end. */
static void finish(void)
{
    model_tell("all is well from now on");
    clients_finish();
    for (unsigned round = 0; round < MAX_ROUNDS && !model_is_violated(); round++) {
        (void)server_finish();
        settle();
        if (clients_count_calls(NULL) == 0)
            break;
        virtual_clock_advance(ROUND_MS);
    }
    if (clients_count_calls(NULL) > 0)
        model_violated("%u calls do not end", clients_count_calls(NULL));
    virtual_clock_advance(LAST_RELEASE_MS); /* releases that are still to be sent */
    settle();
    (void)server_finish();
    settle();
    if (server_count_all_streams() > 0)
        model_violated("%u streams are left at the server", server_count_all_streams());
    rig_check_is_idle();
}

void script_run(const Script *script)
{
    rig_init();
    for (unsigned i = 0; i < script->n_steps && !model_is_violated(); i++) {
        const Step *step = &script->steps[i];
        if (model.is_told)
            (void)printf("%3u %s\n", i, STEPS[step->kind].name);
        STEPS[step->kind].function(step->numbers);
        if (step->settles)
            settle();
    }
    if (!model_is_violated())
        settle();
    if (!model_is_violated())
        finish();
    rig_deinit();
}
