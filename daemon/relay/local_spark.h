#pragma once

/*
 * LocalSpark: a Spark Connect server on this machine that is started when it is needed: one process at a
 * time, on a free port of 127.0.0.1, with a random token of its own that it gets by its environment, so that
 * nobody else on the machine can use it. It ends with the daemon. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/log.h"
#include "conf/settings.h"

typedef struct LocalSpark LocalSpark;

typedef enum LocalSparkState {
    LOCAL_SPARK_NONE, /* not needed yet, or any more */
    LOCAL_SPARK_STARTING,
    LOCAL_SPARK_READY,
    LOCAL_SPARK_FAILED, /* it could not be started, or has ended by itself; the problem says why */
    LOCAL_SPARK_STOPPING,
} LocalSparkState;

typedef struct LocalSparkHost {
    uv_loop_t *loop;
    const Log *log;
    void (*on_ready)(void *context);
    void (*on_ended)(void *context); /* the present run is over, or will not come to be */
    void *context;
} LocalSparkHost;

/* For status; strings are borrowed until the next event. */
typedef struct LocalSparkFacts {
    LocalSparkState state;
    uint64_t since_ns; /* of the state */
    uint16_t port;     /* 0: none */
    pid_t pid;         /* 0: no process */
    const char *problem;
} LocalSparkFacts;

LocalSpark *local_spark_new(const LocalSparkHost *host);
/* Stops it; nothing is told any more. The memory goes when the process has ended, which the loop must see.
 * Takes NULL; returns NULL. */
LocalSpark *local_spark_close(LocalSpark *spark);

/*
 * Makes sure that it runs, or will: on_ready or on_ended comes later unless it is READY already. `command` is
 * a template for the shell, with {port}; NULL: a Spark of this machine is looked for. False, with a problem,
 * when it has failed a moment ago, or there is no port.
 */
bool local_spark_start(LocalSpark *spark, const char *command);
/* For how long yet it will not be started again after it has failed, in milliseconds, at least 1; 0: it may
 * be now. */
uint64_t local_spark_held_back_ms(const LocalSpark *spark);
/* `why` is part of a sentence; harmless when it does not run. */
void local_spark_stop(LocalSpark *spark, const char *why);

/* Counts the servers that were to be started: sessions of another run are not on this one. 0: none runs, or
 * is about to. */
unsigned local_spark_run(const LocalSpark *spark);
/* The one profile that leads to the present run: its port and token. NULL when local_spark_run() is 0.
 * Borrowed. */
Settings *local_spark_settings(const LocalSpark *spark);
bool local_spark_is_ready(const LocalSpark *spark);
/* Why it has failed, last; never NULL, maybe empty. */
const char *local_spark_problem(const LocalSpark *spark);
void local_spark_facts(const LocalSpark *spark, LocalSparkFacts *ret_facts);
const char *local_spark_state_name(LocalSparkState state);
