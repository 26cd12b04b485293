#pragma once

/*
 * ControlClient: asks a running daemon over its control socket. Blocking, with a time limit. One request with
 * HTTP/1.0 over a unix socket is so little that a library would only add to what a short command loads:
 * a line to send, and an answer that ends when the connection does. Any thread.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

#define CONTROL_CLIENT_TIMEOUT_MS 10000

typedef struct ControlReply {
    unsigned status; /* of HTTP */
    Text body;
    pid_t pid; /* of the process that listens; 0: not known */
} ControlReply;

#define CONTROL_REPLY_NULL                                                                                   \
    {                                                                                                        \
        0, TEXT_NULL, 0                                                                                      \
    }

/* 0 and an answer of whatever status in `reply`, which must be empty; -ENOENT, -ECONNREFUSED: no daemon runs;
 * -ETIMEDOUT; -EPROTO: that was no answer; or another negative errno. */
int control_client_request(const char *path, const char *method, const char *target, uint64_t timeout_ms,
                           ControlReply *reply) _must_check_;
/* The same with POST and a body of JSON, which may hold a secret: it is not copied. */
int control_client_post(const char *path, const char *target, const char *body, uint64_t timeout_ms,
                        ControlReply *reply) _must_check_;
void control_reply_deinit(ControlReply *reply);

/* One sentence about a request that has failed, or was answered with a status that is not wanted. */
void control_client_explain(Text *text, const char *path, int error, const ControlReply *reply);
