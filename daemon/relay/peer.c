#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/client.h"

static void describe_address(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
        (void)inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof host);
        (void)snprintf(text, size, "%s:%u", host, ntohs(ipv4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
        (void)inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof host);
        (void)snprintf(text, size, "[%s]:%u", host, ntohs(ipv6->sin6_port));
    } else {
        (void)snprintf(text, size, "unix");
    }
}

void peer_of_socket(int fd, Peer *peer)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    *peer = (Peer){.pid = -1};
    (void)getpeername(fd, (struct sockaddr *)&address, &length);
    describe_address(&address, peer->address, sizeof peer->address);
    if (address.ss_family != AF_UNIX)
        return;
#ifdef SO_PEERCRED
    struct ucred credentials;
    length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
        peer->has_identity = true;
        peer->uid = credentials.uid;
        peer->pid = credentials.pid;
        peer->process = process_of(credentials.pid);
        (void)snprintf(peer->address, sizeof peer->address, "uid %u pid %d", (unsigned)credentials.uid,
                       (int)credentials.pid);
    }
#endif
}
