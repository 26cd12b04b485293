#include "http2/keepalive.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS_PER_S     1000
#define N_QUESTIONS  4 /* without an answer to any of them the peer is gone */
#define INTERVAL_DIV 4 /* between them, as a part of the silence before the first */

/* Options that a system does not have are left out: it finds dead peers later then. */
static void set_option(int fd, int level, int option, unsigned value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static void set_questions(int fd, unsigned silence_s, unsigned interval_s)
{
#ifdef TCP_KEEPIDLE
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, N_QUESTIONS);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, silence_s); /* last: it sets the timer anew */
#else
    (void)fd, (void)silence_s, (void)interval_s;
#endif
}

/* How long data may be unacknowledged. It also overrules the number of questions. */
static void set_user_timeout(int fd, unsigned ms)
{
#ifdef TCP_USER_TIMEOUT
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);
#else
    (void)fd, (void)ms;
#endif
}

void keepalive_set(int fd, unsigned seconds)
{
    unsigned interval_s = seconds / INTERVAL_DIV ? seconds / INTERVAL_DIV : 1;
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
    set_user_timeout(fd, seconds * MS_PER_S);
    if (seconds > 0)
        set_questions(fd, seconds, interval_s);
}

static bool has_unacknowledged_data(int fd)
{
    int n = 0;
    return ioctl(fd, TIOCOUTQ, &n) == 0 && n > 0;
}

/* TCP asks nothing while data is on its way: then that has to be acknowledged. */
void keepalive_probe(int fd)
{
    bool has_data = has_unacknowledged_data(fd);
    set_user_timeout(fd, has_data ? (KEEPALIVE_PROBE_S - 1) * MS_PER_S : 0);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_questions(fd, 1, 1);
}

bool keepalive_address_is_gone(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
        (address.ss_family != AF_INET && address.ss_family != AF_INET6))
        return false;
    int probe = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    if (address.ss_family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)&address)->sin6_port = 0;
    bool is_gone = bind(probe, (struct sockaddr *)&address, length) < 0 && errno == EADDRNOTAVAIL;
    (void)close(probe);
    return is_gone;
}
