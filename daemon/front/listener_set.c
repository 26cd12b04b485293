#include "front/listener_set.h"

#include "base/mem.h"
#include "conf/settings_change.h"

bool listener_set_has(const ListenerSet *set, const Listener *listener)
{
    for (size_t i = 0; i < set->n_entries; i++)
        if (set->entries[i] == listener)
            return true;
    return false;
}

/* The same port 0 may be wanted twice: each listener serves one entry. */
static Listener *find_unused(const ListenerSet *current, const ListenerSet *next,
                             const ListenSettings *settings)
{
    for (size_t i = 0; i < current->n_entries; i++) {
        Listener *listener = current->entries[i];
        if (listen_is_same_address(listener->settings, settings) && !listener_set_has(next, listener))
            return listener;
    }
    return NULL;
}

int listener_set_prepare(ListenerSet *ret_next, const ListenerSet *current, Relay *relay,
                         const Settings *settings, Problems *problems)
{
    ListenerSet next = {.entries = mem_alloc_zeroed(settings->n_listens, sizeof(Listener *))};
    for (size_t i = 0; i < settings->n_listens; i++) {
        Listener *listener = find_unused(current, &next, &settings->listens[i]);
        int error =
            listener ? 0
                     : listener_new(&listener, relay, &settings->listens[i], settings->socket_mode, problems);
        if (error != 0) {
            listener_set_discard(current, &next);
            return error;
        }
        next.entries[next.n_entries++] = listener;
    }
    *ret_next = next;
    return 0;
}

void listener_set_commit(ListenerSet *current, ListenerSet *next, const Settings *settings)
{
    for (size_t i = 0; i < current->n_entries; i++)
        if (!listener_set_has(next, current->entries[i]))
            listener_close(current->entries[i]);
    for (size_t i = 0; i < next->n_entries; i++)
        listener_set_settings(next->entries[i], &settings->listens[i], settings->socket_mode);
    free(current->entries);
    *current = *next;
    *next = (ListenerSet)LISTENER_SET_NULL;
}

void listener_set_discard(const ListenerSet *current, ListenerSet *next)
{
    for (size_t i = 0; i < next->n_entries; i++)
        if (!listener_set_has(current, next->entries[i]))
            listener_close(next->entries[i]);
    free(next->entries);
    *next = (ListenerSet)LISTENER_SET_NULL;
}

void listener_set_close(ListenerSet *set)
{
    for (size_t i = 0; i < set->n_entries; i++)
        listener_close(set->entries[i]);
    free(set->entries);
    *set = (ListenerSet)LISTENER_SET_NULL;
}
