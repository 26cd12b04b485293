#include "admin/service.h"

#ifdef HAVE_LIBSYSTEMD

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/mem.h"

/*
 * libsystemd is loaded by name, and only under systemd: with what it brings it takes a MiB of resident
 * memory, an eighth of the daemon. Failures are of no consequence here: what is wrong with the notification
 * socket systemd logs by itself. It stays loaded, which is also what its own manual advises.
 */
static void *find(const char *name)
{
    if (!getenv("NOTIFY_SOCKET"))
        return NULL;
    void *library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *function = library ? dlsym(library, name) : NULL;
    if (library)
        (void)dlclose(library);
    return function;
}

static void notify(const char *message)
{
    __typeof__(sd_notify) *function = NULL;
    *(void **)&function = find("sd_notify");
    if (function)
        (void)function(0, message);
}

static void notify_status(const char *prefix, const char *status)
{
    char message[256];
    (void)snprintf(message, sizeof message, "%sSTATUS=%s", prefix, status);
    notify(message);
}

void service_ready(const char *status)
{
    notify_status("READY=1\n", status);
}

void service_reloading(void)
{
    char message[64];
    (void)snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)(clock_now_ns() / 1000));
    notify(message);
}

void service_stopping(void)
{
    notify_status("STOPPING=1\n", "stopping: waiting for running calls");
}

uint64_t service_watchdog_period_ms(void)
{
    uint64_t limit_us = 0;
    __typeof__(sd_watchdog_enabled) *function = NULL;
    *(void **)&function = find("sd_watchdog_enabled");
    return function && function(0, &limit_us) > 0 ? limit_us / 2 / 1000 : 0;
}

void service_watchdog_ping(void)
{
    notify("WATCHDOG=1");
}

#else

void service_ready(const char *status)
{
    (void)status;
}

void service_reloading(void) {}

void service_stopping(void) {}

uint64_t service_watchdog_period_ms(void)
{
    return 0;
}

void service_watchdog_ping(void) {}

#endif
