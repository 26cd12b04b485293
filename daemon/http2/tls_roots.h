#pragma once

/*
 * TlsRoots: the certificates that a TLS context trusts. The system's come from its folder, in which OpenSSL
 * finds the one it needs by a hashed name: reading all of the system's bundle costs every profile 3 MiB and
 * the loop 50 ms. Pure but for the files it reads; loop thread.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

/* From `ca_file`; NULL: the system's. False: OpenSSL's error queue says why. */
bool tls_roots_load(SSL_CTX *ssl_context, const char *ca_file);
/* Whether a folder has certificates by hashed names, as c_rehash makes them ("0f5dc4f3.0"). */
bool tls_roots_is_hashed(const char *directory);
