#include "relay/local_port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_LISTEN_STATE 0x0a /* include/net/tcp_states.h of Linux */

int local_port_find(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    int error = 0;
    if (bind(fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        error = -errno;
    (void)close(fd);
    *ret_port = ntohs(address.sin_port);
    return error;
}

/* Whether a table like /proc/net/tcp has somebody else who listens on `port`. */
static bool has_stranger(const char *table, uint16_t port)
{
    FILE *file = fopen(table, "re");
    char line[512];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        unsigned local_port, state, uid;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %u", &local_port, &state,
                   &uid) == 3)
            found = local_port == port && state == TCP_LISTEN_STATE && uid != geteuid();
    }
    if (file)
        (void)fclose(file);
    return found;
}

bool local_port_is_ours(uint16_t port)
{
    return !has_stranger("/proc/net/tcp", port) && !has_stranger("/proc/net/tcp6", port);
}
