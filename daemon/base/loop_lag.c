#include "base/loop_lag.h"

#include "base/clock.h"
#include "base/mem.h"

void loop_lag_note(LoopLag *lag, uint64_t begun_ns, uint64_t ended_ns)
{
    uint64_t took_ns = ended_ns > begun_ns ? ended_ns - begun_ns : 0;
    lag->n_turns++;
    if (took_ns <= lag->longest_ns && took_ns < LOOP_LAG_SLOW_MS * NS_PER_MS)
        return;
    lag->n_slow += took_ns >= LOOP_LAG_SLOW_MS * NS_PER_MS;
    lag->n_very_slow += took_ns >= LOOP_LAG_VERY_SLOW_MS * NS_PER_MS;
    if (took_ns <= lag->longest_ns)
        return;
    lag->longest_ns = took_ns;
    lag->longest_at_ns = ended_ns;
}

/* Just before the loop waits. */
static void on_prepare(uv_prepare_t *prepare)
{
    LoopLag *lag = container_of(prepare, LoopLag, prepare);
    if (lag->begun_ns)
        loop_lag_note(lag, lag->begun_ns, uv_hrtime());
    lag->begun_ns = 0;
}

/* When all events have been handled; the loop's time is still that of the end of its wait. */
static void on_check(uv_check_t *check)
{
    LoopLag *lag = container_of(check, LoopLag, check);
    lag->begun_ns = uv_now(check->loop) * NS_PER_MS;
}

int loop_lag_init(LoopLag *lag, uv_loop_t *loop)
{
    *lag = (LoopLag){.begun_ns = 0};
    int error = uv_prepare_init(loop, &lag->prepare);
    if (error == 0)
        error = uv_check_init(loop, &lag->check);
    if (error == 0)
        error = uv_prepare_start(&lag->prepare, on_prepare);
    if (error == 0)
        error = uv_check_start(&lag->check, on_check);
    if (error == 0) {
        uv_unref((uv_handle_t *)&lag->prepare);
        uv_unref((uv_handle_t *)&lag->check);
    }
    return error;
}

void loop_lag_close(LoopLag *lag)
{
    uv_close((uv_handle_t *)&lag->prepare, NULL);
    uv_close((uv_handle_t *)&lag->check, NULL);
}
