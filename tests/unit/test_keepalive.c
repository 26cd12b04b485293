/* Keepalive: what the sockets are told, a peer that is not there any more, an address that is gone. */

#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>

#include "http2/keepalive.h"
#include "network_namespace.h"

static int listener, near_end, far_end;

/* Connects to itself by this address. */
static void connect_by(uint32_t host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    socklen_t length = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    near_end = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(near_end, (struct sockaddr *)&address, sizeof address), 0);
    far_end = accept(listener, NULL, NULL);
    ck_assert_int_ge(far_end, 0);
}

static void disconnect(void)
{
    (void)close(listener);
    (void)close(near_end);
    (void)close(far_end);
}

static int option(int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    ck_assert_int_eq(getsockopt(near_end, level, name, &value, &length), 0);
    return value;
}

START_TEST(options_are_set_and_set_back)
{
    connect_by(INADDR_LOOPBACK);
    keepalive_set(near_end, 60);
    ck_assert_int_eq(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option(IPPROTO_TCP, TCP_KEEPIDLE), 60);
    ck_assert_int_eq(option(IPPROTO_TCP, TCP_KEEPINTVL), 15);
    ck_assert_int_eq(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 60000);
    keepalive_probe(near_end);
    ck_assert_int_eq(option(IPPROTO_TCP, TCP_KEEPIDLE), 1);
    keepalive_set(near_end, 0);
    ck_assert_int_eq(option(SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    disconnect();
}
END_TEST

static void expect_end(void)
{
    char byte;
    struct pollfd wait = {.fd = near_end, .events = POLLIN};
    ck_assert_int_eq(poll(&wait, 1, 4 * KEEPALIVE_PROBE_S * 1000), 1);
    ck_assert_int_eq(recv(near_end, &byte, 1, 0), -1);
    ck_assert(errno == ETIMEDOUT || errno == ENETUNREACH || errno == EHOSTUNREACH);
}

/* With nothing under way, and with data that nobody acknowledges. */
START_TEST(a_peer_that_is_gone_is_found)
{
    if (!network_namespace_enter())
        return;
    network_set_up(true);
    connect_by(INADDR_LOOPBACK);
    keepalive_set(near_end, 3600);
    network_set_up(false);
    if (_i == 1)
        (void)send(near_end, "x", 1, 0);
    keepalive_probe(near_end);
    expect_end();
    disconnect();
}
END_TEST

START_TEST(an_address_that_is_gone)
{
    if (!network_namespace_enter())
        return;
    network_set_up(true);
    network_add_address();
    connect_by(0xc000024d);
    ck_assert(!keepalive_address_is_gone(near_end));
    network_remove_address();
    ck_assert(keepalive_address_is_gone(near_end));
    network_add_address();
    ck_assert(!keepalive_address_is_gone(near_end));
    ck_assert(!keepalive_address_is_gone(-1));
    disconnect();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keepalive");
    TCase *tests = tcase_create("keepalive");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, options_are_set_and_set_back);
    tcase_add_loop_test(tests, a_peer_that_is_gone_is_found, 0, 2);
    tcase_add_test(tests, an_address_that_is_gone);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
