#pragma once

/*
 * Load: calls as a Spark client makes them, over several connections, each byte of the answers checked. A
 * Slot makes one call after the other; a LoadCall is one of them and frees itself.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "bytes.h"
#include "loop.h"

typedef enum LoadMethod { LOAD_CONFIG, LOAD_EXECUTE_PLAN, LOAD_ADD_ARTIFACTS, LOAD_UNKNOWN } LoadMethod;

typedef struct LoadHeader {
    const char *key, *value;
} LoadHeader;

typedef struct LoadOptions {
    const char *target;
    LoadMethod method;
    unsigned connections, calls;
    uint64_t count, messages, size;
    bool release;
    unsigned timeout_s, pause_ms; /* pause: between a call's end and the next one's beginning */
    LoadHeader headers[16];
    size_t n_headers;
} LoadOptions;

typedef struct LoadTotals {
    uint64_t calls, errors, messages, bytes, releases, release_errors;
    char first_error[256];
    uint32_t *latencies_us;
    uint64_t n_latencies;
} LoadTotals;

typedef struct Load {
    Loop loop;
    const LoadOptions *options;
    grpc_channel **channels;
    uint64_t n_started;   /* calls begun, of options->count */
    uint64_t n_in_flight; /* calls and releases */
    LoadTotals totals;
    char fake_header[128]; /* x-fake, for the fake server */
    Timer timeout;
    bool stopped; /* no more calls are begun */
} Load;

extern volatile sig_atomic_t
    load_interrupted; /* SIGTERM or SIGINT: those in flight end, and totals are printed */

/* Begins the next call on that channel, after the pause if there is one, or ends the loop when all is done.
 */
void load_next(Load *load, unsigned channel);
void load_error(Load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* load_messages.c: what is sent and what must come back. */
#define LOAD_ID_SIZE 40
typedef struct LoadIdentity {
    char session[LOAD_ID_SIZE], operation[LOAD_ID_SIZE];
} LoadIdentity;

void load_identity(LoadIdentity *identity, unsigned channel, uint64_t call);
void load_request(Bytes *out, const LoadOptions *options, const LoadIdentity *identity, uint64_t index);
/* Checks response `index`. NULL: right, and *ret_response_id is empty unless there is one. Else what is
 * wrong. */
const char *load_check(const LoadOptions *options, const LoadIdentity *identity, uint64_t index,
                       const uint8_t *message, size_t length, const char *artifacts,
                       char ret_response_id[LOAD_ID_SIZE]);
/* ReleaseExecute; response_id NULL: release_all. */
void load_release_request(Bytes *out, const LoadIdentity *identity, const char *response_id);

/* load_release.c: one ReleaseExecute, checked by itself. */
void load_release(Load *load, unsigned channel, const LoadIdentity *identity, const char *response_id);
