#pragma once

/*
 * ListenerSet: the addresses that are listened on just now, and the way from one set to the next: what is new
 * is opened before anything is closed, what is in both goes on untouched. Loop thread only.
 */

#include "conf/problems.h"
#include "front/listener.h"

typedef struct ListenerSet {
    Listener **entries; /* beside settings->listens */
    size_t n_entries;
} ListenerSet;

#define LISTENER_SET_NULL                                                                                    \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }

/* Fills `ret_next` with what `settings` want: listeners of `current` where the address is the same, new ones
 * else. A negative errno and an error in `problems` when one cannot be opened; then nothing has changed. */
int listener_set_prepare(ListenerSet *ret_next, const ListenerSet *current, Relay *relay,
                         const Settings *settings, Problems *problems) _must_check_;
/* Makes `current` the prepared set, of the same `settings`, which must live as long: closes what is not in
 * it. */
void listener_set_commit(ListenerSet *current, ListenerSet *next, const Settings *settings);
/* The other end of a prepared set: closes what was opened for it. */
void listener_set_discard(const ListenerSet *current, ListenerSet *next);
/* Closes all. */
void listener_set_close(ListenerSet *set);
bool listener_set_has(const ListenerSet *set, const Listener *listener);
