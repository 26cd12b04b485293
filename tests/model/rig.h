#pragma once

/* The daemon's relay with one profile, between the clients and the server of the model, in this process. */

#include <stdbool.h>
#include <stdint.h>

/* Once for all scripts. */
void rig_open(void);
/* A new relay, which knows nothing; clients and server begin anew as well. */
void rig_init(void);
/* Until nothing moves any more. */
void rig_settle(void);
/* Nobody uses the relay any more: nothing may be left in it. */
void rig_check_is_idle(void);
void rig_deinit(void);
