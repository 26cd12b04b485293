#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/doctor.h"

#define SLOW_DNS_MS 1000
#define SOON_DAYS   14

static uint64_t ms_since(uint64_t started_ns)
{
    return (clock_now_ns() - started_ns) / NS_PER_MS;
}

/* ---- names */

/* NULL after the finding. freeaddrinfo(). */
static struct addrinfo *resolve(Doctor *doctor)
{
    const ProfileSettings *profile = doctor->profile;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses = NULL;
    char port[8], first[64] = "?";
    uint64_t started_ns = clock_now_ns();
    (void)snprintf(port, sizeof port, "%u", profile->port);
    int error = getaddrinfo(profile->host, port, &hints, &addresses);
    uint64_t ms = ms_since(started_ns);
    if (error != 0) {
        doctor_add(doctor, FINDING_FAILED, "dns", "check the spelling of host, the VPN and the name server",
                   "%s cannot be resolved: %s", profile->host, gai_strerror(error));
        return NULL;
    }
    (void)getnameinfo(addresses->ai_addr, addresses->ai_addrlen, first, sizeof first, NULL, 0,
                      NI_NUMERICHOST);
    doctor_add(doctor, ms > SLOW_DNS_MS ? FINDING_WARNING : FINDING_OK, "dns", NULL, "%s is %s (%llu ms)",
               profile->host, first, (unsigned long long)ms);
    return addresses;
}

/* ---- connections */

/* 0, or an errno. */
static int connect_within(int fd, const struct addrinfo *address, uint64_t timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof error;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (poll(&watched, 1, (int)timeout_ms) <= 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/* -1 after the finding. */
static int open_connection(Doctor *doctor, const struct addrinfo *addresses)
{
    const ProfileSettings *profile = doctor->profile;
    uint64_t started_ns = clock_now_ns();
    int error = 0;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        error = fd < 0 ? errno : connect_within(fd, address, profile->connect_timeout_ms);
        if (error == 0) {
            doctor_add(doctor, FINDING_OK, "tcp", NULL, "port %u answers (%llu ms)", profile->port,
                       (unsigned long long)ms_since(started_ns));
            return fd;
        }
        if (fd >= 0)
            (void)close(fd);
    }
    doctor_add(doctor, FINDING_FAILED, "tcp", "check the VPN and the firewall", "%s:%u does not answer: %s",
               profile->host, profile->port, strerror(error));
    return -1;
}

/* ---- TLS */

static SSL_CTX *make_context(Doctor *doctor)
{
    static const unsigned char H2[] = "\x02h2";
    const char *ca_file = doctor->profile->ca_file;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        abort(); /* out of memory */
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_alpn_protos(context, H2, sizeof H2 - 1);
    int is_good =
        ca_file ? SSL_CTX_load_verify_file(context, ca_file) : SSL_CTX_set_default_verify_paths(context);
    if (is_good)
        return context;
    doctor_add(doctor, FINDING_FAILED, "tls", NULL, "%s: no certificates can be read from it",
               ca_file ? ca_file : "the system's trust store");
    SSL_CTX_free(context);
    return NULL;
}

static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host))
        return true;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

/* The socket does not block, so that a server that says nothing does not hold us. */
static bool shake_hands(SSL *ssl, int fd, uint64_t deadline_ns)
{
    for (;;) {
        int result = SSL_connect(ssl), error = SSL_get_error(ssl, result);
        uint64_t now_ns = clock_now_ns();
        struct pollfd watched = {.fd = fd, .events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};
        if (result == 1)
            return true;
        if ((error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) || now_ns > deadline_ns)
            return false;
        (void)poll(&watched, 1, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1);
    }
}

static void explain_tls(Doctor *doctor, SSL *ssl)
{
    long verdict = SSL_get_verify_result(ssl);
    char reason[128] = "the server does not answer the handshake";
    unsigned long error = ERR_peek_error();
    if (error)
        ERR_error_string_n(error, reason, sizeof reason);
    if (verdict != X509_V_OK)
        doctor_add(doctor, FINDING_FAILED, "tls",
                   "ca_file = the company's certificates, in the profile's section of config.ini",
                   "the certificate of %s is not trusted: %s", doctor->profile->host,
                   X509_verify_cert_error_string(verdict));
    else
        doctor_add(doctor, FINDING_FAILED, "tls", "is this a TLS port? use_ssl of upstream says so", "%s",
                   reason);
}

static void describe_certificate(Doctor *doctor, SSL *ssl)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    int days = 0, seconds;
    char issuer[128] = "?";
    if (!certificate)
        return;
    (void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate));
    (void)X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, issuer, sizeof issuer);
    doctor_add(doctor, days < SOON_DAYS ? FINDING_WARNING : FINDING_OK, "tls", NULL,
               "%s, certificate by %s, good for %d more days", SSL_get_version(ssl), issuer, days);
    X509_free(certificate);
}

static void describe_alpn(Doctor *doctor, SSL *ssl)
{
    const unsigned char *chosen;
    unsigned length;
    SSL_get0_alpn_selected(ssl, &chosen, &length);
    if (length == 2 && memcmp(chosen, "h2", 2) == 0)
        doctor_add(doctor, FINDING_OK, "alpn", NULL, "HTTP/2 was agreed on");
    else
        doctor_add(doctor, FINDING_FAILED, "alpn", "ask who runs the proxy in between to let HTTP/2 pass",
                   "the server, or a proxy in between, does not speak HTTP/2");
}

static void check_tls(Doctor *doctor, int fd)
{
    SSL_CTX *context = make_context(doctor);
    if (!context)
        return;
    SSL *ssl = SSL_new(context);
    if (!ssl)
        abort(); /* out of memory */
    ERR_clear_error();
    bool is_ready = SSL_set_fd(ssl, fd) == 1 && expect_host(ssl, doctor->profile->host);
    if (is_ready && shake_hands(ssl, fd, clock_now_ns() + doctor->profile->connect_timeout_ms * NS_PER_MS)) {
        describe_certificate(doctor, ssl);
        describe_alpn(doctor, ssl);
    } else {
        explain_tls(doctor, ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

void doctor_check_network(Doctor *doctor)
{
    if (doctor->profile && doctor->profile->is_local) {
        doctor_add(doctor, FINDING_OK, "network", NULL,
                   "none is needed: profile %s has a local Spark server, which its first call starts",
                   doctor->profile->name);
        return;
    }
    struct addrinfo *addresses = doctor->profile ? resolve(doctor) : NULL;
    int fd = addresses ? open_connection(doctor, addresses) : -1;
    doctor->is_unreachable = doctor->profile && fd < 0;
    if (fd >= 0 && doctor->profile->use_tls)
        check_tls(doctor, fd);
    if (fd >= 0)
        (void)close(fd);
    if (addresses)
        freeaddrinfo(addresses);
}
