#include "link.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_SIZE      (1024 * 1024)
#define OUTPUT_BYTES   (1024 * 1024) /* gathered before they are sent */
#define PLAIN_SIZE     (OUTPUT_BYTES + 2 * FRAME_SIZE)
#define FRAME_SIZE     (1024 * 1024)
#define STREAM_WINDOW  (16 * 1024 * 1024)
#define LINK_WINDOW    (256 * 1024 * 1024)
#define MAX_STREAMS    100000
#define HEADER_SIZE    9
#define TLS_READ_AHEAD (256 * 1024)

/* --- TLS
 * ---------------------------------------------------------------------------------------------------- */

static int cipher_write(BIO *bio, const char *data, int length)
{
    Link *link = BIO_get_data(bio);
    bytes_append(&link->cipher, data, (size_t)length);
    return length;
}

static long cipher_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO *cipher_bio(Link *link)
{
    static BIO_METHOD *method;
    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ciphertext");
        if (!method || !BIO_meth_set_write(method, cipher_write) ||
            !BIO_meth_set_ctrl(method, cipher_control))
            abort();
    }
    BIO *bio = BIO_new(method);
    if (!bio)
        abort();
    BIO_set_data(bio, link);
    BIO_set_init(bio, 1);
    return bio;
}

static const unsigned char alpn_h2[] = {2, 'h', '2'};

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                     unsigned int in_length, void *argument)
{
    unsigned char *chosen;
    (void)ssl;
    (void)argument;
    if (SSL_select_next_proto(&chosen, out_length, alpn_h2, sizeof(alpn_h2), in, in_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *tls_new(const SSL_METHOD *method)
{
    SSL_CTX *tls = SSL_CTX_new(method);
    if (!tls || !SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(tls, "TLS_AES_256_GCM_SHA384"))
        fail("TLS cannot be set up");
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, TLS_READ_AHEAD);
    return tls;
}

SSL_CTX *link_tls_server(const char *certificate, const char *key)
{
    SSL_CTX *tls = tls_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        fail("certificate %s or key %s cannot be used", certificate, key);
    SSL_CTX_set_alpn_select_cb(tls, choose_h2, NULL);
    return tls;
}

SSL_CTX *link_tls_client(const char *ca)
{
    SSL_CTX *tls = tls_new(TLS_client_method());
    if (SSL_CTX_load_verify_locations(tls, ca, NULL) != 1 ||
        SSL_CTX_set_alpn_protos(tls, alpn_h2, sizeof(alpn_h2)) != 0)
        fail("certificates of %s cannot be used", ca);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

static void start_tls(Link *link, bool is_server, SSL_CTX *tls)
{
    BIO *in = BIO_new_socket(link->fd, BIO_NOCLOSE);
    link->ssl = SSL_new(tls);
    if (!link->ssl || !in)
        abort();
    SSL_set_bio(link->ssl, in, cipher_bio(link));
    if (is_server)
        SSL_set_accept_state(link->ssl);
    else
        SSL_set_connect_state(link->ssl);
}

/* --- nghttp2
 * ------------------------------------------------------------------------------------------------ */

static ssize_t frame_length(nghttp2_session *session, uint8_t type, int32_t stream_id, int32_t link_window,
                            int32_t stream_window, uint32_t max_frame, void *user_data)
{
    size_t length = max_frame < FRAME_SIZE ? max_frame : FRAME_SIZE;
    (void)session;
    (void)type;
    (void)stream_id;
    (void)user_data;
    if ((size_t)link_window < length)
        length = (size_t)link_window;
    return (ssize_t)((size_t)stream_window < length ? (size_t)stream_window : length);
}

static int push_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t length,
                     nghttp2_data_source *source, void *user_data)
{
    Link *link = user_data;
    (void)session;
    (void)frame;
    if (link->output->n_bytes >= OUTPUT_BYTES ||
        !output_has_room(link->output, HEADER_SIZE + (size_t)2 * BODY_ENDS))
        return NGHTTP2_ERR_WOULDBLOCK;
    output_copy(link->output, header, HEADER_SIZE);
    body_push(source->ptr, link->output, length);
    return 0;
}

void link_prepare_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, frame_length);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, push_data);
}

static void start_http2(Link *link, bool is_server, const nghttp2_session_callbacks *callbacks)
{
    static nghttp2_option *option;
    if (!option) {
        if (nghttp2_option_new(&option) != 0)
            abort();
        nghttp2_option_set_no_http_messaging(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_peer_max_concurrent_streams(option, MAX_STREAMS);
    }
    int r = is_server ? nghttp2_session_server_new2(&link->session, callbacks, link, option)
                      : nghttp2_session_client_new2(&link->session, callbacks, link, option);
    if (r != 0)
        abort();
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE, settings, is_server ? 3 : 4);
    nghttp2_session_set_local_window_size(link->session, NGHTTP2_FLAG_NONE, 0, LINK_WINDOW);
}

/* --- sending
 * ------------------------------------------------------------------------------------------------ */

/* Gathers what nghttp2 has to send. False: nothing. */
static bool gather(Link *link)
{
    Output *output = link->output = output_get();
    while (output->n_bytes < OUTPUT_BYTES && output_has_room(output, OUTPUT_COPIES / 2)) {
        const uint8_t *data;
        ssize_t length = nghttp2_session_mem_send(link->session, &data);
        if (length < 0)
            link->is_dead = true;
        if (length <= 0)
            break;
        output_copy(output, data, (size_t)length);
    }
    if (output->n_bytes == 0)
        link->output = output_put(output);
    return link->output != NULL;
}

static void encrypt(Link *link)
{
    static uint8_t plain[PLAIN_SIZE];
    size_t length = 0, written;
    ERR_clear_error();
    for (size_t i = link->output->head; i < link->output->n_stretches; i++) {
        const struct iovec *stretch = &link->output->stretches[i];
        memcpy(plain + length, stretch->iov_base, stretch->iov_len);
        length += stretch->iov_len;
    }
    if (SSL_write_ex(link->ssl, plain, length, &written) != 1 || written != length)
        link->is_dead = true;
    link->output = output_put(link->output);
}

/* False: the socket takes no more just now, or is dead. */
static bool sent_all(Link *link, ssize_t n, size_t length)
{
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        link->is_dead = true;
    return n >= 0 && (size_t)n == length;
}

static bool send_cipher(Link *link)
{
    size_t length = link->cipher.length - link->n_cipher_sent;
    if (length == 0)
        return true;
    ssize_t n = send(link->fd, link->cipher.data + link->n_cipher_sent, length, MSG_NOSIGNAL);
    if (n > 0)
        link->n_cipher_sent += (size_t)n;
    if (!sent_all(link, n, length))
        return false;
    link->cipher.length = link->n_cipher_sent = 0;
    return true;
}

static bool send_output(Link *link)
{
    Output *output = link->output;
    struct msghdr message = {.msg_iov = output->stretches + output->head,
                             .msg_iovlen = output->n_stretches - output->head};
    size_t length = output->n_bytes;
    ssize_t n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    if (n > 0)
        output_advance(output, (size_t)n);
    if (!sent_all(link, n, length))
        return false;
    link->output = output_put(output);
    return true;
}

static bool may_write(Link *link)
{
    return !link->ssl || SSL_is_init_finished(link->ssl);
}

static void update_watch(Link *link)
{
    bool out = link->output || link->cipher.length > link->n_cipher_sent;
    if (out == link->is_watching_out || link->is_dead)
        return;
    link->is_watching_out = out;
    uint32_t events = (out ? (uint32_t)EPOLLOUT : 0) | (link->has_stopped_reading ? 0 : (uint32_t)EPOLLIN);
    fast_loop_change(link->loop, link->fd, &link->watch, events);
}

void link_flush(Link *link)
{
    while (!link->is_dead) {
        if (link->ssl && !send_cipher(link))
            break;
        if (!may_write(link) || (!link->output && !gather(link)))
            break;
        if (link->ssl)
            encrypt(link);
        else if (!send_output(link))
            break;
    }
    update_watch(link);
}

/* --- receiving
 * ---------------------------------------------------------------------------------------------- */

/* How many bytes were read; 0: none for now. */
static size_t read_plain(Link *link, uint8_t *buffer)
{
    ssize_t n = recv(link->fd, buffer, READ_SIZE, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        link->is_dead = true;
    return n > 0 ? (size_t)n : 0;
}

static size_t read_tls(Link *link, uint8_t *buffer)
{
    size_t length = 0, n;
    ERR_clear_error(); /* one that another connection has left would be taken for ours */
    while (length < READ_SIZE && SSL_read_ex(link->ssl, buffer + length, READ_SIZE - length, &n) == 1)
        length += n;
    if (length == READ_SIZE)
        return length;
    int error = SSL_get_error(link->ssl, 0);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        link->is_dead = true;
    return length;
}

static void read_link(Link *link)
{
    static uint8_t buffer[READ_SIZE];
    size_t length;
    do {
        length = link->ssl ? read_tls(link, buffer) : read_plain(link, buffer);
        if (length > 0 && nghttp2_session_mem_recv(link->session, buffer, length) < 0)
            link->is_dead = true;
        if (length > 0)
            link->is_up = true;
    } while (link->ssl && length == READ_SIZE && !link->is_dead);
    if (link->turned && !link->is_dead)
        link->turned(link);
}

static void on_ready(Watch *watch, uint32_t events)
{
    Link *link = container_of(watch, Link, watch);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !link->has_stopped_reading)
        read_link(link);
    else if (events & EPOLLERR)
        link->is_dead = true;
    link_flush(link);
    if (link->is_dead)
        link->gone(link); /* may be freed now */
}

void link_init(Link *link, FastLoop *loop, int fd, bool is_server, SSL_CTX *tls,
               const nghttp2_session_callbacks *callbacks)
{
    link->watch.ready = on_ready;
    link->loop = loop;
    link->fd = fd;
    if (tls)
        start_tls(link, is_server, tls);
    start_http2(link, is_server, callbacks);
    fast_loop_add(loop, fd, &link->watch, EPOLLIN);
    if (tls && !is_server)
        (void)SSL_do_handshake(link->ssl);
    link_flush(link);
}

void link_deinit(Link *link)
{
    close(link->fd);
    nghttp2_session_del(link->session);
    SSL_free(link->ssl);
    link->output = output_put(link->output);
    bytes_deinit(&link->cipher);
}

void link_stop_reading(Link *link)
{
    link->has_stopped_reading = true;
    fast_loop_change(link->loop, link->fd, &link->watch, link->is_watching_out ? (uint32_t)EPOLLOUT : 0);
}
