#pragma once

/*
 * A TLS server for one test: certificates made on the spot, and a thread that ends TLS for one connection
 * after the other and passes the bytes on to the plaintext listener of the pair.
 */

#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CA_FILE_TEMPLATE "/tmp/test_tls.XXXXXX"

/* A certificate and its key. */
typedef struct Identity {
    EVP_PKEY *key;
    X509 *certificate;
} Identity;

typedef struct TlsServer {
    Identity authority, own;
    char ca_file[sizeof CA_FILE_TEMPLATE];
    SSL_CTX *context;
    int listener;                       /* closed to end the thread */
    struct sockaddr_in address, behind; /* of the listener; of where the bytes go */
    pthread_t thread;
    unsigned n_resumed; /* read when the thread has ended */
} TlsServer;

/* ---- certificates */

static inline void add_extension(X509 *certificate, const Identity *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer->certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline void set_name(X509_NAME *name, const char *common_name)
{
    ck_assert_int_eq(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0),
        1);
}

/* Valid from `from` to `until`, seconds from now. `issuer` NULL: by itself, an authority. `names`: as in
 * subjectAltName. */
static inline Identity identity_new(const Identity *issuer, const char *names, long from, long until)
{
    static long serial;
    Identity identity = {EVP_EC_gen("P-256"), X509_new()};
    X509 *certificate = identity.certificate;
    ck_assert(identity.key && certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    set_name(X509_get_subject_name(certificate), issuer ? "server" : "authority");
    X509_set_pubkey(certificate, identity.key);
    const Identity *signer = issuer ? issuer : &identity;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer->certificate));
    add_extension(certificate, signer, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        add_extension(certificate, signer, NID_subject_alt_name, names);
    ck_assert_int_gt(X509_sign(certificate, signer->key, EVP_sha256()), 0);
    return identity;
}

static inline void identity_deinit(Identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
}

/* A new file with the certificate; `path` has the template's size. */
static inline void identity_write(const Identity *identity, char *path)
{
    strcpy(path, CA_FILE_TEMPLATE);
    FILE *file = fdopen(mkstemp(path), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509(file, identity->certificate), 1);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- the thread; it must not use ck_assert */

static inline void or_die(bool condition)
{
    if (!condition)
        abort();
}

static inline bool write_plain(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Both ends of the pair always read, so that blocking writes come to an end. */
static inline void pass_on(SSL *ssl, int encrypted, int plain)
{
    static char bytes[65536];
    struct pollfd ready[] = {{encrypted, POLLIN, 0}, {plain, POLLIN, 0}};
    for (;;) {
        int n = 0;
        if (!SSL_pending(ssl) && poll(ready, 2, -1) < 0)
            return;
        if (SSL_pending(ssl) || ready[0].revents) {
            if ((n = SSL_read(ssl, bytes, sizeof bytes)) <= 0 || !write_plain(plain, bytes, (size_t)n))
                return;
        } else if (ready[1].revents) {
            ssize_t length = recv(plain, bytes, sizeof bytes, 0);
            if (length <= 0 || SSL_write(ssl, bytes, (int)length) <= 0)
                return;
        }
    }
}

static inline void serve_one(TlsServer *tls_end, int encrypted)
{
    SSL *ssl = SSL_new(tls_end->context);
    or_die(SSL_set_fd(ssl, encrypted) == 1);
    if (SSL_accept(ssl) == 1) {
        int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        tls_end->n_resumed += SSL_session_reused(ssl) == 1;
        or_die(connect(plain, (struct sockaddr *)&tls_end->behind, sizeof tls_end->behind) == 0);
        pass_on(ssl, encrypted, plain);
        (void)SSL_shutdown(ssl);
        (void)close(plain);
    }
    ERR_clear_error();
    SSL_free(ssl);
}

static inline void *tls_server_main(void *argument)
{
    TlsServer *tls_end = argument;
    for (int fd; (fd = accept(tls_end->listener, NULL, NULL)) >= 0;) {
        serve_one(tls_end, fd);
        (void)close(fd);
    }
    return NULL;
}

/* ---- the server */

static inline int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *length,
                                  const unsigned char *offered, unsigned n_offered, void *argument)
{
    (void)ssl;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)chosen, length, argument, 3, offered,
                                 n_offered) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* `names`, `from` and `until` are of its certificate; `protocol` is what it speaks; `version` at the most. */
static inline void tls_server_init(TlsServer *tls_end, const char *names, long from, long until,
                                   const char *protocol, int version)
{
    *tls_end = (TlsServer){.address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    tls_end->authority = identity_new(NULL, NULL, -1000, 1000);
    tls_end->own = identity_new(&tls_end->authority, names, from, until);
    identity_write(&tls_end->authority, tls_end->ca_file);
    tls_end->context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_max_proto_version(tls_end->context, version);
    ck_assert_int_eq(SSL_CTX_use_certificate(tls_end->context, tls_end->own.certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls_end->context, tls_end->own.key), 1);
    SSL_CTX_set_alpn_select_cb(tls_end->context, choose_protocol, (void *)(uintptr_t)protocol);
    SSL_CTX_set_session_id_context(tls_end->context, (const unsigned char *)"test", 4);
}

static inline void tls_server_start(TlsServer *tls_end, const struct sockaddr_in *behind)
{
    socklen_t length = sizeof tls_end->address;
    tls_end->behind = *behind;
    tls_end->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(tls_end->listener, (struct sockaddr *)&tls_end->address, length), 0);
    ck_assert_int_eq(listen(tls_end->listener, 8), 0);
    ck_assert_int_eq(getsockname(tls_end->listener, (struct sockaddr *)&tls_end->address, &length), 0);
    ck_assert_int_eq(pthread_create(&tls_end->thread, NULL, tls_server_main, tls_end), 0);
}

/* Returns when the thread has ended, which it does once its connections have. */
static inline void tls_server_join(TlsServer *tls_end)
{
    if (tls_end->listener < 0)
        return;
    ck_assert_int_eq(shutdown(tls_end->listener, SHUT_RDWR), 0);
    ck_assert_int_eq(pthread_join(tls_end->thread, NULL), 0);
    ck_assert_int_eq(close(tls_end->listener), 0);
    tls_end->listener = -1;
}

static inline void tls_server_deinit(TlsServer *tls_end)
{
    tls_server_join(tls_end);
    SSL_CTX_free(tls_end->context);
    identity_deinit(&tls_end->authority);
    identity_deinit(&tls_end->own);
    ck_assert_int_eq(unlink(tls_end->ca_file), 0);
}
