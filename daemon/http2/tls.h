#pragma once

/*
 * TLS towards upstreams: TLS 1.2 or later, ALPN h2, the certificate verified against the host's name,
 * sessions resumed. OpenSSL reads from and writes to memory of ours: one receive serves many records, and
 * many records leave in one write. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/block.h"
#include "http2/output.h"

/* Trust, and the last session, for one host and port. */
typedef struct TlsContext TlsContext;
typedef struct Tls Tls;

/* `ca_file`: NULL for the system's roots. NULL, with a reason, when that cannot be read. */
TlsContext *tls_context_new(const char *ca_file, char *reason, size_t reason_size);
TlsContext *tls_context_free(TlsContext *context);

/* `server_name`: a name or a numeric address. */
Tls *tls_new(TlsContext *context, const char *server_name, BlockPool *cipher_blocks);
Tls *tls_free(Tls *tls);

typedef enum TlsResult {
    TLS_DONE,      /* handshake: complete. read: bytes were given. */
    TLS_WANT_MORE, /* more ciphertext is needed */
    TLS_ENDED,     /* the peer closed the TLS connection */
    TLS_FAILED,    /* tls_error() says why */
} TlsResult;

/* Gives ciphertext that was received; borrowed, must be used up by tls_handshake()/tls_read() until
 * TLS_WANT_MORE. */
void tls_give(Tls *tls, const uint8_t *bytes, size_t length);
/* True when some of it could not be used, because there was no room for the answers that it asks for. */
bool tls_has_unread_input(const Tls *tls);
TlsResult tls_handshake(Tls *tls);
/* True when the peer chose h2. */
bool tls_speaks_http2(const Tls *tls);
/* Fills up to `size` bytes; TLS_DONE with *ret_length > 0. */
TlsResult tls_read(Tls *tls, uint8_t *bytes, size_t size, size_t *ret_length);
/* Encrypts from `output` until it is empty or a block of ciphertext is full. False on failure. */
bool tls_write(Tls *tls, Output *output);
/* The ciphertext to send; *ret_length 0 when there is none. */
const uint8_t *tls_pending(const Tls *tls, size_t *ret_length);
/* The first `length` bytes of it have been sent. */
void tls_sent(Tls *tls, size_t length);
/* The part of a sentence that says what went wrong: "its certificate has expired". */
const char *tls_error(const Tls *tls);
/* "TLSv1.3", for status. */
const char *tls_version(const Tls *tls);
