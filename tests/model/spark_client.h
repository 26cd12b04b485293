#pragma once

/* The Spark clients of the model: what they ask for, and what they may get. */

#include "model.h"

/* Once for all scripts; `listener`: the daemon's socket. */
void clients_open(int listener);
void clients_reset(void);
/* `reads`: the daemon may have said something. True: something has moved. */
bool clients_pump(bool reads);

/* ---- what a script makes them do; `pick` chooses one of those there are */

void client_execute(unsigned client, bool is_reattachable, uint32_t traits);
/* Takes an operation's results up, after some of those that it has. */
void client_reattach(unsigned pick, unsigned after);
void client_release_until(unsigned pick);
void client_release_all(unsigned pick);
void client_cancel(unsigned pick);
/* Stops reading a call's results, or goes on. */
void client_pause(unsigned pick);
void client_die(unsigned client);
/* Reads everything from now on. */
void clients_finish(void);
/* Calls that are open; of one operation's results, or, with NULL, all of them. */
unsigned clients_count_calls(const ModelOperation *operation);
