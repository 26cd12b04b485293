#pragma once

/*
 * Link: one HTTP/2 connection of a benchmark end, either side, plain or in TLS 1.3: nghttp2 over a socket,
 * with large windows and frames, reading up to 1 MiB at once and sending without copying what a Body sends.
 */

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"
#include "fast_loop.h"
#include "output.h"

typedef struct Link Link;
struct Link {
    Watch watch;
    FastLoop *loop;
    int fd;
    nghttp2_session *session; /* its user_data is the Link */
    Output *output;           /* NULL: nothing to send */
    SSL *ssl;
    Bytes cipher; /* encrypted, to be sent from n_cipher_sent */
    size_t n_cipher_sent;
    bool is_watching_out, has_stopped_reading, is_dead;
    bool is_up;                 /* the other side's SETTINGS have come */
    void (*gone)(Link *link);   /* the other side went away or misbehaved; may free the link */
    void (*turned)(Link *link); /* after each reading, before what is due is sent; may be NULL */
};

/* Adds what a Link needs to callbacks that have everything else. */
void link_prepare_callbacks(nghttp2_session_callbacks *callbacks);

/* TLS 1.3 with TLS_AES_256_GCM_SHA384 and ALPN h2; the paths are of PEM files. */
SSL_CTX *link_tls_server(const char *certificate, const char *key);
SSL_CTX *link_tls_client(const char *ca);

/* `fd` is connected or being so. `tls` NULL: plain. */
void link_init(Link *link, FastLoop *loop, int fd, bool is_server, SSL_CTX *tls,
               const nghttp2_session_callbacks *callbacks);
void link_deinit(Link *link);

/* Sends what is due, as far as the socket takes it. */
void link_flush(Link *link);
/* From now on nothing is read, as of a client that hangs. */
void link_stop_reading(Link *link);
