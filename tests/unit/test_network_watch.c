/* NetworkWatch: sleep by two clocks, which netlink messages matter, and real changes in a network of our own.
 */

#include <check.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/network_watch.h"
#include "network_namespace.h"

#define HOUR (3600 * NS_PER_S)

START_TEST(sleep_is_what_one_clock_counts_and_the_other_does_not)
{
    SleepWatch watch = {0};
    uint64_t slept;
    ck_assert(!sleep_watch_look(&watch, 5 * HOUR, 9 * HOUR, &slept)); /* had slept before we began */
    ck_assert(!sleep_watch_look(&watch, 6 * HOUR, 10 * HOUR, &slept));
    ck_assert(sleep_watch_look(&watch, 6 * HOUR + 1, 11 * HOUR + 1, &slept));
    ck_assert_uint_eq(slept, HOUR);
    ck_assert(!sleep_watch_look(&watch, 6 * HOUR + 2, 11 * HOUR + 2, &slept)); /* told once */
    ck_assert_uint_eq(slept, 0);
}
END_TEST

START_TEST(short_sleeps_add_up)
{
    SleepWatch watch = {0};
    uint64_t slept, boot = 0;
    unsigned n_told = 0;
    for (int i = 0; i < 10; i++, boot += 400 * NS_PER_MS)
        n_told += sleep_watch_look(&watch, HOUR, HOUR + boot, &slept);
    ck_assert_uint_eq(n_told, 3); /* at 1.2, 2.4 and 3.6 s */
}
END_TEST

START_TEST(a_clock_that_counts_no_sleep_tells_nothing)
{
    SleepWatch watch = {0};
    uint64_t slept;
    for (uint64_t now = 0; now < 10 * HOUR; now += HOUR)
        ck_assert(!sleep_watch_look(&watch, now, now, &slept));
}
END_TEST

/* ---- messages */

typedef struct AddressMessage {
    struct nlmsghdr header;
    struct ifaddrmsg address;
} AddressMessage;

typedef struct RouteMessage {
    struct nlmsghdr header;
    struct rtmsg route;
} RouteMessage;

static bool address_matters(uint16_t type, uint8_t scope)
{
    AddressMessage message = {{.nlmsg_len = sizeof message, .nlmsg_type = type}, {.ifa_scope = scope}};
    return network_change_matters(&message, sizeof message);
}

static bool route_matters(uint16_t type, uint8_t prefix, uint8_t kind)
{
    RouteMessage message = {{.nlmsg_len = sizeof message, .nlmsg_type = type},
                            {.rtm_dst_len = prefix, .rtm_type = kind}};
    return network_change_matters(&message, sizeof message);
}

START_TEST(what_matters)
{
    ck_assert(address_matters(RTM_NEWADDR, RT_SCOPE_UNIVERSE));
    ck_assert(address_matters(RTM_DELADDR, RT_SCOPE_UNIVERSE));
    ck_assert(!address_matters(RTM_NEWADDR, RT_SCOPE_LINK)); /* each container brings some */
    ck_assert(!address_matters(RTM_NEWADDR, RT_SCOPE_HOST));
    ck_assert(!address_matters(RTM_NEWLINK, RT_SCOPE_UNIVERSE));
    ck_assert(route_matters(RTM_NEWROUTE, 0, RTN_UNICAST));
    ck_assert(route_matters(RTM_DELROUTE, 0, RTN_UNICAST));
    ck_assert(!route_matters(RTM_NEWROUTE, 24, RTN_UNICAST));
    ck_assert(!route_matters(RTM_NEWROUTE, 0, RTN_UNREACHABLE));
    ck_assert(!network_change_matters(NULL, 0));
}
END_TEST

START_TEST(messages_may_lie_about_their_length)
{
    AddressMessage message = {{.nlmsg_type = RTM_NEWADDR}, {.ifa_scope = RT_SCOPE_UNIVERSE}};
    for (uint32_t told = 0; told < 64; told++) {
        message.header.nlmsg_len = told;
        for (size_t length = 0; length <= sizeof message; length++)
            ck_assert_int_eq(network_change_matters(&message, length),
                             told == sizeof message && length == sizeof message);
    }
}
END_TEST

/* ---- the real thing */

static unsigned n_changes;

static void on_change(void *context, const char *what)
{
    n_changes++;
    ck_assert_str_eq(what, "the network has changed");
    uv_stop(context);
}

START_TEST(an_address_that_comes_is_told_once_and_quiet_is_quiet)
{
    uv_loop_t loop;
    Deadlines deadlines;
    if (!network_namespace_enter())
        return;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(deadlines_init(&deadlines, &loop), 0);
    NetworkWatch *watch = network_watch_new(&loop, &deadlines, on_change, &loop);
    network_set_up(true); /* 127.0.0.1 comes, which matters to nobody */
    for (int i = 0; i < 10; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_uint_eq(deadlines.n_entries, 0);
    network_add_address();
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(n_changes, 1);
    ck_assert_uint_eq(deadlines.n_entries, 0); /* nothing runs until the next one */
    network_remove_address();
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(n_changes, 2);
    ck_assert_ptr_null(network_watch_close(watch));
    deadlines_deinit(&deadlines);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network_watch");
    TCase *tests = tcase_create("network_watch");
    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, sleep_is_what_one_clock_counts_and_the_other_does_not);
    tcase_add_test(tests, short_sleeps_add_up);
    tcase_add_test(tests, a_clock_that_counts_no_sleep_tells_nothing);
    tcase_add_test(tests, what_matters);
    tcase_add_test(tests, messages_may_lie_about_their_length);
    tcase_add_test(tests, an_address_that_comes_is_told_once_and_quiet_is_quiet);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
