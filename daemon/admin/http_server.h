#pragma once

/*
 * HttpServer: HTTP/1.1 by libmicrohttpd on the loop, for connections that somebody else has accepted. It
 * wakes the loop only while there are connections, and says when it has been without any for a while. Loop
 * thread only.
 */

#include <uv.h>

#include "admin/control.h"
#include "base/text.h"

#define HTTP_SERVER_MAX_CONNECTIONS   32   /* commands of one person and a few monitors */
#define HTTP_SERVER_CONNECTION_MEMORY 8192 /* bytes; a request is a line and a few headers */
#define HTTP_SERVER_TIMEOUT_S         10   /* without a byte either way */
#define HTTP_SERVER_UNUSED_MS         2000
#define HTTP_SERVER_MAX_BODY          16384 /* bytes; the longest tokens have a few KiB */

typedef struct HttpServer HttpServer;

/* NULL, with a sentence in `reason`, when it cannot be started. `host` is borrowed; on_unused(context) is
 * called once no connection has been open for HTTP_SERVER_UNUSED_MS. */
HttpServer *http_server_new(uv_loop_t *loop, const ControlHost *host, void (*on_unused)(void *context),
                            void *context, Text *reason);
/* Takes the connected socket over; closes it when there are too many. May end in ControlHost.stop, which may
 * close the server. */
void http_server_add(HttpServer *server, int fd);
/* Ends all connections; freed when the loop has run. Not from within a function of the ControlHost but stop.
 */
void http_server_close(HttpServer *server);
