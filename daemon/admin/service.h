#pragma once

/*
 * Service: what systemd is told about the daemon. Built without libsystemd, or run by somebody else than
 * systemd, nothing happens. Any thread.
 */

#include <stdint.h>

/* The daemon takes calls. `status` is a line for `systemctl status`. */
void service_ready(const char *status);
/* The daemon has begun to reload; service_ready() says when it has done so. */
void service_reloading(void);
/* The daemon has begun to stop. */
void service_stopping(void);
/* How often systemd wants to hear from us: half of its WatchdogSec. 0: never. */
uint64_t service_watchdog_period_ms(void);
/* The loop is alive. */
void service_watchdog_ping(void);
