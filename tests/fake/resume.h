#pragma once

/*
 * Resume: operations run one after the other, several at a time, each by one ExecutePlan and, when it is told
 * to, ReattachExecutes. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "bytes.h"
#include "loop.h"
#include "spark.h"

#define RESUME_HEADERS  16
#define RESUME_CHANNELS 64
#define RESUME_STATUSES 17

typedef struct ResumeOptions {
    const char *target, *script, *server_session;
    uint64_t operations, messages, size, first, cancel_after;
    uint64_t plan_size;
    unsigned parallel, channels, timeout_s, read_delay_ms;
    bool reattaches, releases, plain, arrivals;
    grpc_metadata headers[RESUME_HEADERS];
    size_t n_headers;
} ResumeOptions;

typedef struct Resume {
    Loop loop;
    const ResumeOptions *options;
    grpc_channel *channels[RESUME_CHANNELS];
    Timer timeout;
    uint64_t n_started, n_running, n_releasing;
    uint64_t n_ended, n_complete, n_messages, n_bytes, n_reattaches, n_executes, n_problems;
    uint64_t statuses[RESUME_STATUSES];
    char first_problem[300], status_message[600];
    int64_t *arrivals_us; /* of every response, in order, when asked for */
    size_t n_arrivals, arrival_room;
} Resume;

/* Begins the next operation, or ends the loop when all have ended. */
void resume_next(Resume *resume);
void resume_problem(Resume *resume, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* resume_release.c: a ReleaseExecute, its answer not looked at beyond its status. */
void resume_release(Resume *resume, unsigned channel, const SparkRequest *identity, const char *response_id);

/* Requests. */
void resume_request_execute(Bytes *out, const ResumeOptions *options, const SparkRequest *identity);
void resume_request_reattach(Bytes *out, const ResumeOptions *options, const SparkRequest *identity,
                             const char *last_response);
