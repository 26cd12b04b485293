#include "http2/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http2/tls_roots.h"

#define RECORD_SIZE     16384 /* bytes of plaintext in one record (RFC 8446, 5.1) */
#define RECORD_OVERHEAD 512   /* header, tag, padding: far less in fact */
#define RESERVED        4096  /* of an output block, for handshake answers and alerts */

struct TlsContext {
    SSL_CTX *ssl_context;
    BIO_METHOD *bio_method;
    SSL_SESSION *session; /* the latest that the server gave; NULL: none yet */
};

struct Tls {
    SSL *ssl;
    const uint8_t *input; /* ciphertext given and not yet used */
    size_t input_length;
    BlockPool *cipher_blocks;
    Block *block;  /* ciphertext to send; NULL: none */
    uint32_t head; /* bytes of it that have been sent */
    char error[160];
};

/* ---- our BIO: memory to memory */

static int bio_read(BIO *bio, char *bytes, int length)
{
    Tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->input_length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t part = (size_t)length < tls->input_length ? (size_t)length : tls->input_length;
    memcpy(bytes, tls->input, part);
    tls->input += part;
    tls->input_length -= part;
    return (int)part;
}

static int bio_write(BIO *bio, const char *bytes, int length)
{
    Tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!tls->block) {
        tls->block = block_pool_get(tls->cipher_blocks);
        tls->head = 0;
    }
    if (tls->cipher_blocks->block_size - tls->block->used < (uint32_t)length) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(tls->block->bytes + tls->block->used, bytes, (size_t)length);
    tls->block->used += (uint32_t)length;
    return length;
}

static long bio_control(BIO *bio, int command, long argument, void *pointer)
{
    (void)bio, (void)argument, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sparkbouncer block");
    if (!method)
        abort(); /* out of memory */
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
}

/* ---- context */

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    TlsContext *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(context->session);
    context->session = session; /* 1: the reference is ours now */
    return 1;
}

static const char *latest_openssl_error(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "unknown error";
}

TlsContext *tls_context_new(const char *ca_file, char *reason, size_t reason_size)
{
    ERR_clear_error();
    SSL_CTX *ssl_context = SSL_CTX_new(TLS_client_method());
    if (!ssl_context)
        abort(); /* out of memory */
    SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl_context, SSL_OP_NO_RENEGOTIATION); /* RFC 9113, 9.2.1 */
    SSL_CTX_set_verify(ssl_context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ssl_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl_context, on_new_session);
    static const unsigned char ALPN[] = "\x02h2";
    SSL_CTX_set_alpn_protos(ssl_context, ALPN, sizeof ALPN - 1);
    if (!tls_roots_load(ssl_context, ca_file)) {
        (void)snprintf(reason, reason_size, "%s", latest_openssl_error());
        SSL_CTX_free(ssl_context);
        return NULL;
    }
    TlsContext *context = mem_new(TlsContext);
    context->ssl_context = ssl_context;
    context->bio_method = bio_method_new();
    SSL_CTX_set_app_data(ssl_context, context);
    return context;
}

TlsContext *tls_context_free(TlsContext *context)
{
    if (context) {
        SSL_SESSION_free(context->session);
        SSL_CTX_free(context->ssl_context);
        BIO_meth_free(context->bio_method);
    }
    free(context);
    return NULL;
}

/* ---- one connection */

static void expect_name(SSL *ssl, const char *server_name)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, server_name) == 1)
        return; /* a numeric address: no SNI (RFC 6066, 3) */
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, server_name) != 1 || SSL_set_tlsext_host_name(ssl, server_name) != 1)
        abort(); /* out of memory */
}

Tls *tls_new(TlsContext *context, const char *server_name, BlockPool *cipher_blocks)
{
    Tls *tls = mem_new(Tls);
    tls->cipher_blocks = cipher_blocks;
    tls->ssl = SSL_new(context->ssl_context);
    BIO *bio = BIO_new(context->bio_method);
    if (!tls->ssl || !bio)
        abort(); /* out of memory */
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    expect_name(tls->ssl, server_name);
    if (context->session)
        SSL_set_session(tls->ssl, context->session);
    return tls;
}

Tls *tls_free(Tls *tls)
{
    if (tls) {
        /* OpenSSL takes a connection that was not shut down for broken, and its session with it: but HTTP/2
         * has its own goodbye, and a connection that the network cut is what resumption is for. */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(tls->ssl);
        block_unref(tls->block);
    }
    free(tls);
    return NULL;
}

void tls_give(Tls *tls, const uint8_t *bytes, size_t length)
{
    tls->input = bytes;
    tls->input_length = length;
}

static void explain(Tls *tls)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    if (verdict != X509_V_OK && !SSL_is_init_finished(tls->ssl))
        (void)snprintf(tls->error, sizeof tls->error, "its certificate is refused: %s",
                       X509_verify_cert_error_string(verdict));
    else
        (void)snprintf(tls->error, sizeof tls->error, "TLS error: %s", latest_openssl_error());
}

static TlsResult result_of(Tls *tls, int returned)
{
    switch (SSL_get_error(tls->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return TLS_WANT_MORE;
    case SSL_ERROR_ZERO_RETURN: return TLS_ENDED;
    default: explain(tls); return TLS_FAILED;
    }
}

TlsResult tls_handshake(Tls *tls)
{
    ERR_clear_error();
    int returned = SSL_do_handshake(tls->ssl);
    return returned == 1 ? TLS_DONE : result_of(tls, returned);
}

bool tls_speaks_http2(const Tls *tls)
{
    const unsigned char *protocol;
    unsigned length;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &length);
    return length == 2 && memcmp(protocol, "h2", 2) == 0;
}

TlsResult tls_read(Tls *tls, uint8_t *bytes, size_t size, size_t *ret_length)
{
    size_t filled = 0;
    int returned = 1;
    ERR_clear_error();
    while (filled < size) {
        size_t part;
        returned = SSL_read_ex(tls->ssl, bytes + filled, size - filled, &part);
        if (returned != 1)
            break;
        filled += part;
    }
    *ret_length = filled;
    return filled > 0 ? TLS_DONE : result_of(tls, returned);
}

/* The next bytes for one record: straight from a stretch that is large enough, else several gathered in
 * `stage`. */
static const uint8_t *next_record(const Output *output, uint8_t *stage, size_t *ret_length)
{
    const struct iovec *first = &output->stretches[output->head];
    if (first->iov_len >= RECORD_SIZE || output->head + 1 == output->n_stretches) {
        *ret_length = first->iov_len < RECORD_SIZE ? first->iov_len : RECORD_SIZE;
        return first->iov_base;
    }
    size_t filled = 0;
    for (uint32_t i = output->head; i < output->n_stretches && filled < RECORD_SIZE; i++) {
        const struct iovec *stretch = &output->stretches[i];
        size_t part = stretch->iov_len < RECORD_SIZE - filled ? stretch->iov_len : RECORD_SIZE - filled;
        memcpy(stage + filled, stretch->iov_base, part);
        filled += part;
    }
    *ret_length = filled;
    return stage;
}

bool tls_has_unread_input(const Tls *tls)
{
    return tls->input_length > 0;
}

bool tls_write(Tls *tls, Output *output)
{
    uint8_t stage[RECORD_SIZE];
    ERR_clear_error();
    while (output->n_bytes > 0) {
        if (tls->block &&
            tls->cipher_blocks->block_size - tls->block->used < RECORD_SIZE + RECORD_OVERHEAD + RESERVED)
            return true; /* full: to be sent first */
        size_t length, written;
        const uint8_t *bytes = next_record(output, stage, &length);
        int returned = SSL_write_ex(tls->ssl, bytes, length, &written);
        if (returned != 1)
            return result_of(tls, returned) == TLS_WANT_MORE;
        output_advance(output, written);
    }
    return true;
}

const uint8_t *tls_pending(const Tls *tls, size_t *ret_length)
{
    *ret_length = tls->block ? tls->block->used - tls->head : 0;
    return tls->block ? tls->block->bytes + tls->head : NULL;
}

void tls_sent(Tls *tls, size_t length)
{
    tls->head += (uint32_t)length;
    if (tls->block && tls->head == tls->block->used)
        tls->block = block_unref(tls->block);
}

const char *tls_error(const Tls *tls)
{
    return tls->error[0] ? tls->error : "the server closed the TLS connection";
}

const char *tls_version(const Tls *tls)
{
    return SSL_get_version(tls->ssl);
}
