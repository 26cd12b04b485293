#pragma once

/*
 * Https: small HTTPS requests of the daemon's own, to token endpoints and workspace REST: libcurl's multi
 * interface on the loop. Each exchange has a time limit; redirects are not followed, netrc is not read, and
 * answers are bounded. libcurl is loaded by name at the first request, by a thread (see libcurl.h
 * for why); this is the only place that knows it. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/mem.h"
#include "base/secret.h"

#define HTTPS_ANSWER_LIMIT (256 * 1024) /* bytes of a body; tokens and cluster descriptions have some KiB */

typedef struct Https Https;                 /* what all exchanges of a loop share */
typedef struct HttpsExchange HttpsExchange; /* one request under way */

/* What is asked. Everything is borrowed until https_send() returns. */
typedef struct HttpsRequest {
    const char *method;          /* "GET", "POST" */
    const char *url;             /* https://, or http:// to a loopback or link-local address */
    const char *const *headers;  /* "Name: value", NULL-terminated; may be NULL */
    const Secret *authorization; /* value of the authorization header; NULL: none */
    const Secret *body;          /* NULL: none */
    const char *content_type;    /* of the body */
    const char *ca_file;         /* NULL: the system's roots */
    const char *proxy;           /* NULL: https_proxy and no_proxy of the environment; "": none */
    uint64_t timeout_ms;         /* for all of it */
} HttpsRequest;

/* What came of it. Valid only during the callback. */
typedef struct HttpsResponse {
    const char *failure; /* NULL, or why there is no answer: part of a sentence ("cannot resolve …") */
    unsigned status;     /* of HTTP; 0 with a failure */
    const char *body;    /* NUL-terminated; wiped afterwards, it may be a token */
    size_t length;
    const char *location; /* of a redirect; NULL: none */
    int64_t date_s;       /* the server's Date, seconds since 1970; 0: none */
} HttpsResponse;

typedef void (*HttpsDone)(void *context, const HttpsResponse *response);

/* Loads nothing yet. Never NULL. */
Https *https_new(uv_loop_t *loop);
/* No exchange may be under way. Freed when the loop has run. Takes NULL; returns NULL. */
Https *https_close(Https *https);

/* `done` is called once, never before this returns, also for every failure. Never NULL. */
HttpsExchange *https_send(Https *https, const HttpsRequest *request, HttpsDone done, void *context);
/* Ends it; `done` will not be called. Not from within its own `done`: it is over then. */
void https_cancel(HttpsExchange *exchange);
