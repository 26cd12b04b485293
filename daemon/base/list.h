#pragma once

/*
 * Intrusive doubly linked list: a ListLink in the object, a List at the owner. Both must be initialised; a
 * link that is in no list points at itself, so unlinking twice is harmless. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

typedef struct ListLink {
    struct ListLink *previous, *next;
} ListLink;

typedef struct List {
    ListLink head;
    size_t n_entries;
} List;

#define LIST_INIT(list)                                                                                      \
    {                                                                                                        \
        {&(list).head, &(list).head}, 0                                                                      \
    }

static inline void list_link_init(ListLink *link)
{
    link->previous = link->next = link;
}

static inline void list_init(List *list)
{
    list_link_init(&list->head);
    list->n_entries = 0;
}

static inline bool list_is_empty(const List *list)
{
    return list->head.next == &list->head;
}

static inline bool list_link_is_linked(const ListLink *link)
{
    return link->next != link;
}

static inline void list_append(List *list, ListLink *link)
{
    link->next = &list->head;
    link->previous = list->head.previous;
    link->previous->next = link;
    list->head.previous = link;
    list->n_entries++;
}

/* Takes `link` out of `list`; nothing happens when it is in no list. */
static inline void list_remove(List *list, ListLink *link)
{
    if (!list_link_is_linked(link))
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_link_init(link);
    list->n_entries--;
}

static inline ListLink *list_first(const List *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

/* Walks the links; the body must not remove any but through list_first() loops. */
#define list_for_each(link, list)                                                                            \
    for (ListLink * (link) = (list)->head.next; (link) != &(list)->head; (link) = (link)->next)

/* Walks the links; the body may remove the current one. */
#define list_for_each_safe(link, following, list)                                                            \
    for (ListLink * (link) = (list)->head.next, *(following) = (link)->next; (link) != &(list)->head;        \
         (link) = (following), (following) = (link)->next)
