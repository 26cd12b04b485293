#pragma once

/* A network of a test's own, in which it may do what it likes. Where that is not allowed the test has nothing
 * to say. */

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static inline bool network_namespace_enter(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
        return true;
    perror("no network of its own");
    return false;
}

static inline void network_request(struct ifreq *request, unsigned long what)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, what, request), 0);
    (void)close(fd);
}

static inline void network_set_up(bool is_up)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = is_up ? IFF_UP : 0};
    network_request(&request, SIOCSIFFLAGS);
}

/* Gives the loopback device 192.0.2.77 as well. */
static inline void network_add_address(void)
{
    struct ifreq request = {.ifr_name = "lo:1"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc000024d)};
    memcpy(&request.ifr_addr, &address, sizeof address);
    network_request(&request, SIOCSIFADDR);
}

static inline void network_remove_address(void)
{
    struct ifreq request = {.ifr_name = "lo:1", .ifr_flags = 0};
    network_request(&request, SIOCSIFFLAGS); /* of an alias: it goes */
}
